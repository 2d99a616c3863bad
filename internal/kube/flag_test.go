package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/gateway"
	"github.com/haldane-dev/haldane/internal/gateway/fleet"
	"github.com/haldane-dev/haldane/internal/gateway/ofrep"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/router"
	"github.com/haldane-dev/haldane/internal/router/routertest"
	"github.com/haldane-dev/haldane/internal/telemetry"
	"github.com/haldane-dev/haldane/internal/traffic"
	"github.com/haldane-dev/haldane/internal/workload/elsewhere"
)

// askers are applications that ask two gateways of a fleet which version a user
// gets, and run it.
type askers struct {
	w        *world
	carriers []*fleet.Carrier
	flags    []http.Handler

	mu   sync.Mutex
	bad  map[string]int64 // of a hundred users of a version
	told map[string]int   // by version, since the last look

	released int           // how often the route was
	spec     v1alpha1.Spec // of the newest router
}

// asking makes w a cluster on which a flag is asked.
func (w *world) asking(bad map[string]int64) *askers {
	w.t.Helper()
	a := &askers{w: w, bad: bad, told: map[string]int{}}
	for range 2 {
		records := fleet.NewRecorders(telemetry.Options{Sticky: true}, func(uint64) bool { return true })
		g, err := gateway.New(gateway.Config{Recorder: records, Countries: true})
		if err != nil {
			w.t.Fatal(err)
		}
		w.halts = append(w.halts, func() { _ = g.Close() })
		a.carriers = append(a.carriers, fleet.NewCarrier(g, records, nil))
		a.flags = append(a.flags, ofrep.New(ofrep.Config{Key: name, Decider: g}))
	}
	w.cfg.Spec = func(m *v1alpha1.ModelRollout, stable, canary rollout.Revision) (engine.Spec, error) {
		s, err := planOf(m, stable, canary)
		s.Plan.Split = traffic.Split{Salt: m.Name, Sticky: traffic.Sticky{Header: ofrep.TargetingKey}}
		return s, err
	}
	w.cfg.Adapters.Workload = func(r cluster.Rollout) (cluster.Workload, error) { return elsewhere.NewDeclared(r), nil }
	w.cfg.Adapters.Router = func(r cluster.Rollout) (router.Router, error) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.spec = *r.Spec
		return &tables{Fake: w.router, a: a, notes: r.Notes}, nil
	}
	w.users() // of the models that this test has none of
	ctx, cancel := context.WithCancel(context.Background())
	w.users = cancel
	go a.use(ctx)
	return a
}

// tables is the router of the fleet without an API server: both gateways have a
// table at once.
type tables struct {
	*routertest.Fake
	a     *askers
	notes cluster.Notes
}

func (r *tables) Apply(ctx context.Context, t router.Target, s traffic.Split) error {
	arms, err := elsewhere.Read(ctx, r.notes)
	if err != nil {
		return err
	}
	d := fleet.Document{Rollout: t.Rollout, Revision: arms[traffic.Canary].Hash, Split: s, Flag: true}
	for i, x := range arms {
		d.Arms[i] = fleet.Door{Version: x.Version, Value: x.Value}
	}
	text, err := d.Encode()
	if err != nil {
		return err
	}
	for _, c := range r.a.carriers {
		if err := c.Take(text); err != nil {
			return err
		}
	}
	return r.Fake.Apply(ctx, t, s)
}

func (r *tables) Release(ctx context.Context, t router.Target) error {
	r.a.mu.Lock()
	r.a.released++
	r.a.mu.Unlock()
	return r.Fake.Release(ctx, t)
}

// use asks about a hundred users a second, the same ones of every ten seconds.
func (a *askers) use(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var seen count
		for user := range 100 {
			version, arm := a.evaluate(a.flags[user%2], fmt.Sprintf("user-%d", i%10*100+user))
			if version == "" {
				continue
			}
			a.mu.Lock()
			a.told[version]++
			wrong := int64(i+user)%100 < a.bad[version]
			a.mu.Unlock()
			n, k := &seen.StableN, &seen.StableK
			if arm == "canary" {
				n, k = &seen.CanaryN, &seen.CanaryK
			}
			if *n++; wrong {
				*k++
			}
		}
		a.w.source.serve(seen)
	}
}

