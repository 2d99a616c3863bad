package istio

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/router"
	"github.com/haldane-dev/haldane/internal/router/object"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// The kinds that are written.
var (
	VirtualService  = schema.GroupVersionKind{Group: "networking.istio.io", Version: "v1", Kind: "VirtualService"}
	DestinationRule = schema.GroupVersionKind{Group: "networking.istio.io", Version: "v1", Kind: "DestinationRule"}
)

// Router splits traffic by one VirtualService.
type Router struct {
	rollout cluster.Rollout
	spec    *v1alpha1.Istio
	contest *object.Contest
	settle  *object.Settle
	refused *object.Refusal
	routes  *object.Keeper
	subsets *object.Keeper // nil without a DestinationRule
}

var (
	_ router.Router       = (*Router)(nil)
	_ cluster.Conditioner = (*Router)(nil)
)

// New returns the router of r, whose spec has routing.istio. It reads and
// writes nothing before it is asked to.
func New(r cluster.Rollout) *Router {
	i := r.Spec.Routing.Istio
	field := []string{"spec"}
	if i.Adopt {
		field = []string{"spec", "http"}
	}
	contest := &object.Contest{}
	out := &Router{
		rollout: r, spec: i, contest: contest, settle: &object.Settle{}, refused: &object.Refusal{},
		routes: &object.Keeper{Rollout: r, Kind: VirtualService, Name: i.VirtualService, Field: field, Adopt: i.Adopt, Contest: contest},
	}
	if i.DestinationRule != "" {
		out.subsets = &object.Keeper{Rollout: r, Kind: DestinationRule, Name: i.DestinationRule, Field: []string{"spec"}, Contest: contest}
	}
	return out
}

// Capabilities implements router.Router. They are Envoy's; clients that speak
// xDS themselves (gRPC without a proxy) do not copy requests.
func (r *Router) Capabilities(_ context.Context, t router.Target) (traffic.Capabilities, error) {
	if err := object.Check(r.rollout, t); err != nil {
		return traffic.Capabilities{}, err
	}
	return traffic.Capabilities{Weights: true, Mirror: true, Header: true, Cookie: true}, nil
}

// Apply implements router.Router.
func (r *Router) Apply(ctx context.Context, t router.Target, s traffic.Split) error {
	c, err := r.Capabilities(ctx, t)
	if err != nil {
		return err
	}
	if err := object.Refuse(c, s); err != nil {
		return fmt.Errorf("%s: %w", r.routes, err)
	}
	overlap, err := r.overlap(ctx)
	if err != nil {
		return err
	}
	if overlap != "" && s.Canary > 0 {
		return fmt.Errorf("%s: %s", r.routes, overlap)
	}
	port, err := r.port(ctx)
	if err != nil {
		return err
	}
	subsets := r.provide(ctx, t) // first in, last out
	if subsets != nil && !errors.Is(subsets, object.ErrContested) {
		return subsets
	}
	err = r.routes.Apply(ctx, t, s, func(base any, s traffic.Split) (out object.Content, err error) {
		if r.spec.Adopt {
			out.Value, err = r.adopted(base, s)
		} else {
			out.Value, err = r.own(s, port)
		}
		return out, err
	})
	if err != nil {
		return err
	}
	return subsets
}

// Observe implements router.Router.
func (r *Router) Observe(ctx context.Context, t router.Target) (traffic.Observed, error) {
	unknown := traffic.Observed{Level: traffic.Unknown}
	if err := object.Check(r.rollout, t); err != nil {
		return unknown, err
	}
	live, err := r.routes.Get(ctx)
	if err != nil {
		return unknown, err
	}
	if _, err := r.overlap(ctx); err != nil {
		return unknown, err
	}
	m, intact := r.routes.Intact(live)
	if !intact {
		return r.foreign(live), nil
	}
	level, known := status(live)
	if !known {
		level = r.settle.Level(m)
	}
	return m.Observed(level), nil
}

// Release implements router.Router.
func (r *Router) Release(ctx context.Context, t router.Target) error {
	if err := object.Check(r.rollout, t); err != nil {
		return err
	}
	if err := r.routes.Release(ctx, t); err != nil || r.subsets == nil {
		return err
	}
	return r.subsets.Release(ctx, t)
}

// Conditions implements cluster.Conditioner.
func (r *Router) Conditions() []cluster.Condition {
	return []cluster.Condition{r.contest.Condition(), r.refused.Condition()}
}
