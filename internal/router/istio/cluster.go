package istio

import (
	"context"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/router"
	"github.com/haldane-dev/haldane/internal/router/object"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// port returns that of the arms' Services, 0 where the port of the request is
// the one: within the mesh, and where the user's route says it.
func (r *Router) port(ctx context.Context) (int32, error) {
	outside := slices.ContainsFunc(r.spec.Gateways, func(g string) bool { return g != "mesh" })
	if r.spec.Adopt || !outside {
		return 0, nil
	}
	return object.Port(ctx, r.rollout, "http")
}

// provide makes the DestinationRule, if one is named and there is none.
func (r *Router) provide(ctx context.Context, t router.Target) error {
	if r.subsets == nil {
		return nil
	}
	live, err := r.subsets.Get(ctx)
	if err != nil {
		return err
	}
	if live != nil && live.GetAnnotations()[cluster.AnnotationOwner] == "" {
		return r.usable(live)
	}
	var subsets []any
	for _, arm := range []struct {
		arm  traffic.Arm
		name string
	}{{traffic.Stable, r.rollout.Spec.Workload.StableName}, {traffic.Canary, r.rollout.Spec.Workload.Name}} {
		dep := &appsv1.Deployment{}
		if err := r.rollout.Client.Get(ctx, client.ObjectKey{Namespace: r.rollout.Namespace, Name: arm.name}, dep); err != nil {
			return fmt.Errorf("make subsets of %s: read deployment %s: %w", r.subsets, arm.name, err)
		}
		if dep.Spec.Selector == nil || len(dep.Spec.Selector.MatchLabels) == 0 {
			return fmt.Errorf("make subsets of %s: deployment %s selects by no label", r.subsets, arm.name)
		}
		labels := fields{}
		for k, v := range dep.Spec.Selector.MatchLabels {
			labels[k] = v
		}
		subsets = append(subsets, fields{"name": arm.arm.String(), "labels": labels})
	}
	spec := fields{"host": r.rollout.Spec.Workload.Service, "subsets": subsets}
	return r.subsets.Apply(ctx, t, traffic.Split{}, func(any, traffic.Split) (object.Content, error) {
		return object.Content{Value: spec}, nil
	})
}

// usable refuses a DestinationRule of the user's that lacks a subset.
func (r *Router) usable(live *unstructured.Unstructured) error {
	subsets, _, _ := unstructured.NestedSlice(live.Object, "spec", "subsets")
	for _, arm := range []traffic.Arm{traffic.Stable, traffic.Canary} {
		if !slices.ContainsFunc(subsets, func(s any) bool { m, _ := s.(fields); return m["name"] == arm.String() }) {
			return fmt.Errorf("%s has no subset %s: add it, or name a DestinationRule that does not exist", r.subsets, arm)
		}
	}
	return nil
}

// overlap says which other VirtualService of the namespace is for one of the
// same hosts at one of the same gateways, "" if none is, and makes it known.
func (r *Router) overlap(ctx context.Context) (string, error) {
	all := &unstructured.UnstructuredList{}
	all.SetGroupVersionKind(VirtualService.GroupVersion().WithKind(VirtualService.Kind + "List"))
	if err := r.rollout.Client.List(ctx, all, client.InNamespace(r.rollout.Namespace)); err != nil {
		return "", fmt.Errorf("look for other VirtualServices in %s: %w", r.rollout.Namespace, err)
	}
	hosts, gateways := r.spec.Hosts, r.spec.Gateways
	for _, u := range all.Items {
		if r.spec.Adopt && u.GetName() == r.spec.VirtualService {
			hosts, gateways = where(&u)
		}
	}
	why := ""
	for _, u := range all.Items {
		if u.GetName() == r.spec.VirtualService {
			continue
		}
		h, g := where(&u)
		if host, both := r.common(hosts, h); both && meet(gateways, g) {
			why = fmt.Sprintf("VirtualService %s is for host %s too, and which of them counts is undefined: make one of them, or adopt that one", u.GetName(), host)
		}
	}
	r.refused.Set(why)
	return why, nil
}

// where returns the hosts and gateways of a VirtualService.
func where(u *unstructured.Unstructured) (hosts, gateways []string) {
	hosts, _, _ = unstructured.NestedStringSlice(u.Object, "spec", "hosts")
	gateways, _, _ = unstructured.NestedStringSlice(u.Object, "spec", "gateways")
	return hosts, gateways
}

// common returns a host of both lists.
func (r *Router) common(a, b []string) (string, bool) {
	for _, x := range a {
		for _, y := range b {
			if r.full(x) == r.full(y) {
				return x, true
			}
		}
	}
	return "", false
}

// full returns a host without the ways to abbreviate a Service of the
// namespace.
func (r *Router) full(host string) string {
	name, rest, _ := strings.Cut(host, ".")
	if rest == r.rollout.Namespace || rest == r.rollout.Namespace+".svc" || strings.HasPrefix(rest, r.rollout.Namespace+".svc.") {
		return name
	}
	return host
}

// meet reports whether two lists of gateways have one in common; none is mesh.
func meet(a, b []string) bool {
	if len(a) == 0 {
		a = []string{"mesh"}
	}
	if len(b) == 0 {
		b = []string{"mesh"}
	}
	return slices.ContainsFunc(a, func(g string) bool { return slices.Contains(b, g) })
}

// status returns what Istio says of live, and false if it says nothing about
// its present generation.
func status(live *unstructured.Unstructured) (traffic.Level, bool) {
	conditions, _, _ := unstructured.NestedSlice(live.Object, "status", "conditions")
	about, _, _ := unstructured.NestedInt64(live.Object, "status", "observedGeneration")
	for _, c := range conditions {
		m, _ := c.(fields)
		if own, ok := m["observedGeneration"].(int64); ok {
			about = own
		}
		if m["type"] != "Reconciled" || about == 0 || about < live.GetGeneration() {
			continue
		}
		if m["status"] == "True" {
			return traffic.Accepted, true
		}
		return traffic.Written, true
	}
	return "", false
}

// foreign is what a VirtualService says that is not as Haldane wrote it.
func (r *Router) foreign(live *unstructured.Unstructured) traffic.Observed {
	unknown := traffic.Observed{Level: traffic.Unknown}
	if live == nil {
		return unknown
	}
	if _, marked := object.ReadMark(live); !marked {
		return unknown
	}
	routes, _, _ := unstructured.NestedSlice(live.Object, "spec", "http")
	weight, known := r.share(routes)
	if !known {
		return unknown
	}
	return traffic.Observed{Level: traffic.Written, Canary: weight}
}