// evaluate returns what a user is told, "" before anything is.
func (a *askers) evaluate(flag http.Handler, user string) (version, arm string) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, ofrep.Path+"/"+name, bytes.NewReader(fmt.Appendf(nil, `{"context":{"targetingKey":%q}}`, user)))
	flag.ServeHTTP(w, r)
	var out struct {
		Value, Variant string
		Metadata       struct{ Version string }
	}
	if w.Code != http.StatusOK {
		return "", ""
	}
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || out.Value != "model-"+out.Metadata.Version {
		a.w.t.Errorf("%s: %v", w.Body, err)
	}
	return out.Metadata.Version, out.Variant
}

// look returns how many were told what since the last look.
func (a *askers) look() map[string]int {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := maps.Clone(a.told)
	clear(a.told)
	return out
}

// versions makes m a rollout from one version to another.
func versions(m *v1alpha1.ModelRollout, stable, canary string) {
	value := func(v string) json.RawMessage { return json.RawMessage(`"model-` + v + `"`) }
	m.Spec.Workload = nil
	m.Spec.Endpoints = &v1alpha1.Endpoints{Stable: v1alpha1.Endpoint{Version: stable}, Canary: v1alpha1.Endpoint{Version: canary}}
	m.Spec.Routing = v1alpha1.Routing{Flag: &v1alpha1.Flag{
		Values: &v1alpha1.FlagValues{Stable: value(stable), Canary: value(canary)}, TokenFrom: &v1alpha1.SecretFrom{Name: "ask", Key: "token"},
	}}
	m.Spec.Analysis.Source.Prometheus.Preset = "haldane"
	m.Spec.Analysis.Metrics = []v1alpha1.Metric{{Name: "failures", Mean: &v1alpha1.Mean{Of: "conversion", Event: "failure", MaxIncrease: new(float64)}}}
	*m.Spec.Analysis.Metrics[0].Mean.MaxIncrease = 0.05
}

// TestARolloutByFlag: versions that stand in the spec are rolled out one after the
// other, across restarts, edits in between and edits that are refused. At no time
// is a user told a version that is over, or one whose turn has not come.
func TestARolloutByFlag(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		a := w.asking(map[string]int64{"v1": 1, "v2": 1, "v3": 40, "v4": 1, "v5": 1, "v6": 1, "v7": 1})
		m := document()
		versions(m, "v1", "v2")
		w.create(m)
		r := w.run()
		shows := func(version string, is func(v1alpha1.ModelRolloutStatus) bool) func(v1alpha1.ModelRolloutStatus) bool {
			return func(s v1alpha1.ModelRolloutStatus) bool { return s.Canary.Version == version && is(s) }
		}
		only := func(what string, allowed ...string) {
			t.Helper()
			got := a.look()
			for _, v := range allowed {
				delete(got, v)
			}
			if len(got) > 0 {
				t.Errorf("%s users were told %v besides %v", what, got, allowed)
			}
		}
		w.until("at 10%", shows("v2", weight("10%")))
		r.halt()
		r = w.run() // another controller
		w.until("promoted", shows("v2", phase(rollout.Promoted)))
		only("until v2 was promoted,", "v1", "v2")
		time.Sleep(2 * time.Second)
		only("after that,", "v1", "v2") // of the second in which it was
		time.Sleep(2 * time.Second)
		only("then", "v2")

		w.edit(r, func(m *v1alpha1.ModelRollout) { versions(m, "v2", "v3") })
		s := w.until("taken back", shows("v3", phase(rollout.RolledBack)))
		if !strings.Contains(s.Reason, "errors") { // as the plan of this test calls it
			t.Errorf("taken back because of %q", s.Reason)
		}
		only("with v3", "v2", "v3")

		w.edit(r, func(m *v1alpha1.ModelRollout) { versions(m, "v2", "v4") })
		w.until("at 50%", shows("v4", weight("50%")))
		w.edit(r, func(m *v1alpha1.ModelRollout) { versions(m, "v2", "v2") })
		time.Sleep(20 * time.Second)
		r.halt()
		r = w.run() // whose first sight of the spec is a bad one
		s = w.until("promoted", shows("v4", phase(rollout.Promoted)))
		if holds(s, v1alpha1.ConditionReady) {
			t.Errorf("conditions %v", s.Conditions)
		}
		only("with v4", "v2", "v3", "v4")

		w.edit(r, func(m *v1alpha1.ModelRollout) { versions(m, "v4", "v5") })
		w.until("at 10%", shows("v5", weight("10%")))
		only("with v5", "v2", "v4", "v5")
		w.edit(r, func(m *v1alpha1.ModelRollout) { versions(m, "v4", "v6") })
		w.until("at 50%", shows("v6", weight("50%")))
		only("with v6", "v4", "v5", "v6")

		// With more than versions it begins anew, by the new spec, after a restart too.
		w.edit(r, func(m *v1alpha1.ModelRollout) {
			versions(m, "v4", "v7")
			m.Spec.Routing.Cohorts = []v1alpha1.Cohort{{Name: "beta", Keys: []string{"ann"}}}
		})
		r.halt()
		r = w.run()
		w.until("at 50%", shows("v7", weight("50%")))
		only("with v7", "v4", "v6", "v7")
		a.mu.Lock()
		if got := a.spec; got.Endpoints.Canary.Version != "v7" || len(got.Routing.Cohorts) != 1 {
			t.Errorf("the router is made of %+v", got.Routing)
		}
		a.mu.Unlock()
		a.deletes(r)
	})
}

