package client

import (
	"context"
	"errors"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
	webclient "github.com/haldane-dev/haldane/internal/web/client"
)

func TestStatusIsTheStatusOverTheState(t *testing.T) {
	m, state := under(t)
	s, err := newWorld(t, interceptor.Funcs{}, m, state).client("shop").Status(t.Context(), "churn")
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "churn" || s.Mode != "kubernetes" || s.Phase != rollout.Paused || s.Waiting != "Waiting for approval" || s.Attempt != 2 || s.Now != noon {
		t.Errorf("status %+v", s)
	}
	if s.Step != 1 || len(s.Steps) != 3 {
		t.Errorf("step %d of %d, want the status's step and the state's plan", s.Step, len(s.Steps))
	}
	if s.Hold == nil || s.Hold.Kind != engine.HeldByStep || s.FalseRollback != 0.01 {
		t.Errorf("of the state: hold %+v, false rollback %g", s.Hold, s.FalseRollback)
	}
	if d := cmp.Diff(traffic.Observed{Level: traffic.Accepted, Canary: 2450, Mirror: 1000}, s.Observed); d != "" || s.Wanted.Canary != 2500 {
		t.Errorf("wanted %s, observed:\n%s", s.Wanted.Canary, d)
	}
	if h := s.Workloads["canary"]; h.Ready || h.Message != "1 of 2 pods" || !s.Workloads["stable"].Ready {
		t.Errorf("workloads %+v", s.Workloads)
	}
	errors, other := s.Verdict.Metrics[0], s.Verdict.Metrics[1]
	if errors.LogRollback != 1 || errors.LogPromotion != 4.5 || errors.StableN != 900 || errors.Canary != 0.02 || s.Verdict.Decision != "Pass" {
		t.Errorf("evidence is the status's, counts the state's: %+v", errors)
	}
	if other.LogPromotion != 0.5 || other.PromotionThreshold != 1 {
		t.Errorf("a metric that was not saved yet: %+v", other)
	}
	want := []string{"Refused: spec.routing: no", "Autoscaler: an autoscaler", "the metrics are late"}
	if d := cmp.Diff(want, s.Warnings); d != "" {
		t.Errorf("warnings:\n%s", d)
	}
}

// TestStatusWithoutAState: of a rollout that nobody has looked at, or whose
// state is a namesake's.
func TestStatusWithoutAState(t *testing.T) {
	fresh := modelRollout("shop", "fresh")
	_, state := under(t)
	again := modelRollout("shop", "churn")
	again.UID = "another"
	c := newWorld(t, interceptor.Funcs{}, fresh, again, state).client("shop")
	for _, name := range []string{"fresh", "churn"} {
		s, err := c.Status(t.Context(), name)
		if err != nil || s.Phase != rollout.Idle || s.Stable.Hash != "" || len(s.Verdict.Metrics) != 0 {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
}

func TestAStateThatCannotBeRead(t *testing.T) {
	m, state := under(t)
	state.State = "{"
	c := newWorld(t, interceptor.Funcs{}, m, state).client("shop")
	if _, err := c.Status(t.Context(), "churn"); err == nil {
		t.Error("half a state is no error")
	}
	if _, err := c.List(t.Context()); err == nil {
		t.Error("half a state in a list is no error")
	}
}

func TestListIsOfTheNamespaceOrOfAll(t *testing.T) {
	m, state := under(t)
	w := newWorld(t, interceptor.Funcs{}, m, state, modelRollout("shop", "a"), modelRollout("search", "rank"))
	names := func(c *Client) (out []string) {
		all, err := c.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range all {
			out = append(out, s.Name)
		}
		return out
	}
	if d := cmp.Diff([]string{"a", "churn"}, names(w.client("shop"))); d != "" {
		t.Errorf("of a namespace:\n%s", d)
	}
	all := New(Config{Client: w, All: true, Decode: decode})
	if d := cmp.Diff([]string{"search/rank", "shop/a", "shop/churn"}, names(all)); d != "" {
		t.Errorf("of all:\n%s", d)
	}
}

func TestEventsAreOrderedAndTheNewest(t *testing.T) {
	m := modelRollout("shop", "churn")
	other := modelRollout("shop", "other")
	c := newWorld(t, interceptor.Funcs{}, m, other, event(m, "third", rollout.EventPromoted, noon.Add(2)), event(m, "first", rollout.EventInvalid, noon),
		event(m, "second", rollout.EventRollback, noon.Add(1000)), event(other, "else", rollout.EventPromoted, noon)).client("shop")
	got, err := c.Events(t.Context(), "churn", 2)
	if err != nil || len(got) != 2 || got[0].ID != "third" || got[1].ID != "second" {
		t.Fatalf("events %+v, %v", got, err)
	}
	if e := got[0]; e.Kind != rollout.EventPromoted || e.Message != "what third says" || e.Revision != "v2" {
		t.Errorf("event %+v", e)
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	if _, err := newWorld(t, interceptor.Funcs{}).client("shop").Status(t.Context(), "churn"); err == nil ||
		err.Error() != "there is no ModelRollout churn in namespace shop" || !webclient.NotFound(err) {
		t.Errorf("one that is not there: %v", err)
	}
	unknown := interceptor.Funcs{List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
		return &meta.NoKindMatchError{GroupKind: schema.GroupKind{Group: "haldane.dev", Kind: v1alpha1.Kind}}
	}}
	if _, err := newWorld(t, unknown).client("shop").List(t.Context()); err == nil || !strings.Contains(err.Error(), "install Haldane") {
		t.Errorf("a cluster without the kind: %v", err)
	}
	down := errors.New("connection refused")
	away := interceptor.Funcs{Get: func(_ context.Context, _ client.WithWatch, _ client.ObjectKey, o client.Object, _ ...client.GetOption) error {
		return down
	}}
	if _, err := newWorld(t, away).client("shop").Events(t.Context(), "churn", 1); !errors.Is(err, down) {
		t.Errorf("no API server: %v", err)
	}
}
