package nginx_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/router/nginx"
	"github.com/haldane-dev/haldane/internal/router/object"
	"github.com/haldane-dev/haldane/internal/router/object/objecttest"
	"github.com/haldane-dev/haldane/internal/router/routertest"
	"github.com/haldane-dev/haldane/internal/traffic"
)

const (
	users = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: front
  namespace: shop
  annotations: {nginx.ingress.kubernetes.io/backend-protocol: GRPC, nginx.ingress.kubernetes.io/proxy-body-size: 1m}
spec:
  ingressClassName: nginx
  tls: [{hosts: [a.example.com], secretName: a}]
  rules:
  - host: a.example.com
    http:
      paths:
      - {path: /v2, pathType: Prefix, backend: {service: {name: churn, port: {number: 80}}}}
      - {path: /docs, pathType: Prefix, backend: {service: {name: docs, port: {name: http}}}}
  - host: b.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: docs, port: {number: 80}}}}]}
`
	usersService = `
apiVersion: v1
kind: Service
metadata: {name: churn, namespace: shop}
spec: {selector: {app: churn}, ports: [{port: 80}]}
`
	candidate = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: churn, namespace: shop}
spec:
  selector: {matchLabels: {app: churn}}
  template: {metadata: {labels: {app: churn, tier: ml}}, spec: {containers: [{name: m, image: m}]}}
`
)

func spec(always, never []v1alpha1.Match) v1alpha1.Spec {
	return v1alpha1.Spec{Routing: v1alpha1.Routing{Nginx: &v1alpha1.Nginx{Ingress: "front"}, Always: always, Never: never}}
}

// clock stands still until it is moved.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func open(t *testing.T, s v1alpha1.Spec, objects ...string) (*nginx.Router, *objecttest.World, *clock) {
	w := objecttest.New(t, s, append(objects, users)...)
	r := nginx.New(w.Rollout)
	c := &clock{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	r.SetClock(c.now)
	return r, w, c
}

func TestContract(t *testing.T) {
	routertest.Run(t, func(t *testing.T) routertest.Harness {
		r, w, _ := open(t, spec(nil, nil))
		return routertest.Harness{
			Router: r, Target: objecttest.Target,
			Snapshot: func(t *testing.T) any {
				return []any{objecttest.Look(w.Get(t, nginx.Ingress, "churn-canary")), objecttest.Look(w.Get(t, nginx.Ingress, "front"))}
			},
		}
	})
}

func header(name, exact string) traffic.Match {
	return traffic.Match{Header: &traffic.Field{Name: name, Exact: exact}}
}

func cookie(name, exact string) traffic.Match {
	return traffic.Match{Cookie: &traffic.Field{Name: name, Exact: exact}}
}

func TestObjects(t *testing.T) {
	api := []v1alpha1.Match{{Cookie: &v1alpha1.FieldMatch{Name: "beta", Exact: "always"}}}
	for name, s := range map[string]traffic.Split{
		"weight":         {Generation: 1, Canary: 500},
		"weight-total":   {Generation: 1, Canary: 1},
		"forced":         {Generation: 1, Open: true, Always: []traffic.Match{header("X-Canary", "yes"), cookie("beta", "always")}},
		"forced-pattern": {Generation: 1, Canary: 5000, Open: true, Always: []traffic.Match{{Header: &traffic.Field{Name: "X-Canary", Prefix: "y"}}}},
		"forced-never":   {Generation: 1, Canary: 5000, Open: true, Always: []traffic.Match{header("X-Canary", "always")}, Never: []traffic.Match{header("X-Canary", "never")}},
	} {
		t.Run(name, func(t *testing.T) {
			r, w, _ := open(t, spec(api, nil))
			if err := r.Apply(t.Context(), objecttest.Target, s); err != nil {
				t.Fatal(err)
			}
			objecttest.Golden(t, name, w.Get(t, nginx.Ingress, "churn-canary"))
		})
	}
}