// deletes deletes the rollout on its way: nobody gets the candidate any more,
// the route is released, and nothing is waited for.
func (a *askers) deletes(r *running) {
	w := a.w
	w.t.Helper()
	if err := w.server.Delete(w.t.Context(), w.get()); err != nil {
		w.t.Fatal(err)
	}
	r.touch()
	time.Sleep(10 * time.Second)
	if err := w.server.Get(w.t.Context(), key, &v1alpha1.ModelRollout{}); !apierrors.IsNotFound(err) {
		w.t.Errorf("the rollout is left: %v", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.released != 1 {
		w.t.Errorf("the route was released %d times", a.released)
	}
}

// TestAnotherWishForTheSameRoute: another number of gateways takes none away, and
// a switch that is written is heard.
func TestAnotherWishForTheSameRoute(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		a := w.asking(map[string]int64{"v1": 1, "v2": 60})
		made := make(chan *v1alpha1.Switch, 10)
		w.cfg.Adapters.Outside = func(r cluster.Rollout) (Outside, error) { made <- r.Spec.Switch; return Outside{}, nil }
		m := document()
		versions(m, "v1", "v2")
		w.create(m)
		r := w.run()
		w.until("taken back", phase(rollout.RolledBack))
		time.Sleep(time.Minute)
		if s := <-made; s != nil {
			t.Errorf("a switch that nobody wrote: %+v", s)
		}
		w.edit(r, func(m *v1alpha1.ModelRollout) {
			m.Spec.Switch = &v1alpha1.Switch{Flag: &v1alpha1.SwitchFlag{URL: "http://flags.shop", Key: "churn"}}
		})
		if s := <-made; s == nil || s.Flag.Key != "churn" {
			t.Errorf("switch %+v", s)
		}
		w.edit(r, func(m *v1alpha1.ModelRollout) { m.Spec.Routing.Flag.Fleet = &v1alpha1.GatewayFleet{Replicas: 5} })
		<-made
		time.Sleep(time.Minute)
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.released > 0 {
			t.Error("the gateways were taken away")
		}
	})
}

// TestRouteNames: what is another route, and what another wish for one.
func TestRouteNames(t *testing.T) {
	gateway := func(service string, replicas int32) v1alpha1.Spec {
		return v1alpha1.Spec{Routing: v1alpha1.Routing{Gateway: &v1alpha1.Gateway{Fleet: &v1alpha1.GatewayFleet{Service: service, Replicas: replicas}}}}
	}
	api := func(route, path string) v1alpha1.Spec {
		return v1alpha1.Spec{Routing: v1alpha1.Routing{GatewayAPI: &v1alpha1.GatewayAPI{HTTPRoute: route, Path: path}}}
	}
	flag := v1alpha1.Spec{Routing: v1alpha1.Routing{Flag: &v1alpha1.Flag{Fleet: &v1alpha1.GatewayFleet{Service: "a"}}}}
	nginx := v1alpha1.Spec{Routing: v1alpha1.Routing{Nginx: &v1alpha1.Nginx{Ingress: "a"}}}
	for name, x := range map[string]struct {
		a, b v1alpha1.Spec
		same bool
	}{
		"replicas": {gateway("a", 1), gateway("a", 2), true}, "service": {gateway("a", 1), gateway("b", 1), false},
		"path": {api("a", "/x"), api("a", "/y"), true}, "route": {api("a", "/"), api("b", "/"), false},
		"a flag by the same gateways": {gateway("a", 1), flag, true}, "another router": {nginx, api("a", "/"), false},
	} {
		if got := routed(x.a) == routed(x.b); got != x.same {
			t.Errorf("%s: the same route: %v, want %v", name, got, x.same)
		}
	}
}
