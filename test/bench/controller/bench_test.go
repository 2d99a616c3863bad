package main

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/analysis"
	kubecluster "github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/metric/prometheus/kubernetes"
)

// document is the rollout that is measured.
func document(t *testing.T, address string) *v1alpha1.ModelRollout {
	t.Helper()
	parts := strings.Split(one, "\n---\n")
	text := strings.NewReplacer("NAME", "model-0001", "SPACE", "team-00", "WARMUP", "90s", "SCRAPE", "15s", "ADDRESS", address).Replace(parts[2])
	var m v1alpha1.ModelRollout
	if err := yaml.UnmarshalStrict([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	m.DefaultCluster()
	if problems := m.ValidateCluster(); len(problems) > 0 {
		t.Fatalf("the rollout that is measured is refused: %v", problems)
	}
	return &m
}

// TestCounts: what the server answers is what the controller's own source makes
// the intended counts of, and the time of the first bad answer is noted.
func TestCounts(t *testing.T) {
	s := newServer(15 * time.Second)
	web := httptest.NewServer(s)
	defer web.Close()
	m := document(t, web.URL)
	source, err := kubernetes.New(kubecluster.Rollout{Namespace: m.Namespace, Name: m.Name, Spec: &m.Spec})
	if err != nil {
		t.Fatal(err)
	}
	noon := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	q := metric.Query{Rollout: "team-00/model-0001", Revision: "b", Metrics: []metric.Metric{
		{Name: "errors", Kind: analysis.ErrorRate}, {Name: "latency", Kind: analysis.Latency},
	}}
	cursor := ""
	collect := func(from, to time.Time) map[string]analysis.Measure {
		t.Helper()
		got, err := source.Collect(t.Context(), q, metric.Window{After: cursor, Start: from, End: to, Weight: .05})
		if err != nil {
			t.Fatal(err)
		}
		cursor = got.Cursor
		return got.Metrics
	}
	good := collect(noon, noon.Add(70*time.Second))
	if e := good["errors"]; e.Stable.N != 570 || e.Canary.N != 30 || e.Canary.K > 1 {
		t.Errorf("a minute of a good candidate: %+v", e)
	}
	if l := good["latency"]; len(l.Edges) != 4 || sum(l.Stable.Counts) != 570 || sum(l.Canary.Counts) != 30 {
		t.Errorf("a minute of latencies: %+v", l)
	}
	if _, ok := s.verdict("model-0001"); ok {
		t.Error("a verdict on a good candidate")
	}
	s.now = func() time.Time { return noon.Add(70 * time.Second) }
	s.spoil("model-0001")
	bad := collect(noon.Add(70*time.Second), noon.Add(160*time.Second))
	if e := bad["errors"]; e.Canary.N != 45 || e.Canary.K < 30 || e.Stable.K > 10 {
		t.Errorf("a minute and a half of a bad candidate: %+v", e)
	}
	if at, ok := s.verdict("model-0001"); !ok || !at.Equal(s.now()) {
		t.Errorf("the last bad answer was at %s", at)
	}
}

func sum(counts []int64) (n int64) {
	for _, c := range counts {
		n += c
	}
	return n
}

// TestDeployments: the fake answers an edit, a pause and a change of size as
// Kubernetes would.
func TestDeployments(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	api := fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&appsv1.Deployment{}, &appsv1.ReplicaSet{}).Build()
	var d appsv1.Deployment
	if err := yaml.Unmarshal([]byte(strings.Split(one, "\n---\n")[0]), &d); err != nil {
		t.Fatal(err)
	}
	d.UID = "u"
	at := client.ObjectKeyFromObject(&d)
	if err := api.Create(t.Context(), &d); err != nil {
		t.Fatal(err)
	}
	reconciled := func(change func()) (available int32, sets []int32) {
		t.Helper()
		change()
		if err := api.Update(t.Context(), &d); err != nil {
			t.Fatal(err)
		}
		if _, err := (deployments{api}).Reconcile(t.Context(), reconcile.Request{NamespacedName: at}); err != nil {
			t.Fatal(err)
		}
		if err := api.Get(t.Context(), at, &d); err != nil {
			t.Fatal(err)
		}
		var all appsv1.ReplicaSetList
		if err := api.List(t.Context(), &all); err != nil {
			t.Fatal(err)
		}
		for _, set := range all.Items {
			sets = append(sets, set.Status.AvailableReplicas)
		}
		return d.Status.AvailableReplicas, sets
	}
	for _, x := range []struct {
		name   string
		change func()
		want   int32
		sets   []int32
	}{
		{"new", func() {}, 2, []int32{2}},
		{"paused and edited", func() { d.Spec.Paused = true; d.Spec.Template.Spec.Containers[0].Image = "churn:v2" }, 2, []int32{2}},
		{"scaled", func() { d.Spec.Replicas = new(int32(0)); d.Spec.Paused = false }, 0, []int32{0, 0}},
	} {
		if n, sets := reconciled(x.change); n != x.want || !cmp.Equal(sets, x.sets) {
			t.Errorf("%s: %d pods are available, of sets %v, want %d of %v", x.name, n, sets, x.want, x.sets)
		}
	}
}

func TestNote(t *testing.T) {
	w := &world{share: map[string]int32{}, off: map[string]time.Time{}}
	at := time.Unix(1000, 0)
	see := func(canary int32) {
		at = at.Add(time.Second)
		r := &gatewayv1.HTTPRoute{}
		r.Name = "m"
		for name, n := range map[string]int32{"m-stable": 100 - canary, "m-canary": canary} {
			ref := gatewayv1.HTTPBackendRef{}
			ref.Name, ref.Weight = gatewayv1.ObjectName(name), &n
			r.Spec.Rules = append(r.Spec.Rules, gatewayv1.HTTPRouteRule{BackendRefs: []gatewayv1.HTTPBackendRef{ref}})
		}
		w.note(r, at)
	}
	see(0)
	see(5)
	if _, off := w.takenOff("m"); off {
		t.Error("taken off at 5%")
	}
	see(0)
	see(0)
	if got, off := w.takenOff("m"); !off || got != time.Unix(1003, 0) {
		t.Errorf("taken off at %s, %v", got, off)
	}
}

func TestProc(t *testing.T) {
	if d, err := cpuOf("12 (a ) b) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20"); err != nil || d != 3*time.Second {
		t.Errorf("CPU %s, %v", d, err)
	}
	if n := memoryOf("Name:\tx\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n", "VmRSS:"); n != 1<<20 {
		t.Errorf("%d bytes", n)
	}
}

func TestRequests(t *testing.T) {
	text := "# TYPE x counter\nx{verb=\"GET\"} 2\nx{verb=\"PUT\"} 3\nx{verb=\"GET\",code=\"404\"} 1\nx{verb=\"WATCH\"} 9\n"
	got, err := requests(strings.NewReader(text), "x", func(l map[string]string) string {
		if l["verb"] == "WATCH" {
			return ""
		}
		return l["verb"]
	})
	if diff := cmp.Diff(map[string]float64{"GET": 3, "PUT": 3}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestOf(t *testing.T) {
	var all []time.Duration
	for i := range 100 {
		all = append(all, time.Duration(i+1))
	}
	if of(all, .5) != 51 || of(all, .99) != 100 || of(all, 1) != 100 || of(nil, .5) != 0 {
		t.Errorf("p50 %d, p99 %d, most %d", of(all, .5), of(all, .99), of(all, 1))
	}
}

func TestFlags(t *testing.T) {
	if _, err := flags([]string{"-rollouts", "1,no"}); err == nil {
		t.Error("taken: -rollouts 1,no")
	}
	o, err := flags([]string{"-short"})
	if err != nil || len(o.sizes) != 1 || o.window > 10*time.Second {
		t.Errorf("-short: %+v, %v", o, err)
	}
}
