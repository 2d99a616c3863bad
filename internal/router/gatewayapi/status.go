package gatewayapi

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/haldane-dev/haldane/internal/router"
	"github.com/haldane-dev/haldane/internal/router/object"
	"github.com/haldane-dev/haldane/internal/traffic"
)

const gatewayGroup = gatewayv1.GroupName

// The features of a data plane that matter here.
const (
	featureMirror  gatewayv1.FeatureName = "HTTPRouteRequestMirror"
	featurePercent gatewayv1.FeatureName = "HTTPRouteRequestPercentageMirror"
)

// route is what both kinds of route have in common.
type route struct {
	Spec   gatewayv1.CommonRouteSpec `json:"spec"`
	Status gatewayv1.RouteStatus     `json:"status"`
}

func decode(live *unstructured.Unstructured) (route, error) {
	var out route
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(live.Object, &out); err != nil {
		return out, fmt.Errorf("read %s %s/%s: %w", live.GetKind(), live.GetNamespace(), live.GetName(), err)
	}
	return out, nil
}

// accepted returns Accepted if every Gateway of a route has taken its present
// generation, else Written, and what one has against it.
func accepted(live *unstructured.Unstructured) (level traffic.Level, why string, err error) {
	rt, err := decode(live)
	if err != nil {
		return traffic.Unknown, "", err
	}
	level = traffic.Accepted
	if len(rt.Spec.ParentRefs) == 0 {
		level, why = traffic.Written, "the route is attached to no Gateway"
	}
	for _, ref := range rt.Spec.ParentRefs {
		i := slices.IndexFunc(rt.Status.Parents, func(p gatewayv1.RouteParentStatus) bool {
			return same(p.ParentRef, ref, live.GetNamespace())
		})
		if i < 0 {
			level = traffic.Written
			continue
		}
		taken, against := verdict(rt.Status.Parents[i].Conditions, live.GetGeneration())
		if !taken {
			level = traffic.Written
		}
		if against != "" {
			why = fmt.Sprintf("Gateway %s: %s", ref.Name, against)
		}
	}
	return level, why, nil
}

// verdict reads the conditions of one Gateway about one generation.
func verdict(conditions []metav1.Condition, generation int64) (taken bool, against string) {
	good := 0
	for _, c := range conditions {
		if c.ObservedGeneration < generation {
			continue
		}
		switch c.Type {
		case string(gatewayv1.RouteConditionAccepted), string(gatewayv1.RouteConditionResolvedRefs):
			if c.Status == metav1.ConditionTrue {
				good++
			} else {
				against = fmt.Sprintf("%s is %s (%s): %s", c.Type, c.Status, c.Reason, c.Message)
			}
		case string(gatewayv1.RouteConditionPartiallyInvalid):
			if c.Status == metav1.ConditionTrue {
				against = fmt.Sprintf("%s (%s): %s", c.Type, c.Reason, c.Message)
			}
		}
	}
	return good == 2 && against == "", against
}

// same reports whether two references, made in a namespace, mean one thing.
func same(a, b gatewayv1.ParentReference, namespace string) bool {
	return deref(a.Group, gatewayGroup) == deref(b.Group, gatewayGroup) &&
		deref(a.Kind, "Gateway") == deref(b.Kind, "Gateway") && a.Name == b.Name &&
		deref(a.Namespace, gatewayv1.Namespace(namespace)) == deref(b.Namespace, gatewayv1.Namespace(namespace)) &&
		deref(a.SectionName, "") == deref(b.SectionName, "") && deref(a.Port, 0) == deref(b.Port, 0)
}

func deref[T comparable](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return cmp.Or(*p, otherwise)
}

// foreign is what a route says that is not as Haldane wrote it.
func (r *Router) foreign(live *unstructured.Unstructured) traffic.Observed {
	unknown := traffic.Observed{Level: traffic.Unknown}
	if live == nil {
		return unknown
	}
	if _, marked := object.ReadMark(live); !marked {
		return unknown
	}
	rules, _, _ := unstructured.NestedSlice(live.Object, "spec", "rules")
	weight, known := r.share(rules)
	if !known {
		return unknown
	}
	level, _, err := accepted(live)
	if err != nil {
		return unknown
	}
	return traffic.Observed{Level: level, Canary: weight}
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
		features, err := r.features(ctx, ref)
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

// features returns what the class of a Gateway reports.
func (r *Router) features(ctx context.Context, key client.ObjectKey) ([]gatewayv1.SupportedFeature, error) {
	gateway, class := &unstructured.Unstructured{}, &unstructured.Unstructured{}
	gateway.SetGroupVersionKind(gatewayv1.SchemeGroupVersion.WithKind("Gateway"))
	class.SetGroupVersionKind(gatewayv1.SchemeGroupVersion.WithKind("GatewayClass"))
	if err := r.rollout.Client.Get(ctx, key, gateway); apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("gateway %s does not exist: create it, or correct routing.gatewayAPI.gateways", key)
	} else if err != nil {
		return nil, fmt.Errorf("read gateway %s: %w", key, err)
	}
	name, _, _ := unstructured.NestedString(gateway.Object, "spec", "gatewayClassName")
	if err := r.rollout.Client.Get(ctx, client.ObjectKey{Name: name}, class); err != nil {
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
