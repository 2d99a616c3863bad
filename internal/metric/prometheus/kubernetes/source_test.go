package kubernetes

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/metric/prometheus/prometheustest"
)

// world is a cluster with the two Services of the rollout shop/churn, and a server
// that has scraped it.
type world struct {
	t      *testing.T
	client client.Client
	server *prometheustest.Server
	r      cluster.Rollout
	read   []string // what was read of Secrets
}

func newWorld(t *testing.T, p v1alpha1.Prometheus) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, server: &prometheustest.Server{}}
	w.client = fake.NewClientBuilder().WithScheme(scheme).WithInterceptorFuncs(interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, into client.Object, o ...client.GetOption) error {
			if _, is := into.(*corev1.Secret); is {
				w.read = append(w.read, key.String())
			}
			return c.Get(ctx, key, into, o...)
		},
		List: func(ctx context.Context, c client.WithWatch, into client.ObjectList, o ...client.ListOption) error {
			if _, is := into.(*corev1.SecretList); is {
				t.Error("it lists Secrets")
			}
			return c.List(ctx, into, o...)
		},
	}).Build()
	listening := httptest.NewServer(w.server)
	t.Cleanup(listening.Close)
	p.Address = listening.URL
	if p.ScrapeInterval == nil {
		p.ScrapeInterval = &v1alpha1.Duration{Duration: 10 * time.Second}
	}
	w.r = cluster.Rollout{
		Namespace: "shop", Name: "churn", UID: "u1", Client: w.client, Reader: w.client, Logger: slog.New(slog.DiscardHandler),
		Spec: &v1alpha1.Spec{
			Workload: &v1alpha1.Workload{Name: "churn", StableName: "churn-stable", Service: "churn"},
			Analysis: v1alpha1.Analysis{
				Source:  v1alpha1.Source{Prometheus: &p},
				Metrics: []v1alpha1.Metric{{Name: "errors", ErrorRate: &v1alpha1.ErrorRate{}}},
			},
		},
	}
	w.create(&corev1.Service{ObjectMeta: named("churn-stable", nil), Spec: corev1.ServiceSpec{Selector: map[string]string{"haldane.dev/role": "stable"}}})
	w.create(&corev1.Service{ObjectMeta: named("churn-canary", nil), Spec: corev1.ServiceSpec{Selector: map[string]string{"app": "churn", "pod-template-hash": "new"}}})
	return w
}

func named(name string, labels map[string]string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "shop", Name: name, Labels: labels}
}

