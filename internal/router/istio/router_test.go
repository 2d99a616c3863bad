package istio_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/router/istio"
	"github.com/haldane-dev/haldane/internal/router/object"
	"github.com/haldane-dev/haldane/internal/router/object/objecttest"
	"github.com/haldane-dev/haldane/internal/router/routertest"
	"github.com/haldane-dev/haldane/internal/traffic"
)

const (
	users = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: front, namespace: shop, labels: {team: growth}}
spec:
  hosts: [models.example.com]
  gateways: [infra/web]
  http:
  - name: docs
    match: [{uri: {prefix: /docs}}]
    route: [{destination: {host: docs}}]
  - name: models
    match: [{uri: {prefix: /v2}}, {uri: {prefix: /v1}, headers: {x-tenant: {exact: a}}}]
    timeout: 2s
    retries: {attempts: 0}
    route:
    - {destination: {host: churn.shop.svc.cluster.local, port: {number: 8080}}, weight: 80}
    - {destination: {host: legacy}, weight: 20}
`
	pairOfDeployments = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: churn%s, namespace: shop}
spec:
  selector: {matchLabels: {app: churn, version: v%s}}
  template: {metadata: {labels: {app: churn}}, spec: {containers: [{name: m, image: m}]}}
`
)

func own(i v1alpha1.Istio) v1alpha1.Spec {
	i.VirtualService = "churn"
	if i.Hosts == nil {
		i.Hosts = []string{"churn"}
	}
	return v1alpha1.Spec{Routing: v1alpha1.Routing{Istio: &i}}
}

func adopting() v1alpha1.Spec {
	return v1alpha1.Spec{Routing: v1alpha1.Routing{Istio: &v1alpha1.Istio{VirtualService: "front", Adopt: true}}}
}

func pair() v1alpha1.Spec {
	s := own(v1alpha1.Istio{DestinationRule: "churn"})
	s.Workload = &v1alpha1.Workload{Name: "churn", Pair: &v1alpha1.Pair{Promotion: "Copy"}}
	return s
}

func deployments() []string {
	var out []string
	for suffix, version := range map[string]string{"": "2", "-stable": "1"} {
		out = append(out, strings.Replace(strings.Replace(pairOfDeployments, "%s", suffix, 1), "%s", version, 1))
	}
	return out
}

func open(w *objecttest.World) *istio.Router {
	r := istio.New(w.Rollout)
	r.SetClock(func() time.Time { return time.Unix(0, 0) })
	return r
}

func TestContract(t *testing.T) {
	for name, c := range map[string]struct {
		spec    v1alpha1.Spec
		objects []string
	}{
		"own":     {own(v1alpha1.Istio{}), nil},
		"adopted": {adopting(), []string{users}},
		"pair":    {pair(), deployments()},
	} {
		t.Run(name, func(t *testing.T) {
			routertest.Run(t, func(t *testing.T) routertest.Harness {
				w := objecttest.New(t, c.spec, c.objects...)
				return routertest.Harness{
					Router: open(w), Target: objecttest.Target,
					Snapshot: func(t *testing.T) any {
						return []any{
							objecttest.Look(w.Get(t, istio.VirtualService, c.spec.Routing.Istio.VirtualService)),
							objecttest.Look(w.Get(t, istio.DestinationRule, "churn")),
						}
					},
				}
			})
		})
	}
}

// valid fails if spec is not what Istio's own types can read.
func valid(t *testing.T, u *unstructured.Unstructured, into proto.Message) {
	t.Helper()
	text, err := json.Marshal(u.Object["spec"])
	if err != nil {
		t.Fatal(err)
	}
	if err := protojson.Unmarshal(text, into); err != nil {
		t.Errorf("%s is not what Istio reads: %v", u.GetKind(), err)
	}
}

