package gatewayrouter_test

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/haldane-dev/haldane/internal/gateway"
	"github.com/haldane-dev/haldane/internal/router"
	gatewayrouter "github.com/haldane-dev/haldane/internal/router/gateway"
	"github.com/haldane-dev/haldane/internal/router/routertest"
	"github.com/haldane-dev/haldane/internal/telemetry"
	"github.com/haldane-dev/haldane/internal/traffic"
)

var target = router.Target{Rollout: "churn"}

// model answers and is known by the header that names the arm.
func model(t *testing.T) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Arm", r.Header.Get(gateway.HeaderArm))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func newGateway(t *testing.T) *gateway.Gateway {
	t.Helper()
	g, err := gateway.New(gateway.Config{Recorder: telemetry.New(telemetry.Options{})})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return g
}

// endpoints can move between calls.
type endpoints struct {
	mu   sync.Mutex
	arms [traffic.NumArms]gateway.Upstream
}

func (e *endpoints) get(arm traffic.Arm) gateway.Upstream {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.arms[arm]
}

func (e *endpoints) move(arm traffic.Arm, u gateway.Upstream) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.arms[arm] = u
}

func open(t *testing.T) (*gatewayrouter.Router, *gateway.Gateway, *endpoints) {
	g := newGateway(t)
	e := &endpoints{}
	e.move(traffic.Stable, gateway.Upstream{URL: model(t), Version: "v1"})
	e.move(traffic.Canary, gateway.Upstream{URL: model(t), Version: "v2"})
	return gatewayrouter.New(gatewayrouter.Config{
		Gateway: g, Rollout: "churn", Upstream: e.get, Revision: func() string { return "r2" },
		Cohorts: map[string][]string{"beta": {"u1"}},
	}), g, e
}

func arm(t *testing.T, g *gateway.Gateway) string {
	w := httptest.NewRecorder()
	g.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Header().Get("X-Arm")
}

func TestContract(t *testing.T) {
	routertest.Run(t, func(t *testing.T) routertest.Harness {
		r, g, e := open(t)
		base := gateway.Table{Rollout: "churn", Revision: "r2", Cohorts: map[string][]string{"beta": {"u1"}}}
		base.Upstreams = e.arms
		if err := g.SetTable(base); err != nil {
			t.Fatal(err)
		}
		return routertest.Harness{
			Router: r, Target: target,
			Snapshot: func(*testing.T) any {
				table, ok := g.Table()
				return []any{table, ok}
			},
			Send: func(t *testing.T, n int) (stable, canary int) {
				for range n {
					switch arm(t, g) {
					case "stable":
						stable++
					case "canary":
						canary++
					}
				}
				return stable, canary
			},
		}
	})
}

func TestMovedUpstreamIsFoundByTheSameSplit(t *testing.T) {
	r, g, e := open(t)
	s := traffic.Split{Generation: 1, Canary: traffic.Full}
	apply := func() {
		t.Helper()
		if err := r.Apply(t.Context(), target, s); err != nil {
			t.Fatal(err)
		}
	}
	e.move(traffic.Canary, gateway.Upstream{})
	apply()
	w := httptest.NewRecorder()
	g.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/", nil))
	if w.Code != http.StatusServiceUnavailable {
		t.Fatalf("status %d without an endpoint, want 503", w.Code)
	}
	e.move(traffic.Canary, gateway.Upstream{URL: model(t), Version: "v2"})
	apply()
	if got := arm(t, g); got != "canary" {
		t.Errorf("answered by %q", got)
	}
}

func TestFlowsOnceTrafficReachedBothArms(t *testing.T) {
	r, g, _ := open(t)
	level := func() traffic.Level {
		o, err := r.Observe(t.Context(), target)
		if err != nil {
			t.Fatal(err)
		}
		return o.Level
	}
	if got := level(); got != traffic.Unknown {
		t.Errorf("before the first split: %s", got)
	}
	s := traffic.Split{Generation: 1, Canary: traffic.Full / 2}
	if err := r.Apply(t.Context(), target, s); err != nil {
		t.Fatal(err)
	}
	if got := level(); got != traffic.Accepted {
		t.Errorf("before traffic: %s", got)
	}
	seen := map[string]bool{}
	for len(seen) < 2 {
		if got := level(); got != traffic.Accepted {
			t.Fatalf("with traffic on %v alone: %s", seen, got)
		}
		seen[arm(t, g)] = true
	}
	if got := level(); got != traffic.Flowing {
		t.Errorf("with traffic on both arms: %s", got)
	}
	if err := r.Apply(t.Context(), target, s); err != nil {
		t.Fatal(err)
	}
	if got := level(); got != traffic.Flowing {
		t.Errorf("the same split again forgot the traffic: %s", got)
	}
}

func TestReleaseWithNothingBeforeSendsAllToStable(t *testing.T) {
	r, g, _ := open(t)
	if err := r.Apply(t.Context(), target, traffic.Split{Generation: 3, Canary: traffic.Full}); err != nil {
		t.Fatal(err)
	}
	if err := r.Release(t.Context(), target); err != nil {
		t.Fatal(err)
	}
	if got := arm(t, g); got != "stable" {
		t.Errorf("after release %q answers", got)
	}
}

func TestOtherRolloutIsRefused(t *testing.T) {
	r, _, _ := open(t)
	other := router.Target{Rollout: "fraud"}
	if _, err := r.Capabilities(t.Context(), other); err == nil {
		t.Error("capabilities of another rollout were told")
	}
	if _, err := r.Observe(t.Context(), other); err == nil {
		t.Error("another rollout was observed")
	}
	if r.Apply(t.Context(), other, traffic.Split{}) == nil || r.Release(t.Context(), other) == nil {
		t.Error("another rollout was routed")
	}
}
