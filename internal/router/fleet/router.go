package fleetrouter

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/gateway"
	"github.com/haldane-dev/haldane/internal/gateway/fleet"
	"github.com/haldane-dev/haldane/internal/router"
	"github.com/haldane-dev/haldane/internal/router/object"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// Table is the kind that gateways go by.
var Table = v1alpha1.GroupVersion.WithKind("GatewayTable")

// Config says what is routed and what the gateways are.
type Config struct {
	Rollout cluster.Rollout // its spec has routing.gateway or routing.flag
	Image   string          // of Haldane
	User    string          // ServiceAccount that may get and watch GatewayTables; "" is the namespace's default
	// Ask asks the gateway at a host and port what it carries, when it should
	// carry the table of a digest. Nil asks over HTTP.
	Ask func(ctx context.Context, address, want string) (fleet.Ack, error)
	Now func() time.Time // nil is time.Now
	// Load is how gateways tell load from users; nil: there is none.
	Load *gateway.Load
}

// Router splits traffic by several gateways.
type Router struct {
	cfg     Config
	rollout cluster.Rollout
	fleet   *v1alpha1.GatewayFleet
	listen  int32  // port that the gateways listen at
	name    string // of the table, the Deployment and the Service
	table   *object.Keeper
	contest *object.Contest // over the table
	edits   *object.Contest // over the rest
	refused *object.Refusal

	mu        sync.Mutex
	confirmed string // what the gateways were last known to carry, see state
	level     traffic.Level
	behind    string    // why they are not known to; "" if they are
	secretOf  string    // Secret that was made
	secretAt  time.Time // when that was last made sure of
}

var (
	_ router.Router       = (*Router)(nil)
	_ cluster.Conditioner = (*Router)(nil)
)

// New returns the router of c.Rollout. It reads and writes nothing before it is
// asked to. The error says what cannot be done and what to write instead.
func New(c Config) (*Router, error) {
	if c.Image == "" {
		return nil, errors.New("gateway: it is not known which image the gateways run: start the controller with --gateway-image")
	}
	if c.Ask == nil {
		c.Ask = ask
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	field, listen, of := asked(&c.Rollout.Spec.Routing)
	name := of.Service
	if len(name)+len(peersSuffix) > 63 {
		return nil, fmt.Errorf("%s.fleet.service: %q is too long a name for what is made of it: write one of at most %d characters", field, name, 63-len(peersSuffix))
	}
	contest := &object.Contest{Now: c.Now}
	return &Router{
		cfg: c, rollout: c.Rollout, fleet: of, listen: port(listen), name: name,
		contest: contest, edits: &object.Contest{Now: c.Now}, refused: &object.Refusal{},
		table: &object.Keeper{Rollout: c.Rollout, Kind: Table, Name: name, Field: []string{"spec"}, Contest: contest},
	}, nil
}

// asked is what asks for the gateways: the field of routing, the address that
// they listen at, and what is said of the fleet.
func asked(r *v1alpha1.Routing) (field, listen string, f *v1alpha1.GatewayFleet) {
	if r.Flag != nil {
		return "flag", r.Flag.Listen, r.Flag.Fleet
	}
	return "gateway", r.Gateway.Listen, r.Gateway.Fleet
}

// flag is nil where requests are forwarded.
func (r *Router) flag() *v1alpha1.Flag { return r.rollout.Spec.Routing.Flag }

// Capabilities implements router.Router. Everything can be done but finding
// countries, for which the gateway needs a trusted header. Nothing can be copied
// of what a flag does not see, and applications name countries themselves.
func (r *Router) Capabilities(_ context.Context, t router.Target) (traffic.Capabilities, error) {
	if err := object.Check(r.rollout, t); err != nil {
		return traffic.Capabilities{}, err
	}
	country := r.rollout.Spec.Routing.Country
	forwards := r.flag() == nil
	return traffic.Capabilities{
		Weights: true, Mirror: forwards, Pairs: forwards, Sticky: true,
		Header: true, Cookie: true, Country: !forwards || country != nil && country.Header != "", Cohort: true,
		ForcedKept: true, Variants: forwards,
	}, nil
}

// Apply implements router.Router. The gateways have the table a moment later;
// Observe tells when.
func (r *Router) Apply(ctx context.Context, t router.Target, s traffic.Split) error {
	c, err := r.Capabilities(ctx, t)
	if err != nil {
		return err
	}
	if err := object.Refuse(c, s); err != nil {
		return fmt.Errorf("%s: %w", r.table, err)
	}
	doors, err := r.doors(ctx)
	if err != nil {
		return err
	}
	contested := r.table.Apply(ctx, t, s, func(_ any, s traffic.Split) (object.Content, error) {
		return r.render(doors, s)
	})
	if contested != nil && !errors.Is(contested, object.ErrContested) {
		return contested
	}
	return errors.Join(contested, r.provide(ctx, t))
}

// Observe implements router.Router.
func (r *Router) Observe(ctx context.Context, t router.Target) (traffic.Observed, error) {
	unknown := traffic.Observed{Level: traffic.Unknown}
	if err := object.Check(r.rollout, t); err != nil {
		return unknown, err
	}
	live, err := r.table.Get(ctx)
	if err != nil {
		return unknown, err
	}
	m, intact := r.table.Intact(live)
	if !intact {
		return unknown, nil // what gateways carry of a stranger's hand is not known
	}
	level, err := r.carried(ctx, live)
	if err != nil {
		return unknown, err
	}
	out := m.Observed(level)
	if doc, err := fleet.Decode(tableOf(live)); err == nil { // else no gateway carries it
		out.Slots = doc.Split.Slots
	}
	return out, nil
}

// Release implements router.Router. Gateways end before the table does: without
// one a replica that begins would not be ready.
func (r *Router) Release(ctx context.Context, t router.Target) error {
	if err := object.Check(r.rollout, t); err != nil {
		return err
	}
	for _, p := range r.parts("", 0) {
		if err := r.remove(ctx, t, p); err != nil {
			return err
		}
	}
	r.mu.Lock()
	r.confirmed, r.secretOf = "", ""
	r.mu.Unlock()
	return r.table.Release(ctx, t)
}

// The conditions of gateways, beside those of every route.
const (
	// ConditionGatewayBehind is true while not all gateways are known to carry
	// the table.
	ConditionGatewayBehind = "GatewayBehind"
	// ConditionGatewayContested is true while somebody else keeps rewriting the
	// objects around the table.
	ConditionGatewayContested = "GatewayContested"
)

// Conditions implements cluster.Conditioner.
func (r *Router) Conditions() []cluster.Condition {
	edited := cluster.Condition{Type: ConditionGatewayContested, Reason: "Uncontested", Message: "Nobody else rewrites the gateways' objects."}
	if r.edits.Err() != nil {
		edited.True, edited.Reason = true, "RewrittenByOthers"
		edited.Message = fmt.Sprintf("Somebody keeps rewriting Deployment %s or its Services, and Haldane puts back what it wrote: make it ignore them. The number of gateways is fleet.replicas of spec.routing", r.name)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	behind := cluster.Condition{Type: ConditionGatewayBehind, Reason: "AllCarryIt", Message: "Every gateway that is ready carries the table."}
	if r.behind != "" {
		behind.True, behind.Reason, behind.Message = true, "NotAllCarryIt", r.behind
	}
	return []cluster.Condition{r.contest.Condition(), r.refused.Condition(), behind, edited}
}

func (r *Router) key(name string) client.ObjectKey {
	return client.ObjectKey{Namespace: r.rollout.Namespace, Name: name}
}
