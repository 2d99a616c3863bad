package gatewayapi_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
	sigsjson "sigs.k8s.io/json"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/router"
	"github.com/haldane-dev/haldane/internal/router/gatewayapi"
	"github.com/haldane-dev/haldane/internal/router/object"
	"github.com/haldane-dev/haldane/internal/router/object/objecttest"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// setWeight changes the first backend's weight of the last rule.
func setWeight(t *testing.T, w *objecttest.World, by string, weight int64) {
	t.Helper()
	u := w.Get(t, gatewayapi.HTTPRoute, "churn")
	w.Edit(t, by, u, func(o map[string]any) {
		rules, _, _ := unstructured.NestedSlice(o, "spec", "rules")
		refs := rules[len(rules)-1].(map[string]any)["backendRefs"].([]any)
		refs[0].(map[string]any)["weight"] = weight
		if err := unstructured.SetNestedSlice(o, rules, "spec", "rules"); err != nil {
			t.Fatal(err)
		}
	})
}

func observe(t *testing.T, r *gatewayapi.Router) traffic.Observed {
	t.Helper()
	o, err := r.Observe(t.Context(), objecttest.Target)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestHandEditsAreReportedAndHealed(t *testing.T) {
	w := world(t, ownHTTP(), class)
	r := gatewayapi.New(w.Rollout)
	now := time.Unix(0, 0)
	r.SetClock(func() time.Time { return now })
	s := traffic.Split{Generation: 3, Canary: 500}
	apply(t, r, s)
	want := traffic.Observed{Level: traffic.Accepted, Generation: 3, Canary: 500}
	for range 5 { // rarely enough to be no contest
		now = now.Add(object.ContestWithin/2 + 1)
		setWeight(t, w, "kubectl-edit", 5)
		if o := observe(t, r); o.Canary != 5000 || o.Carries(s) {
			t.Errorf("after the edit %+v", o)
		}
		apply(t, r, s)
		if o := observe(t, r); o != want {
			t.Errorf("after the next look %+v, want %+v", o, want)
		}
	}
}

func TestContestedRouteGoesToStable(t *testing.T) {
	w := world(t, ownHTTP(), class)
	r := gatewayapi.New(w.Rollout)
	now := time.Unix(0, 0)
	r.SetClock(func() time.Time { return now })
	s := traffic.Split{Generation: 3, Canary: 500}
	apply(t, r, s)
	for range 2 {
		setWeight(t, w, "argocd", 5)
		apply(t, r, s)
	}
	setWeight(t, w, "argocd", 5)
	err := r.Apply(t.Context(), objecttest.Target, s)
	if !errors.Is(err, object.ErrContested) || !strings.Contains(err.Error(), "argocd") {
		t.Fatalf("the third time: %v", err)
	}
	if o := observe(t, r); o.Canary != 0 || o.Carries(s) {
		t.Errorf("while it is contested %+v", o)
	}
	if c := r.Conditions()[0]; c.Type != v1alpha1.ConditionRouteContested || !c.True || !c.Blocks {
		t.Errorf("condition %+v", c)
	}
	w.Writes()
	if err := r.Apply(t.Context(), objecttest.Target, s); !errors.Is(err, object.ErrContested) {
		t.Errorf("the next time: %v", err)
	}
	if got := w.Writes(); len(got) != 0 {
		t.Errorf("with all at stable there was nothing to write: %q", got)
	}
	now = now.Add(object.ContestWithin + 1)
	apply(t, r, s)
	if o := observe(t, r); !o.Carries(s) {
		t.Errorf("once they have stopped %+v", o)
	}
	if c := r.Conditions()[0]; c.True {
		t.Errorf("condition %+v", c)
	}
}

func TestRouteThatWasDeletedComesBack(t *testing.T) {
	w := world(t, ownHTTP(), class)
	r := gatewayapi.New(w.Rollout)
	s := traffic.Split{Generation: 3, Canary: 500}
	apply(t, r, s)
	if err := w.Plain.Delete(t.Context(), w.Get(t, gatewayapi.HTTPRoute, "churn")); err != nil {
		t.Fatal(err)
	}
	if o := observe(t, r); o.Level != traffic.Unknown {
		t.Errorf("without the route %+v", o)
	}
	apply(t, r, s)
	if o := observe(t, r); !o.Carries(s) {
		t.Errorf("%+v", o)
	}
}

func TestDefaultsOfTheServerAreNoEdit(t *testing.T) {
	w := world(t, ownHTTP(), class)
	w.Default = func(u *unstructured.Unstructured) {
		_ = unstructured.SetNestedField(u.Object, "Never", "spec", "futureField")
	}
	r := gatewayapi.New(w.Rollout)
	s := traffic.Split{Generation: 3, Canary: 500}
	for range 5 {
		apply(t, r, s)
	}
	if got := w.Writes(); !slices.Equal(got, []string{"apply HTTPRoute churn"}) {
		t.Errorf("writes %q", got)
	}
	if o := observe(t, r); !o.Carries(s) {
		t.Errorf("%+v", o)
	}
}

func TestWhoMayWrite(t *testing.T) {
	foreign := `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: churn, namespace: shop}
spec: {parentRefs: [{name: web}], rules: [{backendRefs: [{name: x, port: 1}]}]}
`
	w := world(t, ownHTTP(), class, foreign)
	err := gatewayapi.New(w.Rollout).Apply(t.Context(), objecttest.Target, traffic.Split{Generation: 1})
	if err == nil || !strings.Contains(err.Error(), "adopt: true") {
		t.Errorf("a route of the user's: %v", err)
	}

	w = world(t, ownHTTP(), class)
	r := gatewayapi.New(w.Rollout)
	at := func(sequence, generation uint64, weight traffic.Weight) error {
		return r.Apply(t.Context(), router.Target{Rollout: objecttest.Target.Rollout, Sequence: sequence}, traffic.Split{Generation: generation, Canary: weight})
	}
	if err := at(7, 2, 500); err != nil {
		t.Fatal(err)
	}
	if err := at(6, 1, 5000); !errors.Is(err, cluster.ErrStale) {
		t.Errorf("an older decision: %v", err)
	}
	other := w.Rollout
	other.UID, other.Name = "uid-2", "fraud"
	w.Alive["uid-2"] = true
	o := gatewayapi.New(other)
	target := router.Target{Rollout: "shop/fraud", Sequence: 9}
	if err := o.Apply(t.Context(), target, traffic.Split{Generation: 9}); !errors.Is(err, cluster.ErrClaimed) {
		t.Errorf("another rollout: %v", err)
	}
	if o := observe(t, r); o.Canary != 500 {
		t.Errorf("%+v", o)
	}
	w.Alive[objecttest.UID] = false
	if err := o.Apply(t.Context(), target, traffic.Split{Generation: 9}); err != nil {
		t.Errorf("what a vanished rollout had: %v", err)
	}
	if err := o.Apply(t.Context(), objecttest.Target, traffic.Split{}); err == nil {
		t.Error("a target of another rollout was routed")
	}
}

func TestConflictIsAnErrorAndHealsItself(t *testing.T) {
	w := world(t, ownHTTP(), class)
	r := gatewayapi.New(w.Rollout)
	apply(t, r, traffic.Split{Generation: 1, Canary: 500})
	w.BeforeWrite = func(string, string) error { // somebody is faster
		w.BeforeWrite = nil
		u := w.Get(t, gatewayapi.HTTPRoute, "churn")
		w.Edit(t, "labeller", u, func(map[string]any) { u.SetLabels(map[string]string{"haldane.dev/rollout": "churn", "a": "b"}) })
		return nil
	}
	s := traffic.Split{Generation: 2, Canary: 2500}
	if err := r.Apply(t.Context(), objecttest.Target, s); !apierrors.IsConflict(err) {
		t.Errorf("a lost race: %v", err)
	}
	apply(t, r, s)
	if o := observe(t, r); !o.Carries(s) {
		t.Errorf("%+v", o)
	}
	broken := errors.New("no space")
	w.Notes.Fail = broken
	w = world(t, adopting(), class, usersRoute)
	w.Notes.Fail = broken
	if err := gatewayapi.New(w.Rollout).Apply(t.Context(), objecttest.Target, s); !errors.Is(err, broken) {
		t.Errorf("without a memory of what was before: %v", err)
	}
	if got := w.Writes(); len(got) > 0 {
		t.Errorf("written nevertheless: %q", got)
	}
}

func TestAdoptedRouteIsGivenBack(t *testing.T) {
	w := world(t, adopting(), class, usersRoute)
	before := objecttest.Look(w.Get(t, gatewayapi.HTTPRoute, "front"))
	apply(t, gatewayapi.New(w.Rollout), traffic.Split{Generation: 1, Canary: 500})
	r := gatewayapi.New(w.Rollout) // after a restart
	apply(t, r, forced)
	fail := errors.New("no")
	for _, stop := range []int{1, 2} { // the process ends before a write of the release
		n := 0
		w.BeforeWrite = func(string, string) error {
			if n++; n == stop {
				return fail
			}
			return nil
		}
		if err := r.Release(t.Context(), objecttest.Target); !errors.Is(err, fail) {
			t.Fatalf("release without write %d: %v", stop, err)
		}
	}
	w.BeforeWrite = nil
	if err := gatewayapi.New(w.Rollout).Release(t.Context(), objecttest.Target); err != nil {
		t.Fatal(err)
	}
	u := w.Get(t, gatewayapi.HTTPRoute, "front")
	if d := cmp.Diff(before, objecttest.Look(u)); d != "" {
		t.Errorf("the route (-before +after):\n%s", d)
	}
	for _, f := range u.GetManagedFields() {
		if f.Manager == cluster.FieldManager {
			t.Errorf("fields are still Haldane's: %s", f.FieldsV1)
		}
	}
	if got := w.Notes.Keys(); len(got) > 0 {
		t.Errorf("still remembered: %q", got)
	}
}

func TestNothingToAdopt(t *testing.T) {
	w := world(t, adopting(), class)
	if err := gatewayapi.New(w.Rollout).Apply(t.Context(), objecttest.Target, traffic.Split{}); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("%v", err)
	}
	w = world(t, adopting(), class, strings.ReplaceAll(usersRoute, "name: churn", "name: other"))
	if err := gatewayapi.New(w.Rollout).Apply(t.Context(), objecttest.Target, traffic.Split{}); err == nil || !strings.Contains(err.Error(), "no rule sends requests to service churn") {
		t.Errorf("%v", err)
	}
}

