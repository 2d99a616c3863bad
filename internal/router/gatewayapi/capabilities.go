package gatewayapi

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/haldane-dev/haldane/internal/router"
	"github.com/haldane-dev/haldane/internal/router/object"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// The features of a data plane that matter here.
const (
	featureMirror  gatewayv1.FeatureName = "HTTPRouteRequestMirror"
	featurePercent gatewayv1.FeatureName = "HTTPRouteRequestPercentageMirror"
)

// known is what a Gateway's class reported at a time.
type known struct {
	features []gatewayv1.SupportedFeature
	at       time.Time
}

// Capabilities implements router.Router: what the classes of all Gateways that
// the route is attached to have in common.
func (r *Router) Capabilities(ctx context.Context, t router.Target) (traffic.Capabilities, error) {
	if err := object.Check(r.rollout, t); err != nil {
		return traffic.Capabilities{}, err
	}
	refs, err := r.gateways(ctx)
	if err != nil {
		return traffic.Capabilities{}, err
	}
	c := traffic.Capabilities{Weights: true, Mirror: true, Header: true, Cookie: true}
	for _, ref := range refs {
		features, err := r.remembered(ctx, ref)
		if err != nil {
			return traffic.Capabilities{}, err
		}
		has := func(f gatewayv1.FeatureName) bool {
			return slices.ContainsFunc(features, func(s gatewayv1.SupportedFeature) bool { return s.Name == f })
		}
		if len(features) > 0 && !has(gatewayv1.FeatureName(r.kind.Kind)) {
			c = traffic.Capabilities{}
		}
		if !has(featureMirror) || !has(featurePercent) && r.copiesPart() {
			c.Mirror = false
		}
	}
	return c, nil
}

// copiesPart reports whether the strategy copies a share other than all.
func (r *Router) copiesPart() bool {
	for _, share := range object.Mirrors(r.rollout.Spec) {
		if share != traffic.Full {
			return true
		}
	}
	return false
}

// gateways returns the Gateways that the route is, or will be, attached to.
func (r *Router) gateways(ctx context.Context) ([]client.ObjectKey, error) {
	var out []client.ObjectKey
	if !r.spec.Adopt {
		for _, g := range r.spec.Gateways {
			out = append(out, client.ObjectKey{Namespace: cmp.Or(g.Namespace, r.rollout.Namespace), Name: g.Name})
		}
		return out, nil
	}
	live, err := r.keeper.Get(ctx)
	if err != nil {
		return nil, err
	}
	if live == nil {
		return nil, fmt.Errorf("%s, which is to be adopted, does not exist", r.keeper)
	}
	rt, err := decode(live)
	if err != nil {
		return nil, err
	}
	for _, ref := range rt.Spec.ParentRefs {
		if deref(ref.Kind, "Gateway") == "Gateway" {
			out = append(out, client.ObjectKey{Namespace: string(deref(ref.Namespace, gatewayv1.Namespace(live.GetNamespace()))), Name: string(ref.Name)})
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s is attached to no Gateway", r.keeper)
	}
	return out, nil
}

// featuresKept is how long the features of a Gateway are believed: they change
// hardly ever, and there may be a thousand rollouts that ask, at every block.
const featuresKept = 5 * time.Minute

// remembered is features, as they were at most featuresKept ago.
func (r *Router) remembered(ctx context.Context, key client.ObjectKey) ([]gatewayv1.SupportedFeature, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k, ok := r.known[key]; ok && r.now().Sub(k.at) < featuresKept {
		return k.features, nil
	}
	features, err := r.features(ctx, key)
	if err != nil {
		return nil, err
	}
	r.known[key] = known{features, r.now()}
	return features, nil
}

// features returns what the class of a Gateway reports. It asks the API server
// itself: Gateways are often in other namespaces, and classes in none, which
// the cache does not hold.
func (r *Router) features(ctx context.Context, key client.ObjectKey) ([]gatewayv1.SupportedFeature, error) {
	gateway, class := &unstructured.Unstructured{}, &unstructured.Unstructured{}
	gateway.SetGroupVersionKind(version.WithKind("Gateway"))
	class.SetGroupVersionKind(version.WithKind("GatewayClass"))
	if err := r.rollout.Reader.Get(ctx, key, gateway); apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("gateway %s does not exist: create it, or correct routing.gatewayAPI.gateways", key)
	} else if err != nil {
		return nil, fmt.Errorf("read gateway %s: %w", key, err)
	}
	name, _, _ := unstructured.NestedString(gateway.Object, "spec", "gatewayClassName")
	if err := r.rollout.Reader.Get(ctx, client.ObjectKey{Name: name}, class); err != nil {
		return nil, fmt.Errorf("read what the data plane of gateway %s can do, from gatewayclass %s: %w", key, name, err)
	}
	var out struct {
		Status gatewayv1.GatewayClassStatus `json:"status"`
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(class.Object, &out); err != nil {
		return nil, fmt.Errorf("read gatewayclass %s: %w", name, err)
	}
	return out.Status.SupportedFeatures, nil
}
