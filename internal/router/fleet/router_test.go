package fleetrouter_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/gateway"
	"github.com/haldane-dev/haldane/internal/gateway/fleet"
	fleetrouter "github.com/haldane-dev/haldane/internal/router/fleet"
	"github.com/haldane-dev/haldane/internal/router/object"
	"github.com/haldane-dev/haldane/internal/router/object/objecttest"
	"github.com/haldane-dev/haldane/internal/router/routertest"
	"github.com/haldane-dev/haldane/internal/traffic"
)

var deploymentKind = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}

func prefixes(t *testing.T, text string) []netip.Prefix {
	t.Helper()
	p, err := netip.ParsePrefix(text)
	if err != nil {
		t.Fatal(err)
	}
	return []netip.Prefix{p}
}

func TestContract(t *testing.T) {
	routertest.Run(t, func(t *testing.T) routertest.Harness {
		w := open(t, 2)
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

func TestObjects(t *testing.T) {
	w := open(t, 0)
	w.apply(traffic.Split{Generation: 3, Canary: traffic.Percent(5), Mirror: traffic.Percent(40), Salt: "churn"})
	objecttest.Golden(t, "objects",
		w.Get(t, fleetrouter.Table, "churn-gateway"),
		w.Get(t, schema.GroupVersionKind{Version: "v1", Kind: "Service"}, "churn-gateway"),
		w.Get(t, schema.GroupVersionKind{Version: "v1", Kind: "Service"}, "churn-gateway-peers"),
		w.Get(t, deploymentKind, "churn-gateway"),
		w.Get(t, schema.GroupVersionKind{Group: "policy", Version: "v1", Kind: "PodDisruptionBudget"}, "churn-gateway"))
}

// TestEveryGatewayMustCarryIt: a rollback that one replica has not heard of is
// not done.
func TestEveryGatewayMustCarryIt(t *testing.T) {
	w := open(t, 3)
	s := traffic.Split{Generation: 1, Canary: traffic.Full / 2}
	w.apply(s)
	if o := w.observe(); !o.Carries(s) {
		t.Fatalf("%+v", o)
	}
	cut := w.pods["10.1.0.2:8081"]
	cut.cut = true
	back := traffic.Split{Generation: 2}
	w.apply(back)
	if o := w.observe(); o.Level != traffic.Written || o.Generation != 2 {
		t.Errorf("with one replica cut off: %+v", o)
	}
	if behind, why := w.condition(fleetrouter.ConditionGatewayBehind); !behind || !strings.Contains(why, "1 of 3") || !strings.Contains(why, "gateway-10.1.0.2") {
		t.Errorf("condition: %v, %s", behind, why)
	}
	if got, _ := cut.gateway.Table(); got.Split.Canary != traffic.Full/2 {
		t.Errorf("the one cut off does not keep its table: %+v", got.Split)
	}
	cut.cut = false
	if o := w.observe(); !o.Carries(back) {
		t.Errorf("once it has heard: %+v", o)
	}
	if behind, why := w.condition(fleetrouter.ConditionGatewayBehind); behind {
		t.Errorf("condition stands: %s", why)
	}
}

func TestNoGatewayCarriesNothing(t *testing.T) {
	w := open(t, 0)
	s := traffic.Split{Generation: 1}
	w.apply(s)
	if o := w.observe(); o.Level != traffic.Written {
		t.Errorf("%+v", o)
	}
	p := w.start("10.1.0.9")
	p.dead = true
	if o := w.observe(); o.Level != traffic.Written {
		t.Errorf("one that does not answer: %+v", o)
	}
	p.dead = false
	if o := w.observe(); !o.Carries(s) {
		t.Errorf("%+v", o)
	}
}

// TestRestIsFree: nothing changes, and nobody is asked.
func TestRestIsFree(t *testing.T) {
	w := open(t, 2)
	s := traffic.Split{Generation: 1, Canary: traffic.Percent(5)}
	w.apply(s)
	w.observe()
	w.Writes()
	w.questions()
	for range 3 {
		w.apply(s)
		if o := w.observe(); !o.Carries(s) {
			t.Fatalf("%+v", o)
		}
	}
	if writes, asked := w.Writes(), w.questions(); len(writes) > 0 || asked > 0 {
		t.Errorf("wrote %v, asked %d times", writes, asked)
	}
}

// TestDefaultsAreNoDrift: what the API server fills in is not written over.
func TestDefaultsAreNoDrift(t *testing.T) {
	w := open(t, 1)
	s := traffic.Split{Generation: 1}
	w.apply(s)
	w.Edit(t, "kube-apiserver", w.Get(t, deploymentKind, "churn-gateway"), func(o map[string]any) {
		spec := o["spec"].(map[string]any)
		spec["progressDeadlineSeconds"] = int64(600)
		pod := spec["template"].(map[string]any)["spec"].(map[string]any)
		pod["dnsPolicy"] = "ClusterFirst"
		container := pod["containers"].([]any)[0].(map[string]any)
		container["terminationMessagePath"] = "/dev/termination-log"
		container["readinessProbe"].(map[string]any)["successThreshold"] = int64(1)
		container["env"].([]any)[1].(map[string]any)["valueFrom"].(map[string]any)["fieldRef"].(map[string]any)["apiVersion"] = "v1"
	})
	w.Writes()
	w.apply(s)
	if writes := w.Writes(); len(writes) > 0 {
		t.Errorf("wrote %v", writes)
	}
	// Somebody who does not stop is named, and rollouts go on.
	for range object.ContestEdits {
		w.Edit(t, "scaler", w.Get(t, deploymentKind, "churn-gateway"), func(o map[string]any) {
			o["spec"].(map[string]any)["replicas"] = int64(7)
		})
		w.apply(s)
	}
	if contested, why := w.condition(fleetrouter.ConditionGatewayContested); !contested || !strings.Contains(why, "churn-gateway") {
		t.Errorf("%v: %s", contested, why)
	}
	for _, c := range w.Conditions() {
		if c.True && c.Blocks {
			t.Errorf("%s holds rollouts back", c.Type)
		}
	}
}

func TestDriftIsHealed(t *testing.T) {
	w := open(t, 1)
	s := traffic.Split{Generation: 1, Canary: traffic.Percent(5)}
	w.apply(s)
	w.observe()
	before := w.look()
	w.Edit(t, "kubectl-scale", w.Get(t, deploymentKind, "churn-gateway"), func(o map[string]any) {
		o["spec"].(map[string]any)["replicas"] = int64(0)
	})
	w.Edit(t, "kubectl-edit", w.Get(t, schema.GroupVersionKind{Version: "v1", Kind: "Service"}, "churn-gateway"), func(o map[string]any) {
		o["spec"].(map[string]any)["selector"] = map[string]any{"app": "churn"}
	})
	w.Edit(t, "kubectl-edit", w.Get(t, fleetrouter.Table, "churn-gateway"), func(o map[string]any) {
		o["spec"].(map[string]any)["table"] = `{"rollout":"mine"}`
	})
	if o := w.observe(); o.Level != traffic.Unknown {
		t.Errorf("a table of somebody else's: %+v", o)
	}
	w.apply(s)
	if d := diff(before, w.look()); d != "" {
		t.Errorf("not put back:\n%s", d)
	}
	if o := w.observe(); !o.Carries(s) {
		t.Errorf("%+v", o)
	}
}

// TestContestedTableGoesToStable as with every route that somebody fights for.
func TestContestedTableGoesToStable(t *testing.T) {
	w := open(t, 1)
	s := traffic.Split{Generation: 1, Canary: traffic.Full / 2}
	w.apply(s)
	var err error
	for range object.ContestEdits {
		w.Edit(t, "gitops", w.Get(t, fleetrouter.Table, "churn-gateway"), func(o map[string]any) {
			o["spec"].(map[string]any)["table"] = "{}"
		})
		err = w.Apply(t.Context(), objecttest.Target, s)
	}
	if !errors.Is(err, object.ErrContested) || !strings.Contains(err.Error(), "gitops") {
		t.Fatalf("%v", err)
	}
	if o := w.observe(); o.Canary != 0 || o.Level != traffic.Accepted {
		t.Errorf("%+v", o)
	}
}

func TestWhatIsNotOursIsLeftAlone(t *testing.T) {
	for name, text := range map[string]string{
		"a Service of the user's": `
apiVersion: v1
kind: Service
metadata: {name: churn-gateway, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80}]}
`,
		"a table of another rollout": `
apiVersion: haldane.dev/v1alpha1
kind: GatewayTable
metadata: {name: churn-gateway, namespace: shop, annotations: {haldane.dev/owner: uid-2}, labels: {haldane.dev/rollout: fraud}}
spec: {table: "{}"}
`,
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t, 0)
			w.Alive["uid-2"] = true
			o := objecttest.Object(t, text)
			if err := w.Plain.Create(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			before := w.look()
			if err := w.Apply(t.Context(), objecttest.Target, traffic.Split{Generation: 1}); err == nil {
				t.Error("taken over")
			}
			if err := w.Release(t.Context(), objecttest.Target); err != nil {
				t.Fatal(err)
			}
			if d := diff(before, w.look()); d != "" {
				t.Errorf("changed:\n%s", d)
			}
		})
	}
}

// TestALaterDecisionStands: a former leader does not write what was wanted long
// ago.
func TestALaterDecisionStands(t *testing.T) {
	w := open(t, 1)
	late, early := objecttest.Target, objecttest.Target
	early.Sequence, late.Sequence = 4, 5
	if err := w.Apply(t.Context(), late, traffic.Split{Generation: 2}); err != nil {
		t.Fatal(err)
	}
	err := w.router().Apply(t.Context(), early, traffic.Split{Generation: 1, Canary: traffic.Full})
	if !errors.Is(err, cluster.ErrStale) {
		t.Errorf("%v", err)
	}
}

// TestKey: it is made once, belongs to the table and is in no object but its
// Secret.
func TestKey(t *testing.T) {
	w := open(t, 0)
	w.apply(traffic.Split{Generation: 1})
	key := func() corev1.Secret {
		t.Helper()
		var all corev1.SecretList
		if err := w.Plain.List(t.Context(), &all, client.InNamespace("shop")); err != nil {
			t.Fatal(err)
		}
		if len(all.Items) != 1 {
			t.Fatalf("%d Secrets", len(all.Items))
		}
		return all.Items[0]
	}
	first := key()
	if len(first.Data["key"]) != 32 || len(first.OwnerReferences) != 1 || first.OwnerReferences[0].Kind != "GatewayTable" {
		t.Fatalf("%d bytes, owned by %v", len(first.Data["key"]), first.OwnerReferences)
	}
	// Another leader, which knows nothing of it.
	w.Router = w.router()
	w.apply(traffic.Split{Generation: 2})
	if second := key(); string(second.Data["key"]) != string(first.Data["key"]) {
		t.Error("made again")
	}
	text, err := json.Marshal(w.look())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), first.Name) || strings.Contains(string(text), string(first.Data["key"])) {
		t.Errorf("the Secret %s is not used, or shown", first.Name)
	}
	// Deleted by hand it is made again while gateways are missing.
	if err := w.Plain.Delete(t.Context(), &first); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(31e9)
	w.apply(traffic.Split{Generation: 2})
	key()
}

