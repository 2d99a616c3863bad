package appmesh

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/router"
	"github.com/haldane-dev/haldane/internal/router/object"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// VirtualRouter is the kind that is written.
var VirtualRouter = schema.GroupVersionKind{Group: "appmesh.k8s.aws", Version: "v1beta2", Kind: "VirtualRouter"}

// Router splits traffic by one route of a VirtualRouter.
type Router struct {
	rollout cluster.Rollout
	spec    *v1alpha1.AppMesh
	contest *object.Contest
	refused *object.Refusal
	keeper  *object.Keeper
}

var (
	_ router.Router       = (*Router)(nil)
	_ cluster.Conditioner = (*Router)(nil)
)

// New returns the router of r, whose spec has routing.appMesh. It reads and
// writes nothing before it is asked to.
func New(r cluster.Rollout) *Router {
	contest := &object.Contest{}
	return &Router{
		rollout: r, spec: r.Spec.Routing.AppMesh, contest: contest, refused: &object.Refusal{},
		keeper: &object.Keeper{
			Rollout: r, Kind: VirtualRouter, Name: r.Spec.Routing.AppMesh.VirtualRouter,
			Field: []string{"spec", "routes"}, Adopt: true, Contest: contest,
		},
	}
}

// Capabilities implements router.Router.
func (r *Router) Capabilities(_ context.Context, t router.Target) (traffic.Capabilities, error) {
	if err := object.Check(r.rollout, t); err != nil {
		return traffic.Capabilities{}, err
	}
	return traffic.Capabilities{Weights: true, Header: true}, nil
}

// Apply implements router.Router.
func (r *Router) Apply(ctx context.Context, t router.Target, s traffic.Split) error {
	c, err := r.Capabilities(ctx, t)
	if err != nil {
		return err
	}
	if err := object.Refuse(c, s); err != nil {
		return fmt.Errorf("%s: %w", r.keeper, err)
	}
	if s.Canary%100 != 0 {
		return fmt.Errorf("%s: %w send %s: it takes whole percents", r.keeper, object.ErrCannot, s.Canary)
	}
	return r.keeper.Apply(ctx, t, s, func(base any, s traffic.Split) (out object.Content, err error) {
		out.Value, err = r.split(base, s)
		return out, err
	})
}

// Observe implements router.Router.
func (r *Router) Observe(ctx context.Context, t router.Target) (traffic.Observed, error) {
	unknown := traffic.Observed{Level: traffic.Unknown}
	if err := object.Check(r.rollout, t); err != nil {
		return unknown, err
	}
	live, err := r.keeper.Get(ctx)
	if err != nil || live == nil {
		return unknown, err
	}
	level, why := status(live)
	r.refused.Set(why)
	if m, intact := r.keeper.Intact(live); intact {
		return m.Observed(level), nil
	}
	_, marked := object.ReadMark(live)
	weight, known := r.share(r.keeper.Value(live))
	if !marked || !known {
		return unknown, nil
	}
	return traffic.Observed{Level: level, Canary: weight}, nil
}

// Release implements router.Router.
func (r *Router) Release(ctx context.Context, t router.Target) error {
	if err := object.Check(r.rollout, t); err != nil {
		return err
	}
	return r.keeper.Release(ctx, t)
}

// Conditions implements cluster.Conditioner.
func (r *Router) Conditions() []cluster.Condition {
	return []cluster.Condition{r.contest.Condition(), r.refused.Condition()}
}

// status returns Accepted if the controller says that live is active as it is
// now, else Written and what it says against it.
func status(live *unstructured.Unstructured) (level traffic.Level, why string) {
	about, _, _ := unstructured.NestedInt64(live.Object, "status", "observedGeneration")
	conditions, _, _ := unstructured.NestedSlice(live.Object, "status", "conditions")
	for _, c := range conditions {
		m, _ := c.(fields)
		if m["type"] != "VirtualRouterActive" || about < live.GetGeneration() {
			continue
		}
		if m["status"] == "True" {
			return traffic.Accepted, ""
		}
		return traffic.Written, fmt.Sprintf("VirtualRouterActive is %v (%v): %v", m["status"], m["reason"], m["message"])
	}
	return traffic.Written, ""
}