func (w *world) create(o client.Object) {
	w.t.Helper()
	if err := w.client.Create(w.t.Context(), o); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) pod(name string, labels map[string]string) {
	w.create(&corev1.Pod{ObjectMeta: named(name, labels)})
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// scrapes keeps n scrapes, ten seconds apart, of what a process says.
func (w *world) scrapes(process map[string]string, n int, exposition func(i int) string) {
	for i := range n {
		w.server.Scrape(w.t, noon.Add(time.Duration(10*i)*time.Second), process, exposition(i))
	}
}

// block collects the minute after noon.
func (w *world) block() analysis.Sample {
	w.t.Helper()
	s, err := New(w.r)
	if err != nil {
		w.t.Fatal(err)
	}
	q := metric.Query{Rollout: w.r.ID(), Revision: "r1"}
	for _, m := range w.r.Spec.Analysis.Metrics {
		about, counted := what(m)
		q.Metrics = append(q.Metrics, metric.Metric{Name: m.Name, Kind: about.Kind, Of: counted.Of})
	}
	sample, err := s.Collect(w.t.Context(), q, metric.Window{Start: noon, End: noon.Add(70 * time.Second), Weight: .1})
	if err != nil {
		w.t.Fatal(err)
	}
	return sample
}

// TestPodsByTheirTemplate: names that begin alike, another template of the
// candidate, and pods of others.
func TestPodsByTheirTemplate(t *testing.T) {
	w := newWorld(t, v1alpha1.Prometheus{Preset: "bentoml", Match: map[string]v1alpha1.LabelValue{"job": "models"}})
	stable := map[string]string{"app": "churn", "haldane.dev/role": "stable", "pod-template-hash": "new"} // selected by both
	w.pod("churn-stable-1", stable)
	w.pod("churn-new-1", map[string]string{"app": "churn", "pod-template-hash": "new"})
	w.pod("churn-old-1", map[string]string{"app": "churn", "pod-template-hash": "old"})
	for name, n := range map[string]int{"churn-stable-1": 1, "churn-new-1": 10, "churn-old-1": 100, "churn-others": 1000} {
		for _, job := range []string{"models", "sidecars"} {
			w.scrapes(map[string]string{"pod": name, "job": job}, 7, func(i int) string {
				return fmt.Sprintf("bentoml_service_request_total{http_response_code=\"200\"} %d\n", n*i)
			})
		}
	}
	got := w.block().Metrics["errors"]
	if got.Stable.N != 6 || got.Canary.N != 60 {
		t.Errorf("stable %d, canary %d, want 6 and 60; asked %q", got.Stable.N, got.Canary.N, w.server.Asked())
	}
}

func TestPodsThatAreGone(t *testing.T) {
	w := newWorld(t, v1alpha1.Prometheus{Preset: "model"})
	now := noon
	p := &pods{r: w.r, now: func() time.Time { return now }}
	arms := func(revision string) string {
		found, err := p.arms(t.Context(), revision)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for name, arm := range found {
			out = append(out, name+" "+arm.String())
		}
		slices.Sort(out)
		return strings.Join(out, ", ")
	}
	want := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	want("before there is any", arms("r1"), "")
	w.pod("s1", map[string]string{"haldane.dev/role": "stable"})
	w.pod("c1", map[string]string{"app": "churn", "pod-template-hash": "new"})
	want("both", arms("r1"), "c1 canary, s1 stable")
	for _, name := range []string{"s1", "c1"} {
		if err := w.client.Delete(t.Context(), &corev1.Pod{ObjectMeta: named(name, nil)}); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(time.Minute)
	want("gone", arms("r1"), "c1 canary, s1 stable")
	want("another revision", arms("r2"), "s1 stable")
	now = now.Add(remembered)
	want("long gone", arms("r2"), "")
}

// TestServicesThatSelectNobody: before the candidate's pods are known its Service
// pins no template, and without Services there is nobody.
func TestServicesThatSelectNobody(t *testing.T) {
	w := newWorld(t, v1alpha1.Prometheus{Preset: "model"})
	w.pod("c1", map[string]string{"app": "churn", "haldane.dev/role": "none"})
	var s corev1.Service
	if err := w.client.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "churn-canary"}, &s); err != nil {
		t.Fatal(err)
	}
	s.Spec.Selector = map[string]string{"app": "churn", "haldane.dev/role": "none"}
	if err := w.client.Update(t.Context(), &s); err != nil {
		t.Fatal(err)
	}
	got := w.block()
	if x, ok := got.Metrics["errors"]; !ok || x.Canary.N != 0 || len(w.server.Asked()) > 0 {
		t.Errorf("%+v, asked %q", got.Metrics, w.server.Asked())
	}
}

