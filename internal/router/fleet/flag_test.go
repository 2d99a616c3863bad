package fleetrouter_test

import (
	"encoding/json"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/gateway/fleet"
	"github.com/haldane-dev/haldane/internal/gateway/ofrep"
	"github.com/haldane-dev/haldane/internal/rollout"
	fleetrouter "github.com/haldane-dev/haldane/internal/router/fleet"
	"github.com/haldane-dev/haldane/internal/router/object/objecttest"
	"github.com/haldane-dev/haldane/internal/router/routertest"
	"github.com/haldane-dev/haldane/internal/traffic"
	"github.com/haldane-dev/haldane/internal/workload"
	"github.com/haldane-dev/haldane/internal/workload/elsewhere"
)

// byFlag is a spec of versions that run elsewhere. The gateways have the name
// that world asks for.
func byFlag(stable, canary string) v1alpha1.Spec {
	return v1alpha1.Spec{
		Endpoints: &v1alpha1.Endpoints{Stable: v1alpha1.Endpoint{Version: stable}, Canary: v1alpha1.Endpoint{Version: canary}},
		Routing: v1alpha1.Routing{
			Flag: &v1alpha1.Flag{
				Values:    &v1alpha1.FlagValues{Stable: json.RawMessage(`"small"`), Canary: json.RawMessage(`"large"`)},
				TokenFrom: &v1alpha1.SecretFrom{Name: "ask", Key: "token"},
				Fleet:     &v1alpha1.GatewayFleet{Service: "churn-gateway"},
			},
			Cohorts: []v1alpha1.Cohort{{Name: "beta", Keys: []string{"u1"}}},
		},
	}
}

// asked is a world with a flag in it: no Deployments, no Services of a model.
func asked(t *testing.T, pods int) (*world, *elsewhere.Declared) {
	t.Helper()
	w := &world{World: objecttest.New(t, byFlag("v1", "v2")), t: t, pods: map[string]*pod{}}
	w.Rollout.Spec.Workload = nil
	w.Router = w.router()
	d := elsewhere.NewDeclared(w.Rollout)
	if _, err := d.Prepare(t.Context(), workload.Target{}); err != nil {
		t.Fatal(err)
	}
	w.begin(d, "v1", "v2")
	for i := range pods {
		w.start([]string{"10.1.0.1", "10.1.0.2"}[i])
	}
	return w, d
}

// begin makes versions those of the arms, as the engine does.
func (w *world) begin(d *elsewhere.Declared, stable, canary string) {
	w.t.Helper()
	s := byFlag(stable, canary)
	d.Declare(&s)
	scale := rollout.Scale{Stable: true, Canary: true, Revision: elsewhere.ArmsOf(&s)[traffic.Canary].Hash}
	if err := d.Apply(w.t.Context(), workload.Target{}, scale); err != nil {
		w.t.Fatal(err)
	}
}

func TestFlagContract(t *testing.T) {
	routertest.Run(t, func(t *testing.T) routertest.Harness {
		w, _ := asked(t, 2)
		return routertest.Harness{
			Router: w.Router, Target: objecttest.Target,
			Snapshot: func(*testing.T) any { return w.look() },
			Send: func(t *testing.T, n int) (stable, canary int) {
				for i := range n {
					p := w.pods[[]string{"10.1.0.1:8081", "10.1.0.2:8081"}[i%2]]
					if arm(t, p.gateway) == "canary" {
						canary++
					} else {
						stable++
					}
				}
				return stable, canary
			},
		}
	})
}

func TestFlagObjects(t *testing.T) {
	w, _ := asked(t, 0)
	w.apply(traffic.Split{Generation: 3, Canary: traffic.Percent(5), Salt: "churn", Sticky: traffic.Sticky{Header: ofrep.TargetingKey}})
	objecttest.Golden(t, "flag",
		w.Get(t, fleetrouter.Table, "churn-gateway"),
		w.Get(t, schema.GroupVersionKind{Version: "v1", Kind: "Service"}, "churn-gateway"),
		w.Get(t, deploymentKind, "churn-gateway"))
	c, err := w.Capabilities(t.Context(), objecttest.Target)
	if err != nil || c.Mirror || c.Pairs || !c.Country || !c.Sticky || !c.Cohort || !c.Cookie || !c.Header || !c.ForcedKept {
		t.Errorf("capabilities %+v, %v", c, err)
	}
}

// TestNoGatewayOfAFlag: what its pods may be waiting for is said by name.
func TestNoGatewayOfAFlag(t *testing.T) {
	w, _ := asked(t, 0)
	w.apply(traffic.Split{Generation: 1})
	w.observe()
	if holds, message := w.condition(fleetrouter.ConditionGatewayBehind); !holds || !strings.Contains(message, "a Secret ask with the key token") {
		t.Errorf("%v: %s", holds, message)
	}
}

// TestFlagGoesByWhatHasBegun: an edit of the spec is not told to users before the
// rollout has begun with it, and a router that begins anew tells the same.
func TestFlagGoesByWhatHasBegun(t *testing.T) {
	w, d := asked(t, 1)
	table := func() fleet.Document {
		t.Helper()
		u := w.Get(t, fleetrouter.Table, "churn-gateway")
		text := u.Object["spec"].(map[string]any)["table"].(string)
		doc, err := fleet.Decode(text)
		if err != nil {
			t.Fatal(err)
		}
		return doc
	}
	half := traffic.Split{Generation: 1, Canary: traffic.Full / 2}
	w.apply(half)
	before := table()
	if before.Versions() != [2]string{"v1", "v2"} || string(before.Arms[1].Value) != `"large"` || before.Revision == "" || !before.Flag {
		t.Errorf("%+v", before)
	}
	next := byFlag("v2", "v3")
	d.Declare(&next)
	w.Router = w.router()
	w.apply(half)
	if after := table(); after.Versions() != before.Versions() || after.Revision != before.Revision {
		t.Errorf("after an edit: %+v", after)
	}
	w.begin(d, "v2", "v3")
	w.apply(traffic.Split{Generation: 2})
	if after := table(); after.Versions() != [2]string{"v2", "v3"} || after.Revision == before.Revision {
		t.Errorf("once it has begun: %+v", after)
	}
	if o := w.observe(); !o.Carries(traffic.Split{Generation: 2}) {
		t.Errorf("%+v", o)
	}
}

// TestFlagDocument: a table of the other kind, or one that names no version, is
// refused, and the gateway goes on by the last one.
func TestFlagDocument(t *testing.T) {
	for text, want := range map[string]string{
		`{"rollout":"a","flag":true,"split":{},"arms":[{},{}]}`:               "which version is stable",
		`{"rollout":"a","split":{},"arms":[{"version":"v1"},{}]}`:             "where stable is served",
		`{"rollout":"a","flag":true,"split":{},"arms":[{"version":"v1"},{}]}`: "",
	} {
		_, err := fleet.Decode(text)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
