package replicas

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/router"
	"github.com/haldane-dev/haldane/internal/router/object"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// Patience is how long an arm that is to lose all traffic waits for the other
// to have room for it. After that traffic goes to what there is.
const Patience = 2 * time.Minute

var service = corev1.SchemeGroupVersion.WithKind("Service")

// Router splits traffic by numbers of pods.
type Router struct {
	rollout cluster.Rollout
	contest *object.Contest
	refused *object.Refusal
	settle  *object.Settle
	keeper  *object.Keeper // of the Service's selector
	now     func() time.Time

	mu     sync.Mutex
	wanted uint64    // generation of the split that is being brought about
	since  time.Time // when it was first wanted
}

var (
	_ router.Router       = (*Router)(nil)
	_ cluster.Conditioner = (*Router)(nil)
)

// New returns the router of r, whose spec has routing.replicas. It reads and
// writes nothing before it is asked to.
func New(r cluster.Rollout) *Router {
	contest := &object.Contest{}
	return &Router{
		rollout: r, contest: contest, refused: &object.Refusal{}, settle: &object.Settle{}, now: time.Now,
		keeper: &object.Keeper{
			Rollout: r, Kind: service, Name: r.Spec.Workload.Service,
			Field: []string{"spec", "selector"}, Adopt: true, Contest: contest,
		},
	}
}

// Capabilities implements router.Router.
func (r *Router) Capabilities(_ context.Context, t router.Target) (traffic.Capabilities, error) {
	return traffic.Capabilities{Weights: true}, object.Check(r.rollout, t)
}

// Apply implements router.Router. It does what can be done now: pods that have
// to come first are awaited by later calls.
func (r *Router) Apply(ctx context.Context, t router.Target, s traffic.Split) error {
	c, err := r.Capabilities(ctx, t)
	if err != nil {
		return err
	}
	if err := object.Refuse(c, s); err != nil {
		return fmt.Errorf("%s: %w", r.keeper, err)
	}
	a, err := r.look(ctx)
	if err != nil {
		return err
	}
	why, err := r.against(ctx, a, s.Canary)
	if err != nil {
		return err
	}
	if why != "" {
		return fmt.Errorf("%s: %s", r.keeper, why)
	}
	now := a.through(s.Canary, r.late(s.Generation))
	if now.final {
		now.split = s
	}
	// Room is made before traffic moves into it, and taken away after.
	if err := r.size(ctx, t, a, now, false); err != nil {
		return err
	}
	err = r.keeper.Apply(ctx, t, now.split, func(base any, s traffic.Split) (object.Content, error) {
		return a.selector(base, s.Canary)
	})
	if err != nil {
		return err
	}
	return r.size(ctx, t, a, now, true)
}

// late reports whether a split has been wanted for longer than Patience.
func (r *Router) late(generation uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.since.IsZero() || generation != r.wanted {
		r.wanted, r.since = generation, r.now()
	}
	return r.now().Sub(r.since) >= Patience
}

// Observe implements router.Router.
func (r *Router) Observe(ctx context.Context, t router.Target) (traffic.Observed, error) {
	unknown := traffic.Observed{Level: traffic.Unknown}
	if err := object.Check(r.rollout, t); err != nil {
		return unknown, err
	}
	a, err := r.look(ctx)
	if err != nil {
		return unknown, err
	}
	if _, err := r.against(ctx, a, 0); err != nil {
		return unknown, err
	}
	live, err := r.keeper.Get(ctx)
	if err != nil || live == nil {
		return unknown, err
	}
	m, intact := r.keeper.Intact(live)
	_, marked := object.ReadMark(live)
	switch {
	case !marked:
		return unknown, nil
	case !intact, m.Generation == 0, !a.arrived(m.Canary):
		return traffic.Observed{Level: traffic.Written, Canary: a.share()}, nil
	}
	return m.Observed(r.settle.Level(m)), nil
}

// Release implements router.Router. Stable gets back its number of pods and the
// Service its selector.
func (r *Router) Release(ctx context.Context, t router.Target) error {
	if err := object.Check(r.rollout, t); err != nil {
		return err
	}
	a, err := r.look(ctx)
	if err != nil {
		return err
	}
	if a.stable != nil && a.stable.Annotations[annotationReplicas] != "" {
		if err := r.scale(ctx, t, a.stable, a.all, a.all); err != nil {
			return err
		}
	}
	return r.keeper.Release(ctx, t)
}

// Conditions implements cluster.Conditioner.
func (r *Router) Conditions() []cluster.Condition {
	return []cluster.Condition{r.contest.Condition(), r.refused.Condition()}
}
