package gatewayapi

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/router"
	"github.com/haldane-dev/haldane/internal/router/object"
	"github.com/haldane-dev/haldane/internal/traffic"
)

var version = schema.GroupVersion{Group: gatewayv1.GroupName, Version: "v1"}

// The kinds of route.
var (
	HTTPRoute = version.WithKind("HTTPRoute")
	GRPCRoute = version.WithKind("GRPCRoute")
)

// Router splits traffic by one route.
type Router struct {
	rollout cluster.Rollout
	spec    *v1alpha1.GatewayAPI
	kind    schema.GroupVersionKind
	contest *object.Contest
	keeper  *object.Keeper
	refused *object.Refusal
	now     func() time.Time

	mu    sync.Mutex
	known map[client.ObjectKey]known
}

var (
	_ router.Router       = (*Router)(nil)
	_ cluster.Conditioner = (*Router)(nil)
)

// New returns the router of r, whose spec has routing.gatewayAPI. It reads and
// writes nothing before it is asked to.
func New(r cluster.Rollout) *Router {
	g := r.Spec.Routing.GatewayAPI
	kind, name := HTTPRoute, g.HTTPRoute
	if g.GRPCRoute != "" {
		kind, name = GRPCRoute, g.GRPCRoute
	}
	field := []string{"spec"}
	if g.Adopt {
		field = []string{"spec", "rules"}
	}
	contest := &object.Contest{}
	return &Router{
		rollout: r, spec: g, kind: kind, contest: contest, refused: &object.Refusal{},
		now: time.Now, known: map[client.ObjectKey]known{},
		keeper: &object.Keeper{Rollout: r, Kind: kind, Name: name, Field: field, Adopt: g.Adopt, Contest: contest},
	}
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
	port, err := object.Port(ctx, r.rollout, r.protocol())
	if err != nil {
		return err
	}
	return r.keeper.Apply(ctx, t, s, func(base any, s traffic.Split) (out object.Content, err error) {
		if r.spec.Adopt {
			out.Value, err = r.adopted(base, s)
		} else {
			out.Value, err = r.own(s, port)
		}
		return out, err
	})
}

// Observe implements router.Router.
func (r *Router) Observe(ctx context.Context, t router.Target) (traffic.Observed, error) {
	if err := object.Check(r.rollout, t); err != nil {
		return traffic.Observed{Level: traffic.Unknown}, err
	}
	live, err := r.keeper.Get(ctx)
	if err != nil {
		return traffic.Observed{Level: traffic.Unknown}, err
	}
	m, intact := r.keeper.Intact(live)
	if !intact {
		return r.foreign(live), nil
	}
	level, why, err := accepted(live)
	if err != nil {
		return traffic.Observed{Level: traffic.Unknown}, err
	}
	r.refused.Set(why)
	return m.Observed(level), nil
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

func (r *Router) protocol() string {
	if r.kind == GRPCRoute {
		return "grpc"
	}
	return "http"
}
