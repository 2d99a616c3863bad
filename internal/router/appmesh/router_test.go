package appmesh_test

import (
	"context"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/router/appmesh"
	"github.com/haldane-dev/haldane/internal/router/object/objecttest"
	"github.com/haldane-dev/haldane/internal/router/routertest"
	"github.com/haldane-dev/haldane/internal/traffic"
)

const users = `
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualRouter
metadata: {name: churn, namespace: shop}
spec:
  listeners: [{portMapping: {port: 8080, protocol: http}}]
  routes:
  - name: docs
    priority: 5
    httpRoute:
      match: {prefix: /docs}
      action: {weightedTargets: [{virtualNodeRef: {name: docs}, weight: 1}]}
  - name: predict
    httpRoute:
      match: {prefix: /, headers: [{name: x-tenant, match: {exact: a}}]}
      action: {weightedTargets: [{virtualNodeRef: {name: churn-stable}, weight: 1, port: 8080}]}
      timeout: {perRequest: {unit: s, value: 2}}
`

func spec() v1alpha1.Spec {
	return v1alpha1.Spec{Routing: v1alpha1.Routing{AppMesh: &v1alpha1.AppMesh{VirtualRouter: "churn", Route: "predict"}}}
}

// open has a controller of App Mesh that finds everything in order.
func open(t *testing.T, object string) (*appmesh.Router, *objecttest.World) {
	w := objecttest.New(t, spec(), object)
	w.AfterApply = func(ctx context.Context, kind schema.GroupVersionKind, name string) error {
		u := &unstructured.Unstructured{}
		u.SetGroupVersionKind(kind)
		if err := w.Plain.Get(ctx, client.ObjectKey{Namespace: objecttest.Namespace, Name: name}, u); err != nil {
			return err
		}
		say(u, "True")
		return w.Plain.Update(ctx, u, client.FieldOwner("appmesh-controller"))
	}
	return appmesh.New(w.Rollout), w
}

func say(u *unstructured.Unstructured, status string) {
	u.Object["status"] = map[string]any{"observedGeneration": u.GetGeneration(),
		"conditions": []any{map[string]any{"type": "VirtualRouterActive", "status": status, "reason": "Test", "message": "quota"}}}
}

func TestContract(t *testing.T) {
	routertest.Run(t, func(t *testing.T) routertest.Harness {
		r, w := open(t, users)
		return routertest.Harness{
			Router: r, Target: objecttest.Target,
			Snapshot: func(t *testing.T) any { return objecttest.Look(w.Get(t, appmesh.VirtualRouter, "churn")) },
		}
	})
}

var forced = traffic.Split{
	Generation: 3, Canary: 2500, Open: true,
	Always: []traffic.Match{{Header: &traffic.Field{Name: "x-canary", Exact: "true"}}, {Header: &traffic.Field{Name: "x-beta"}}},
	Never:  []traffic.Match{{Header: &traffic.Field{Name: "x-bank", Regex: "a|b"}}},
}

func TestObjects(t *testing.T) {
	for name, s := range map[string]traffic.Split{"weight": {Generation: 1, Canary: 500}, "forced": forced} {
		t.Run(name, func(t *testing.T) {
			r, w := open(t, users)
			if err := r.Apply(t.Context(), objecttest.Target, s); err != nil {
				t.Fatal(err)
			}
			objecttest.Golden(t, name, w.Get(t, appmesh.VirtualRouter, "churn"))
		})
	}
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		object string
		split  traffic.Split
		want   string
	}{
		"a fraction of a percent": {users, traffic.Split{Canary: 550}, "whole percents"},
		"a route that is not":     {strings.Replace(users, "name: predict", "name: other", 1), traffic.Split{}, "no route predict"},
		"a third node":            {strings.Replace(users, "name: churn-stable", "name: legacy", 1), traffic.Split{}, "virtual node legacy"},
		"headers of TCP":          {strings.Replace(users, "predict\n    httpRoute", "predict\n    tcpRoute", 1), forced, "TCP"},
		"a priority that is used": {strings.Replace(users, "priority: 5", "priority: 999", 1), forced, "route docs has priority 999"},
		"no priority before it":   {strings.Replace(users, "name: predict", "name: predict\n    priority: 2", 1), forced, "give it a larger one"},
	} {
		r, w := open(t, c.object)
		if err := r.Apply(t.Context(), objecttest.Target, c.split); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if got := w.Writes(); len(got) > 0 {
			t.Errorf("%s: %q was written", name, got)
		}
	}
}

func TestLevels(t *testing.T) {
	r, w := open(t, users)
	if err := r.Apply(t.Context(), objecttest.Target, traffic.Split{Generation: 2, Canary: 500}); err != nil {
		t.Fatal(err)
	}
	look := func(want traffic.Observed) {
		t.Helper()
		if got, err := r.Observe(t.Context(), objecttest.Target); err != nil || got != want {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
	}
	look(traffic.Observed{Level: traffic.Accepted, Generation: 2, Canary: 500})
	u := w.Get(t, appmesh.VirtualRouter, "churn")
	w.Edit(t, "appmesh-controller", u, func(map[string]any) { say(u, "False") })
	look(traffic.Observed{Level: traffic.Written, Generation: 2, Canary: 500})
	if c := r.Conditions()[1]; !c.True || !strings.Contains(c.Message, "quota") {
		t.Errorf("condition %+v", c)
	}
	u = w.Get(t, appmesh.VirtualRouter, "churn")
	w.Edit(t, "appmesh-controller", u, func(map[string]any) { say(u, "True"); u.SetGeneration(9) })
	look(traffic.Observed{Level: traffic.Written, Generation: 2, Canary: 500})
}
