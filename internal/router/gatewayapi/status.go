package gatewayapi

import (
	"cmp"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/haldane-dev/haldane/internal/router/object"
	"github.com/haldane-dev/haldane/internal/traffic"
)

const gatewayGroup = gatewayv1.GroupName

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