var forced = traffic.Split{
	Generation: 7, Canary: traffic.Percent(12.5), Mirror: traffic.Percent(30.5), Open: true,
	Always: []traffic.Match{{Header: &traffic.Field{Name: "X-Canary", Exact: "true"}}, {Cookie: &traffic.Field{Name: "beta", Exact: "y.s"}}},
	Never:  []traffic.Match{{Header: &traffic.Field{Name: "X-Bank"}}, {Header: &traffic.Field{Name: "X-Tier", Prefix: "gold"}}, {Header: &traffic.Field{Name: "X-Id", Regex: "a|b"}}},
}

func TestObjects(t *testing.T) {
	for name, c := range map[string]struct {
		spec    v1alpha1.Spec
		objects []string
		split   traffic.Split
	}{
		"own-5":          {own(v1alpha1.Istio{}), nil, traffic.Split{Generation: 1, Canary: 500}},
		"own-gateway":    {own(v1alpha1.Istio{Hosts: []string{"a.example.com"}, Gateways: []string{"infra/web", "mesh"}}), nil, forced},
		"adopted-25":     {adopting(), []string{users}, traffic.Split{Generation: 2, Canary: 2500, Mirror: traffic.Full}},
		"adopted-forced": {adopting(), []string{users}, forced},
		"pair":           {pair(), deployments(), forced},
	} {
		t.Run(name, func(t *testing.T) {
			w := objecttest.New(t, c.spec, c.objects...)
			if err := open(w).Apply(t.Context(), objecttest.Target, c.split); err != nil {
				t.Fatal(err)
			}
			routes := w.Get(t, istio.VirtualService, c.spec.Routing.Istio.VirtualService)
			valid(t, routes, &networking.VirtualService{})
			objects := []*unstructured.Unstructured{routes}
			if u := w.Get(t, istio.DestinationRule, "churn"); u != nil {
				valid(t, u, &networking.DestinationRule{})
				objects = append(objects, u)
			}
			objecttest.Golden(t, name, objects...)
		})
	}
}

func TestSubsetsAreFirstInAndLastOut(t *testing.T) {
	w := objecttest.New(t, pair(), deployments()...)
	r := open(w)
	if err := r.Apply(t.Context(), objecttest.Target, traffic.Split{Generation: 1, Canary: 500}); err != nil {
		t.Fatal(err)
	}
	if err := r.Release(t.Context(), objecttest.Target); err != nil {
		t.Fatal(err)
	}
	want := "apply DestinationRule churn,apply VirtualService churn,delete VirtualService churn,delete DestinationRule churn"
	if got := strings.Join(w.Writes(), ","); got != want {
		t.Errorf("writes %s\nwant   %s", got, want)
	}
}

func TestUsersDestinationRule(t *testing.T) {
	rule := `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: churn, namespace: shop}
spec: {host: churn, subsets: [{name: stable, labels: {v: "1"}}, {name: canary, labels: {v: "2"}}]}
`
	apply := func(rule string) (*objecttest.World, error) {
		w := objecttest.New(t, pair(), append(deployments(), rule)...)
		return w, open(w).Apply(t.Context(), objecttest.Target, traffic.Split{Generation: 1})
	}
	w, err := apply(rule)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(w.Writes(), ","); got != "apply VirtualService churn" {
		t.Errorf("writes %s: the user's rule is the user's", got)
	}
	if _, err := apply(strings.Replace(rule, "canary", "next", 1)); err == nil || !strings.Contains(err.Error(), "no subset canary") {
		t.Errorf("without a subset: %v", err)
	}
}