// TestVersions: the candidate is what its Service selects, whatever its
// Deployment says by now.
func TestVersions(t *testing.T) {
	w := open(t, 0)
	document := func(generation uint64) fleet.Document {
		t.Helper()
		w.apply(traffic.Split{Generation: generation})
		table := &v1alpha1.GatewayTable{}
		if err := w.Plain.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "churn-gateway"}, table); err != nil {
			t.Fatal(err)
		}
		d, err := fleet.Decode(table.Spec.Table)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	image := func(name string) {
		w.Edit(t, "kubectl", w.Get(t, deploymentKind, "churn"), func(o map[string]any) {
			template := o["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any)
			template["containers"].([]any)[0].(map[string]any)["image"] = name
		})
	}
	check := func(generation uint64, revision, stable, canary string) {
		t.Helper()
		d := document(generation)
		if d.Revision != revision || d.Arms[0].Version != stable || d.Arms[1].Version != canary {
			t.Errorf("revision %q, %q and %q; want %q, %q and %q", d.Revision, d.Arms[0].Version, d.Arms[1].Version, revision, stable, canary)
		}
	}
	check(1, "7c9d", "v1", "v2")
	image("example/churn:v3")
	check(2, "7c9d", "v1", "v2")
	w.pin("99aa")
	check(3, "99aa", "v1", "v3")
	image("example/churn:v1")
	w.pin("deadbeef42")
	check(4, "deadbeef42", "v1", "v1-deadbee")
}