func TestWhatAnnotationsCannotSay(t *testing.T) {
	for name, c := range map[string]struct {
		always, never []traffic.Match
		want          string
	}{
		"two headers":              {[]traffic.Match{header("a", "1"), header("b", "1")}, nil, "leave a or b out"},
		"cookie of another value":  {[]traffic.Match{cookie("a", "1")}, nil, "exact: always"},
		"never of another value":   {[]traffic.Match{header("a", "always")}, []traffic.Match{header("a", "no")}, "exact: never"},
		"never without always":     {nil, []traffic.Match{header("a", "never")}, "exact: never"},
		"never of another header":  {[]traffic.Match{header("a", "always")}, []traffic.Match{header("b", "never")}, "exact: never"},
		"never, and another value": {[]traffic.Match{header("a", "yes")}, []traffic.Match{header("a", "never")}, "exact: never"},
	} {
		r, w, _ := open(t, spec([]v1alpha1.Match{{Cookie: &v1alpha1.FieldMatch{Name: "a", Exact: "always"}}}, nil))
		for _, door := range []bool{true, false} {
			err := r.Apply(t.Context(), objecttest.Target, traffic.Split{Generation: 1, Canary: 500, Open: door, Always: c.always, Never: c.never})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s, open %v: %v, want %q", name, door, err, c.want)
			}
		}
		if w.Get(t, nginx.Ingress, "churn-canary") != nil {
			t.Errorf("%s: an Ingress was made", name)
		}
	}
}

func TestCapabilitiesFollowTheFile(t *testing.T) {
	with := func(name, exact string) []v1alpha1.Match {
		return []v1alpha1.Match{{Cookie: &v1alpha1.FieldMatch{Name: name, Exact: exact}}}
	}
	for name, c := range map[string]struct {
		always []v1alpha1.Match
		want   traffic.Capabilities
	}{
		"nothing asked":       {nil, traffic.Capabilities{Weights: true, Header: true}},
		"a cookie it can":     {with("beta", "always"), traffic.Capabilities{Weights: true, Header: true, Cookie: true}},
		"a cookie it can not": {with("beta", "1"), traffic.Capabilities{Weights: true}},
	} {
		r, _, _ := open(t, spec(c.always, nil))
		got, err := r.Capabilities(t.Context(), objecttest.Target)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestLevelsAndTheEnds(t *testing.T) {
	r, w, c := open(t, spec(nil, nil))
	look := func(want traffic.Observed) {
		t.Helper()
		got, err := r.Observe(t.Context(), objecttest.Target)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("observed (-want +got):\n%s", d)
		}
	}
	step := func(gen uint64, weight traffic.Weight, exists bool) {
		t.Helper()
		if err := r.Apply(t.Context(), objecttest.Target, traffic.Split{Generation: gen, Canary: weight}); err != nil {
			t.Fatal(err)
		}
		if got := w.Get(t, nginx.Ingress, "churn-canary") != nil; got != exists {
			t.Errorf("at %s there is a canary Ingress: %v", weight, got)
		}
		look(traffic.Observed{Level: traffic.Written, Generation: gen, Canary: weight})
		c.at = c.at.Add(object.SettleTime - 1)
		look(traffic.Observed{Level: traffic.Written, Generation: gen, Canary: weight})
		c.at = c.at.Add(1)
		look(traffic.Observed{Level: traffic.Accepted, Generation: gen, Canary: weight})
	}
	look(traffic.Observed{Level: traffic.Unknown})
	step(1, 0, false)
	step(2, 500, true)
	step(3, traffic.Full, true)
	step(4, 0, false)
	if got := w.Writes(); !cmp.Equal(got, []string{"apply Ingress churn-canary", "apply Ingress churn-canary", "delete Ingress churn-canary"}) {
		t.Errorf("writes %q", got)
	}
}

func TestDriftIsSeenAndHealed(t *testing.T) {
	r, w, _ := open(t, spec(nil, nil))
	s := traffic.Split{Generation: 1, Canary: 500}
	apply := func() error { return r.Apply(t.Context(), objecttest.Target, s) }
	if err := apply(); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		u := w.Get(t, nginx.Ingress, "churn-canary")
		w.Edit(t, "kubectl-edit", u, func(map[string]any) {
			notes := u.GetAnnotations()
			notes["nginx.ingress.kubernetes.io/canary-weight"] = "60"
			u.SetAnnotations(notes)
		})
		o, err := r.Observe(t.Context(), objecttest.Target)
		if want := (traffic.Observed{Level: traffic.Written, Canary: 6000}); err != nil || o != want {
			t.Errorf("after the edit %+v, %v, want %+v", o, err, want)
		}
		err = apply()
		if contested := errors.Is(err, object.ErrContested); contested != (i == 2) || err != nil && !contested {
			t.Fatalf("edit %d: %v", i+1, err)
		}
		if i == 2 && !strings.Contains(err.Error(), "kubectl-edit") {
			t.Errorf("who it was is not said: %v", err)
		}
	}
	if got := w.Get(t, nginx.Ingress, "churn-canary").GetAnnotations()["nginx.ingress.kubernetes.io/canary-weight"]; got != "0" {
		t.Errorf("while it is contested the weight is %s", got)
	}
}