func TestToken(t *testing.T) {
	p := v1alpha1.Prometheus{Preset: "model", ArmBy: &v1alpha1.ArmBy{Label: "service"}, TokenFrom: &v1alpha1.SecretKey{Name: "prometheus", Key: "token"}}
	w := newWorld(t, p)
	collect := func() error {
		s, err := New(w.r)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err = s.Collect(t.Context(), metric.Query{Metrics: []metric.Metric{{Name: "errors", Kind: analysis.ErrorRate}}},
				metric.Window{Start: noon, End: noon.Add(time.Minute)}); err != nil {
				return err
			}
		}
		return nil
	}
	if err := collect(); err == nil || !strings.Contains(err.Error(), `read the Secret prometheus: secrets "prometheus" not found`) {
		t.Errorf("no Secret: %v", err)
	}
	w.create(&corev1.Secret{ObjectMeta: named("prometheus", nil), Data: map[string][]byte{"token": []byte("s3cret\n"), "other": nil}})
	w.read = nil
	if err := collect(); err != nil {
		t.Fatal(err)
	}
	for _, h := range w.server.Headers() {
		if diff := cmp.Diff([]string{"Bearer s3cret"}, h["Authorization"]); diff != "" {
			t.Error(diff)
		}
	}
	if len(w.server.Headers()) == 0 || len(w.read) != 1 {
		t.Errorf("%d questions, the Secret read %d times, want once", len(w.server.Headers()), len(w.read))
	}
	w.r.Spec.Analysis.Source.Prometheus.TokenFrom.Key = "other"
	if err := collect(); err == nil || !strings.Contains(err.Error(), "nothing under the key other") || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("no such key: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		p    v1alpha1.Prometheus
		m    []v1alpha1.Metric
		want string
	}{
		"a metric the system does not count": {v1alpha1.Prometheus{Preset: "kserve"}, nil,
			"prometheus.series.errors is missing: kserve does not count what this metric is about; write which series do"},
		"no preset": {v1alpha1.Prometheus{}, nil, "custom does not count"},
		"a part missing": {v1alpha1.Prometheus{Series: map[string]v1alpha1.Series{"errors": {"total": "r"}}}, nil,
			"prometheus: metric errors: which series count its bad?"},
		"equal arms": {v1alpha1.Prometheus{Preset: "istio", ArmBy: &v1alpha1.ArmBy{Label: "v", Stable: "x", Canary: "x"}}, nil,
			"prometheus.armBy: the series of both arms have the same value of the label v"},
		"labels": {v1alpha1.Prometheus{Preset: "istio"}, []v1alpha1.Metric{{Name: "accuracy", Outcome: &v1alpha1.Outcome{Maturity: &v1alpha1.Duration{Duration: time.Minute}}}},
			"prometheus.series.accuracy is missing: istio does not count"},
	} {
		w := newWorld(t, c.p)
		if c.m != nil {
			w.r.Spec.Analysis.Metrics = c.m
		}
		if _, err := New(w.r); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestSeriesThatAreNotThere: people are told which selector finds nothing.
func TestSeriesThatAreNotThere(t *testing.T) {
	w := newWorld(t, v1alpha1.Prometheus{Preset: "bentoml", ArmBy: &v1alpha1.ArmBy{Label: "app", Stable: "a", Canary: "b"}})
	s, err := New(w.r)
	if err != nil {
		t.Fatal(err)
	}
	condition := func() cluster.Condition {
		t.Helper()
		_, err := s.Collect(t.Context(), metric.Query{Metrics: []metric.Metric{{Name: "errors", Kind: analysis.ErrorRate}}},
			metric.Window{Start: noon, End: noon.Add(time.Minute)})
		if err != nil {
			t.Fatal(err)
		}
		all := s.Conditions()
		if len(all) != 1 || all[0].Type != ConditionSeriesFound || all[0].Blocks {
			t.Fatalf("conditions %+v", all)
		}
		return all[0]
	}
	got := condition()
	if want := `has nothing of either arm for bentoml_service_request_total: see`; got.True || !strings.Contains(got.Message, want) {
		t.Errorf("%+v, want %q", got, want)
	}
	w.scrapes(map[string]string{"app": "a"}, 3, func(i int) string {
		return fmt.Sprintf("bentoml_service_request_total{http_response_code=\"200\"} %d\n", i)
	})
	if got := condition(); !got.True {
		t.Errorf("when they are there: %+v", got)
	}
}
