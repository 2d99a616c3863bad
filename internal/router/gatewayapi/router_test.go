package gatewayapi_test

import (
	"context"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/router/gatewayapi"
	"github.com/haldane-dev/haldane/internal/router/object/objecttest"
	"github.com/haldane-dev/haldane/internal/router/routertest"
	"github.com/haldane-dev/haldane/internal/traffic"
)

const (
	gateway = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web, namespace: shop}
spec: {gatewayClassName: able, listeners: [{name: http, port: 80, protocol: HTTP}]}
`
	class = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: able}
spec: {controllerName: example.com/able}
status:
  supportedFeatures:
  - {name: HTTPRoute}
  - {name: GRPCRoute}
  - {name: HTTPRouteRequestMirror}
  - {name: HTTPRouteRequestPercentageMirror}
`
	plainClass = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: able}
spec: {controllerName: example.com/able}
status:
  supportedFeatures: [{name: HTTPRoute}, {name: HTTPRouteRequestMirror}]
`
	silentClass = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: able}
spec: {controllerName: example.com/able}
`
	usersRoute = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: front, namespace: shop, annotations: {team: growth}}
spec:
  parentRefs: [{name: web}]
  hostnames: [models.example.com]
  rules:
  - name: models
    matches:
    - path: {type: PathPrefix, value: /v2}
    - path: {type: Exact, value: /predict}
      headers: [{name: x-tenant, value: a}]
    timeouts: {request: 2s}
    filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: x-by, value: churn}]}}]
    backendRefs: [{name: churn, port: 8080, weight: 80}, {name: legacy, port: 8080, weight: 20}]
  - matches: [{path: {type: PathPrefix, value: /docs}}]
    backendRefs: [{name: docs, port: 80}]
`
)

func ownHTTP() v1alpha1.Spec {
	return v1alpha1.Spec{Routing: v1alpha1.Routing{GatewayAPI: &v1alpha1.GatewayAPI{
		HTTPRoute: "churn", Gateways: []v1alpha1.GatewayRef{{Name: "web", SectionName: "http"}}, Hostnames: []string{"churn.example.com"},
	}}}
}

func ownGRPC() v1alpha1.Spec {
	return v1alpha1.Spec{Routing: v1alpha1.Routing{GatewayAPI: &v1alpha1.GatewayAPI{
		GRPCRoute: "churn", Gateways: []v1alpha1.GatewayRef{{Name: "web"}},
	}}}
}

func adopting() v1alpha1.Spec {
	return v1alpha1.Spec{Routing: v1alpha1.Routing{GatewayAPI: &v1alpha1.GatewayAPI{HTTPRoute: "front", Adopt: true}}}
}

// world has a data plane that accepts every route.
func world(t *testing.T, spec v1alpha1.Spec, objects ...string) *objecttest.World {
	w := objecttest.New(t, spec, append(objects, gateway)...)
	w.AfterApply = func(ctx context.Context, kind schema.GroupVersionKind, name string) error {
		return report(ctx, w, kind, name, "True", "")
	}
	return w
}

// report says what the data plane thinks of a route's present generation.
func report(ctx context.Context, w *objecttest.World, kind schema.GroupVersionKind, name, status, message string) error {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(kind)
	if err := w.Plain.Get(ctx, client.ObjectKey{Namespace: objecttest.Namespace, Name: name}, u); err != nil {
		return err
	}
	refs, _, _ := unstructured.NestedSlice(u.Object, "spec", "parentRefs")
	var parents []any
	for _, ref := range refs {
		condition := func(kind string) any {
			return map[string]any{"type": kind, "status": status, "reason": "Test", "message": message,
				"observedGeneration": u.GetGeneration(), "lastTransitionTime": "2026-01-01T00:00:00Z"}
		}
		parents = append(parents, map[string]any{"parentRef": ref, "controllerName": "example.com/able",
			"conditions": []any{condition("Accepted"), condition("ResolvedRefs")}})
	}
	u.Object["status"] = map[string]any{"parents": parents}
	return w.Plain.Update(ctx, u, client.FieldOwner("gateway-controller"))
}

func TestContract(t *testing.T) {
	for name, c := range map[string]struct {
		spec    v1alpha1.Spec
		objects []string
		kind    schema.GroupVersionKind
		route   string
	}{
		"own HTTPRoute":          {ownHTTP(), []string{class}, gatewayapi.HTTPRoute, "churn"},
		"own GRPCRoute":          {ownGRPC(), []string{class}, gatewayapi.GRPCRoute, "churn"},
		"adopted HTTPRoute":      {adopting(), []string{class, usersRoute}, gatewayapi.HTTPRoute, "front"},
		"a plane without copies": {ownHTTP(), []string{plainClass}, gatewayapi.HTTPRoute, "churn"},
		"a plane without GRPC":   {ownGRPC(), []string{silentClass}, gatewayapi.GRPCRoute, "churn"},
	} {
		t.Run(name, func(t *testing.T) {
			routertest.Run(t, func(t *testing.T) routertest.Harness {
				w := world(t, c.spec, c.objects...)
				return routertest.Harness{
					Router: gatewayapi.New(w.Rollout), Target: objecttest.Target,
					Snapshot: func(t *testing.T) any { return objecttest.Look(w.Get(t, c.kind, c.route)) },
				}
			})
		})
	}
}

func apply(t *testing.T, r *gatewayapi.Router, s traffic.Split) {
	t.Helper()
	if err := r.Apply(t.Context(), objecttest.Target, s); err != nil {
		t.Fatal(err)
	}
}

var forced = traffic.Split{
	Generation: 7, Canary: traffic.Percent(12.5), Mirror: traffic.Percent(30), Open: true,
	Always: []traffic.Match{{Header: &traffic.Field{Name: "X-Canary", Exact: "true"}}, {Cookie: &traffic.Field{Name: "beta", Prefix: "y.s"}}},
	Never:  []traffic.Match{{Header: &traffic.Field{Name: "X-Bank"}}, {Header: &traffic.Field{Name: "X-Tier", Regex: "gold|silver"}}},
}

func TestObjects(t *testing.T) {
	for name, c := range map[string]struct {
		spec    v1alpha1.Spec
		objects []string
		kind    schema.GroupVersionKind
		route   string
		split   traffic.Split
	}{
		"own-5":          {ownHTTP(), nil, gatewayapi.HTTPRoute, "churn", traffic.Split{Generation: 1, Canary: 500}},
		"own-forced":     {ownHTTP(), nil, gatewayapi.HTTPRoute, "churn", forced},
		"own-grpc":       {ownGRPC(), nil, gatewayapi.GRPCRoute, "churn", forced},
		"adopted-25":     {adopting(), []string{usersRoute}, gatewayapi.HTTPRoute, "front", traffic.Split{Generation: 2, Canary: 2500, Mirror: traffic.Full}},
		"adopted-forced": {adopting(), []string{usersRoute}, gatewayapi.HTTPRoute, "front", forced},
	} {
		t.Run(name, func(t *testing.T) {
			w := world(t, c.spec, append(c.objects, class)...)
			apply(t, gatewayapi.New(w.Rollout), c.split)
			objecttest.Golden(t, name, w.Get(t, c.kind, c.route))
		})
	}
}