func TestIngressThatReachesTheCandidatePastTheSplit(t *testing.T) {
	r, _, _ := open(t, spec(nil, nil), usersService, candidate)
	if err := r.Apply(t.Context(), objecttest.Target, traffic.Split{Generation: 1}); err != nil {
		t.Errorf("at weight 0: %v", err)
	}
	err := r.Apply(t.Context(), objecttest.Target, traffic.Split{Generation: 2, Canary: 500})
	if err == nil || !strings.Contains(err.Error(), "lead to service churn-stable") {
		t.Errorf("at 5%%: %v", err)
	}
	for _, c := range r.Conditions() {
		if c.Type == object.ConditionRouteRefused && (!c.True || !c.Blocks) {
			t.Errorf("condition %+v", c)
		}
	}
	r, _, _ = open(t, spec(nil, nil), strings.Replace(usersService, "app: churn", "app: churn, haldane.dev/role: stable", 1), candidate)
	if err := r.Apply(t.Context(), objecttest.Target, traffic.Split{Generation: 2, Canary: 500}); err != nil {
		t.Errorf("with the Service pinned to stable: %v", err)
	}
}

func TestNothingToSplit(t *testing.T) {
	w := objecttest.New(t, spec(nil, nil), strings.ReplaceAll(users, "name: churn", "name: other"))
	err := nginx.New(w.Rollout).Apply(t.Context(), objecttest.Target, traffic.Split{Generation: 1, Canary: 500})
	if err == nil || !strings.Contains(err.Error(), "no path leads to service churn") {
		t.Errorf("an Ingress that leads elsewhere: %v", err)
	}
	w = objecttest.New(t, spec(nil, nil))
	err = nginx.New(w.Rollout).Apply(t.Context(), objecttest.Target, traffic.Split{Generation: 1, Canary: 500})
	if err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("no Ingress: %v", err)
	}
}

// TestIngressThatLeadsToWhatEnds: deleted, the rollout would take the Service away
// that the user's Ingress leads to.
func TestIngressThatLeadsToWhatEnds(t *testing.T) {
	to := func(service string) string {
		r, w, _ := open(t, spec(nil, nil))
		w.Edit(t, "somebody", w.Get(t, nginx.Ingress, "front"), func(o map[string]any) {
			rule := o["spec"].(map[string]any)["rules"].([]any)[0].(map[string]any)
			path := rule["http"].(map[string]any)["paths"].([]any)[0].(map[string]any)
			path["backend"].(map[string]any)["service"].(map[string]any)["name"] = service
		})
		waiting, err := r.Leaving(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return waiting
	}
	if got := to("churn-stable"); !strings.Contains(got, "Ingress front leads to Service churn-stable, which ends with the rollout") {
		t.Errorf("to stable's: %q", got)
	}
	if got := to("churn"); got != "" {
		t.Errorf("to the user's own: %q", got)
	}
}