func TestLevelsAndRefusals(t *testing.T) {
	w := world(t, ownHTTP(), class)
	w.AfterApply = nil
	r := gatewayapi.New(w.Rollout)
	apply(t, r, traffic.Split{Generation: 1, Canary: 500})
	level := func(want traffic.Level) {
		t.Helper()
		if o := observe(t, r); o.Level != want || o.Generation != 1 {
			t.Errorf("%+v, want %s", o, want)
		}
	}
	level(traffic.Written)
	say := func(status, message string) {
		if err := report(t.Context(), w, gatewayapi.HTTPRoute, "churn", status, message); err != nil {
			t.Fatal(err)
		}
	}
	say("True", "")
	level(traffic.Accepted)
	u := w.Get(t, gatewayapi.HTTPRoute, "churn")
	w.Edit(t, "api-server", u, func(map[string]any) { u.SetGeneration(u.GetGeneration() + 1) })
	level(traffic.Written)
	say("False", "no such listener")
	level(traffic.Written)
	c := r.Conditions()[1]
	if c.Type != object.ConditionRouteRefused || !c.True || !strings.Contains(c.Message, "no such listener") {
		t.Errorf("condition %+v", c)
	}
	say("True", "")
	level(traffic.Accepted)
	if r.Conditions()[1].True {
		t.Error("still refused")
	}
}