func TestOverlap(t *testing.T) {
	other := func(host, gateway string) string {
		return `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: other, namespace: shop}
spec: {hosts: ["` + host + `"], gateways: [` + gateway + `], http: [{route: [{destination: {host: x}}]}]}
`
	}
	for name, c := range map[string]struct {
		object string
		clash  bool
	}{
		"the same host":            {other("churn", "mesh"), true},
		"the same host, spelt out": {other("churn.shop.svc.cluster.local", ""), true},
		"another host":             {other("fraud", "mesh"), false},
		"another gateway":          {other("churn", "infra/web"), false},
		"another namespace's host": {other("churn.bank", "mesh"), false},
	} {
		w := objecttest.New(t, own(v1alpha1.Istio{}), c.object)
		r := open(w)
		err := r.Apply(t.Context(), objecttest.Target, traffic.Split{Generation: 1, Canary: 500})
		if clash := err != nil && strings.Contains(err.Error(), "VirtualService other is for host churn too"); clash != c.clash {
			t.Errorf("%s: %v", name, err)
		}
		for _, condition := range r.Conditions() {
			if condition.Type == object.ConditionRouteRefused && condition.True != c.clash {
				t.Errorf("%s: condition %+v", name, condition)
			}
		}
		if err := r.Apply(t.Context(), objecttest.Target, traffic.Split{Generation: 2}); err != nil {
			t.Errorf("%s: all to stable: %v", name, err)
		}
	}
}

func TestLevels(t *testing.T) {
	w := objecttest.New(t, own(v1alpha1.Istio{}))
	r := istio.New(w.Rollout)
	now := time.Unix(0, 0)
	r.SetClock(func() time.Time { return now })
	level := func() traffic.Level {
		t.Helper()
		o, err := r.Observe(t.Context(), objecttest.Target)
		if err != nil {
			t.Fatal(err)
		}
		return o.Level
	}
	if got := level(); got != traffic.Unknown {
		t.Errorf("before the first split: %s", got)
	}
	if err := r.Apply(t.Context(), objecttest.Target, traffic.Split{Generation: 1, Canary: 500}); err != nil {
		t.Fatal(err)
	}
	if got := level(); got != traffic.Written {
		t.Errorf("at once: %s", got)
	}
	if now = now.Add(object.SettleTime); level() != traffic.Accepted {
		t.Errorf("after the settle time: %s", level())
	}
	say := func(status string, about int64) {
		u := w.Get(t, istio.VirtualService, "churn")
		w.Edit(t, "istiod", u, func(o map[string]any) {
			u.SetGeneration(3)
			o["status"] = map[string]any{"conditions": []any{map[string]any{"type": "Reconciled", "status": status, "observedGeneration": about}}}
		})
	}
	for _, c := range []struct {
		status string
		about  int64
		want   traffic.Level
	}{{"False", 3, traffic.Written}, {"True", 3, traffic.Accepted}, {"False", 2, traffic.Accepted}} {
		say(c.status, c.about)
		if got := level(); got != c.want {
			t.Errorf("Reconciled %s about %d: %s, want %s", c.status, c.about, got, c.want)
		}
	}
}

func TestForeignWeightIsReportedAndHealed(t *testing.T) {
	w := objecttest.New(t, adopting(), users)
	r := open(w)
	s := traffic.Split{Generation: 4, Canary: 500}
	for range 2 {
		if err := r.Apply(t.Context(), objecttest.Target, s); err != nil {
			t.Fatal(err)
		}
		o, err := r.Observe(t.Context(), objecttest.Target)
		if want := (traffic.Observed{Level: traffic.Written, Generation: 4, Canary: 500}); err != nil || o != want {
			t.Errorf("%+v, %v, want %+v", o, err, want)
		}
		u := w.Get(t, istio.VirtualService, "front")
		w.Edit(t, "flux", u, func(o map[string]any) {
			http, _, _ := unstructured.NestedSlice(o, "spec", "http")
			route := http[1].(map[string]any)["route"].([]any)
			route[0].(map[string]any)["weight"], route[1].(map[string]any)["weight"] = int64(40), int64(40)
			if err := unstructured.SetNestedSlice(o, http, "spec", "http"); err != nil {
				t.Error(err)
			}
		})
		o, err = r.Observe(t.Context(), objecttest.Target)
		if want := (traffic.Observed{Level: traffic.Written, Canary: 5000}); err != nil || o != want {
			t.Errorf("edited: %+v, %v, want %+v", o, err, want)
		}
	}
}
