package fleetrouter_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/gateway"
	"github.com/haldane-dev/haldane/internal/gateway/fleet"
	fleetrouter "github.com/haldane-dev/haldane/internal/router/fleet"
	"github.com/haldane-dev/haldane/internal/router/object/objecttest"
	"github.com/haldane-dev/haldane/internal/telemetry"
	"github.com/haldane-dev/haldane/internal/traffic"
)

const deployments = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: %s, namespace: shop}
spec:
  selector: {matchLabels: {app: churn}}
  template:
    metadata: {labels: {app: churn}}
    spec: {containers: [{name: model, image: "example/churn:%s"}]}
`

func spec() v1alpha1.Spec {
	return v1alpha1.Spec{Routing: v1alpha1.Routing{
		Gateway:  &v1alpha1.Gateway{TrustedProxies: []string{"10.0.0.0/8"}},
		Country:  &v1alpha1.Country{Header: "X-Country"},
		StickyBy: &v1alpha1.StickyBy{Header: "x-user"},
		Cohorts:  []v1alpha1.Cohort{{Name: "beta", Keys: []string{"u1"}}},
	}}
}

// world is a cluster with a router and gateways that follow its table.
type world struct {
	*objecttest.World
	*fleetrouter.Router
	t   *testing.T
	now time.Time

	mu    sync.Mutex
	pods  map[string]*pod // by address
	asked int
}

// pod is a gateway, in memory.
type pod struct {
	gateway *gateway.Gateway
	carrier *fleet.Carrier
	cut     bool // from the API server
	dead    bool // does not answer
}

func open(t *testing.T, pods int) *world {
	t.Helper()
	w := &world{
		World: objecttest.New(t, spec(), fmt.Sprintf(deployments, "churn-stable", "v1"), fmt.Sprintf(deployments, "churn", "v2")),
		t:     t, now: time.Unix(0, 0), pods: map[string]*pod{},
	}
	w.Router = w.router()
	w.pin("7c9d")
	for i := range pods {
		w.start(fmt.Sprintf("10.1.0.%d", i+1))
	}
	return w
}

// router is one that has just begun.
func (w *world) router() *fleetrouter.Router {
	w.t.Helper()
	r, err := fleetrouter.New(fleetrouter.Config{
		Rollout: w.Rollout, Image: "example/haldane:v1", User: "haldane-gateway", Ask: w.ask, Now: func() time.Time { return w.now },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// pin makes the candidate's Service select the pods of one template.
func (w *world) pin(hash string) {
	w.t.Helper()
	s := &corev1.Service{}
	if err := w.Plain.Get(w.t.Context(), client.ObjectKey{Namespace: "shop", Name: "churn-canary"}, s); err != nil {
		w.t.Fatal(err)
	}
	s.Spec.Selector = map[string]string{"app": "churn", "pod-template-hash": hash}
	if err := w.Plain.Update(w.t.Context(), s); err != nil {
		w.t.Fatal(err)
	}
}

// start begins a gateway that is ready.
func (w *world) start(ip string) *pod {
	w.t.Helper()
	records := fleet.NewRecorders(telemetry.Options{}, func(uint64) bool { return true })
	g, err := gateway.New(gateway.Config{
		Recorder: records, CountryHeader: "X-Country", TrustedProxies: prefixes(w.t, "10.0.0.0/8"),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = g.Close() })
	p := &pod{gateway: g, carrier: fleet.NewCarrier(g, records, nil)}
	w.mu.Lock()
	w.pods[ip+":8081"] = p
	w.mu.Unlock()
	o := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: "shop", Name: "gateway-" + ip, Labels: map[string]string{fleetrouter.LabelGateway: "churn"},
	}}
	o.Status.PodIP = ip
	o.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	if err := w.Plain.Create(w.t.Context(), o); err != nil {
		w.t.Fatal(err)
	}
	return p
}

// ask is the network and the watch of each gateway: one that is not cut off has
// the newest table before it answers.
func (w *world) ask(ctx context.Context, address, _ string) (fleet.Ack, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	p := w.pods[address]
	if p == nil || p.dead {
		return fleet.Ack{}, fmt.Errorf("nobody at %s", address)
	}
	if !p.cut {
		t := &v1alpha1.GatewayTable{}
		if err := w.Plain.Get(ctx, client.ObjectKey{Namespace: "shop", Name: "churn-gateway"}, t); err != nil {
			return fleet.Ack{}, err
		}
		_ = p.carrier.Take(t.Spec.Table) // the Ack says so
	}
	return p.carrier.Ack(), nil
}

func (w *world) questions() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.asked
	w.asked = 0
	return n
}

func (w *world) apply(s traffic.Split) {
	w.t.Helper()
	if err := w.Apply(w.t.Context(), objecttest.Target, s); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) observe() traffic.Observed {
	w.t.Helper()
	o, err := w.Observe(w.t.Context(), objecttest.Target)
	if err != nil {
		w.t.Fatal(err)
	}
	return o
}

// condition returns what stands under a type.
func (w *world) condition(kind string) (holds bool, message string) {
	for _, c := range w.Conditions() {
		if c.Type == kind {
			return c.True, c.Message
		}
	}
	w.t.Fatalf("no condition %s", kind)
	return false, ""
}

// kinds are those of the objects that the router makes, and their names.
var kinds = map[schema.GroupVersionKind][]string{
	fleetrouter.Table: {"churn-gateway"},
	{Group: "apps", Version: "v1", Kind: "Deployment"}:            {"churn-gateway"},
	{Version: "v1", Kind: "Service"}:                              {"churn-gateway", "churn-gateway-peers"},
	{Group: "policy", Version: "v1", Kind: "PodDisruptionBudget"}: {"churn-gateway"},
}

// look is what the owner of the namespace sees of them.
func (w *world) look() any {
	out := map[string]any{}
	for kind, names := range kinds {
		for _, name := range names {
			if u := w.Get(w.t, kind, name); u != nil {
				out[kind.Kind+" "+name] = objecttest.Look(u)
			}
		}
	}
	return out
}

// arm sends one request through a gateway and returns which arm has it, by the
// upstream's host: none answers.
func arm(t *testing.T, g *gateway.Gateway) string {
	t.Helper()
	rec := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	d := g.Policy().Decide(&gateway.Request{Head: head{r}, Method: r.Method, Path: r.URL.Path})
	if !d.Ready() {
		t.Fatalf("no table: %d", rec.Code)
	}
	return d.Arm.String()
}

type head struct{ r *http.Request }

func (h head) Header(name string) string { return h.r.Header.Get(name) }
func (h head) Cookie(string) string      { return "" }

func diff(a, b any) string { return cmp.Diff(a, b) }