func TestCapabilities(t *testing.T) {
	shadow := func(spec v1alpha1.Spec, percent v1alpha1.Weight) v1alpha1.Spec {
		spec.Strategy.Canary = &v1alpha1.Canary{Steps: []v1alpha1.Step{{Shadow: &v1alpha1.Mirror{Percent: percent}}}}
		return spec
	}
	all := traffic.Capabilities{Weights: true, Mirror: true, Header: true, Cookie: true}
	none := traffic.Capabilities{Weights: true, Header: true, Cookie: true}
	for name, c := range map[string]struct {
		spec  v1alpha1.Spec
		class string
		want  traffic.Capabilities
	}{
		"everything":               {ownHTTP(), class, all},
		"copies of all, all asked": {shadow(ownHTTP(), 100), plainClass, all},
		"copies of all, part":      {shadow(ownHTTP(), 50), plainClass, none},
		"a class that says naught": {ownHTTP(), silentClass, none},
		"no gRPC":                  {ownGRPC(), plainClass, traffic.Capabilities{}},
	} {
		w := world(t, c.spec, c.class)
		got, err := gatewayapi.New(w.Rollout).Capabilities(t.Context(), objecttest.Target)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
	w := objecttest.New(t, ownHTTP())
	if _, err := gatewayapi.New(w.Rollout).Capabilities(t.Context(), objecttest.Target); err == nil || !strings.Contains(err.Error(), "gateway shop/web does not exist") {
		t.Errorf("no Gateway: %v", err)
	}
}

// TestObjectsAreOfTheAPI reads what is written with the types of the Gateway
// API, strictly.
func TestObjectsAreOfTheAPI(t *testing.T) {
	for name, c := range map[string]struct {
		spec v1alpha1.Spec
		into any
	}{"HTTPRoute": {ownHTTP(), &gatewayv1.HTTPRoute{}}, "GRPCRoute": {ownGRPC(), &gatewayv1.GRPCRoute{}}} {
		w := world(t, c.spec, class)
		apply(t, gatewayapi.New(w.Rollout), forced)
		u := w.Get(t, gatewayapi.HTTPRoute.GroupVersion().WithKind(name), "churn")
		text, err := json.Marshal(u.Object)
		if err != nil {
			t.Fatal(err)
		}
		if strict, err := sigsjson.UnmarshalStrict(text, c.into); err != nil || len(strict) > 0 {
			t.Errorf("%s: %v, %v", name, strict, err)
		}
	}
}
