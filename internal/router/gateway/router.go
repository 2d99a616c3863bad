package gatewayrouter

import (
	"context"
	"fmt"
	"reflect"
	"sync"

	"github.com/haldane-dev/haldane/internal/gateway"
	"github.com/haldane-dev/haldane/internal/router"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// Config says what is routed.
type Config struct {
	Gateway *gateway.Gateway
	Rollout string // the only one whose targets are accepted
	// Upstream returns where an arm is served now; its zero value says nowhere.
	Upstream func(traffic.Arm) gateway.Upstream
	// Revision returns the candidate's, for prediction IDs; nil is none.
	Revision func() string
	Cohorts  map[string][]string // the keys of each cohort that a split may name
	Load     *gateway.Load       // how load is told from users; nil: there is none
}

// Router applies splits to a gateway.
type Router struct {
	cfg Config

	mu      sync.Mutex
	applied bool
	before  traffic.Split // what the gateway carried before the first Apply
	current gateway.Table
}

var _ router.Router = (*Router)(nil)

// New returns a router for c.Gateway. It changes nothing before Apply.
func New(c Config) *Router { return &Router{cfg: c} }

// Capabilities implements router.Router. Everything can be done but finding
// countries, for which the gateway needs a file or a trusted header.
func (r *Router) Capabilities(_ context.Context, t router.Target) (traffic.Capabilities, error) {
	if err := r.check(t); err != nil {
		return traffic.Capabilities{}, err
	}
	return traffic.Capabilities{
		Weights: true, Mirror: true, Pairs: true, Sticky: true,
		Header: true, Cookie: true, Country: r.cfg.Gateway.FindsCountries(), Cohort: true,
		ForcedKept: true, Variants: true,
	}, nil
}

// Apply implements router.Router. The gateway carries s when it returns. A split
// and upstreams that it carries already are left alone.
func (r *Router) Apply(_ context.Context, t router.Target, s traffic.Split) error {
	if err := r.check(t); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.applied {
		r.before = traffic.Split{}
		if table, ok := r.cfg.Gateway.Table(); ok {
			r.before = table.Split
		}
	}
	if err := r.set(s); err != nil {
		return fmt.Errorf("apply split to the gateway of %s: %w", t.Rollout, err)
	}
	r.applied = true
	return nil
}

// Observe implements router.Router.
func (r *Router) Observe(_ context.Context, t router.Target) (traffic.Observed, error) {
	if err := r.check(t); err != nil {
		return traffic.Observed{Level: traffic.Unknown}, err
	}
	return r.cfg.Gateway.Observed(), nil
}

// Release implements router.Router. It puts back the split that was carried
// before the first Apply, everything to stable if there was none, with the
// upstreams as they are now: the old ones may be gone.
func (r *Router) Release(_ context.Context, t router.Target) error {
	if err := r.check(t); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.applied {
		return nil
	}
	if err := r.set(r.before); err != nil {
		return fmt.Errorf("release the gateway of %s: %w", t.Rollout, err)
	}
	r.applied = false
	return nil
}

// set makes s and the present upstreams the gateway's table. The caller holds mu.
func (r *Router) set(s traffic.Split) error {
	next := gateway.Table{Split: s, Cohorts: r.cfg.Cohorts, Rollout: r.cfg.Rollout, Load: r.cfg.Load}
	if r.cfg.Revision != nil {
		next.Revision = r.cfg.Revision()
	}
	for arm := range traffic.Arm(traffic.NumArms) {
		next.Upstreams[arm] = r.cfg.Upstream(arm)
	}
	for i := range s.Variants {
		next.Variants = append(next.Variants, r.cfg.Upstream(traffic.Arm(traffic.NumArms+i)))
	}
	if r.applied && reflect.DeepEqual(next, r.current) {
		return nil
	}
	if err := r.cfg.Gateway.SetTable(next); err != nil {
		return err
	}
	r.current = next
	return nil
}

func (r *Router) check(t router.Target) error {
	if t.Rollout != r.cfg.Rollout {
		return fmt.Errorf("this gateway routes rollout %q, not %q", r.cfg.Rollout, t.Rollout)
	}
	return nil
}