func TestImageMustBeKnown(t *testing.T) {
	w := open(t, 0)
	if _, err := fleetrouter.New(fleetrouter.Config{Rollout: w.Rollout}); err == nil || !strings.Contains(err.Error(), "--gateway-image") {
		t.Errorf("%v", err)
	}
}

// TestLoadInTheTable: gateways are told how to know load, and nobody who reads
// the table can pass for it.
func TestLoadInTheTable(t *testing.T) {
	w := open(t, 1)
	r, err := fleetrouter.New(fleetrouter.Config{
		Rollout: w.Rollout, Image: "example/haldane:v1", Ask: w.ask, Now: func() time.Time { return w.now },
		Load: &gateway.Load{Digest: sha256.Sum256([]byte("secret")), Count: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Router = r
	w.apply(traffic.Split{Generation: 1, Canary: 500})
	var all v1alpha1.GatewayTableList
	if err := w.Plain.List(t.Context(), &all); err != nil || len(all.Items) != 1 {
		t.Fatalf("%d tables: %v", len(all.Items), err)
	}
	text := all.Items[0].Spec.Table
	d, err := fleet.Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("secret"))
	if d.Load == nil || d.Load.Digest != hex.EncodeToString(sum[:]) || !d.Load.Count || strings.Contains(text, "secret") {
		t.Errorf("table %s", text)
	}
}

// TestSettingsOfAnExperiment: gateways are told what is counted and for how many
// arms, and nothing whose edit would have them replaced in vain.
func TestSettingsOfAnExperiment(t *testing.T) {
	settings := func(x *v1alpha1.Experiment) string {
		w := open(t, 0)
		w.Rollout.Spec.Strategy.Experiment = x
		w.apply(traffic.Split{Generation: 1, Canary: 5000})
		pods, _, _ := unstructured.NestedSlice(w.Get(t, deploymentKind, "churn-gateway").Object, "spec", "template", "spec", "containers")
		env := pods[0].(map[string]any)["env"].([]any)
		return env[0].(map[string]any)["value"].(string)
	}
	weight, later := 50, &v1alpha1.Duration{Duration: time.Hour}
	x := &v1alpha1.Experiment{
		Arms: []v1alpha1.ExperimentArm{{Name: "stable", Weight: &weight}, {Name: "canary", Weight: &weight}},
		Goal: v1alpha1.Goal{Outcome: &v1alpha1.GoalOutcome{Maturity: &v1alpha1.Duration{Duration: time.Minute}, Missing: "unknown"}},
	}
	first := settings(x)
	if !strings.Contains(first, `"experiment":{"arms":[{"name":"stable"},{"name":"canary"}],"goal":{"outcome":{"maturity":"1m0s","missing":"unknown"}}}`) {
		t.Errorf("settings %s", first)
	}
	x.MaxDuration, x.Arms[0].Always = later, []v1alpha1.Match{{Cohort: "a"}}
	if again := settings(x); again != first {
		t.Errorf("settings %s\nwere %s", again, first)
	}
}
