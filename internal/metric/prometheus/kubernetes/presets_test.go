package kubernetes

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/exporter"
	"github.com/haldane-dev/haldane/internal/inference"
	"github.com/haldane-dev/haldane/internal/metric/prometheus"
	"github.com/haldane-dev/haldane/internal/telemetry"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// preset is a system whose exposition is in testdata. The counters of the second
// scrape are twice those of the first, so that the exposition is what was gained,
// and a canary's pod has counted twice as much as stable's.
type preset struct {
	file    string // of testdata, and what its preset is called up to a hyphen
	routing v1alpha1.Routing
	byPod   bool
	metrics []v1alpha1.Metric // beside latency
	want    map[string]analysis.Measure
}

var (
	errorRate = v1alpha1.Metric{Name: "errors", ErrorRate: &v1alpha1.ErrorRate{}}
	latency   = v1alpha1.Metric{Name: "latency", Latency: &v1alpha1.Latency{}}
	meanOf    = func(of string) v1alpha1.Metric {
		return v1alpha1.Metric{Name: of, Mean: &v1alpha1.Mean{Of: of, Bounds: []float64{0, 1}}}
	}
	driftOf = func(of string) v1alpha1.Metric { return v1alpha1.Metric{Name: "drift", Drift: &v1alpha1.Drift{Of: of}} }
	shares  = func(stable, canary analysis.Counts) analysis.Measure {
		return analysis.Measure{Stable: stable, Canary: canary}
	}
	distribution = func(edges []float64, stable, canary []int64) analysis.Measure {
		return analysis.Measure{Edges: edges, Stable: analysis.Counts{Counts: stable}, Canary: analysis.Counts{Counts: canary}}
	}
)

// In the path of both arms: 909 requests of stable with 9 failures, 96 of the
// canary with 4.
var (
	pathErrors  = shares(analysis.Counts{N: 909, K: 9}, analysis.Counts{N: 96, K: 4})
	pathLatency = distribution([]float64{.1, .3}, []int64{600, 250, 50}, []int64{60, 20, 16})
	podErrors   = shares(analysis.Counts{N: 96, K: 4}, analysis.Counts{N: 192, K: 8})
	podLatency  = distribution([]float64{.1, .3}, []int64{60, 20, 16}, []int64{120, 40, 32})
)

func presets() []preset {
	ingress := v1alpha1.Routing{Nginx: &v1alpha1.Nginx{Ingress: "churn-ing"}}
	of := func(errors, latency analysis.Measure) map[string]analysis.Measure {
		return map[string]analysis.Measure{"errors": errors, "latency": latency}
	}
	rated := []v1alpha1.Metric{errorRate}
	return []preset{
		{"istio", v1alpha1.Routing{}, false, rated, of(pathErrors, distribution([]float64{.005, .01}, []int64{600, 250, 50}, []int64{60, 20, 16}))},
		{"istio-pair", v1alpha1.Routing{Istio: &v1alpha1.Istio{DestinationRule: "churn"}}, false, rated,
			of(pathErrors, distribution([]float64{.005, .01}, []int64{600, 250, 50}, []int64{60, 20, 16}))},
		{"traefik-gateway", v1alpha1.Routing{}, false, rated, of(pathErrors, pathLatency)},
		{"traefik-ingress", ingress, false, rated, of(pathErrors, pathLatency)},
		{"nginx", ingress, false, rated, of(pathErrors, pathLatency)},
		{"kserve", v1alpha1.Routing{}, true, nil, map[string]analysis.Measure{"latency": podLatency}},
		{"triton", v1alpha1.Routing{}, true, rated, of(podErrors, distribution([]float64{.1, .5}, []int64{60, 20, 16}, []int64{120, 40, 32}))},
		{"vllm", v1alpha1.Routing{}, true, []v1alpha1.Metric{errorRate, meanOf("timeToFirstToken"), meanOf("timePerToken")}, map[string]analysis.Measure{
			"errors": podErrors, "latency": distribution([]float64{.3, .5}, []int64{60, 20, 16}, []int64{120, 40, 32}),
			"timeToFirstToken": shares(analysis.Counts{N: 96, Sum: 9.6, SumSq: 9.6}, analysis.Counts{N: 192, Sum: 19.2, SumSq: 19.2}),
			"timePerToken":     shares(analysis.Counts{N: 2000, Sum: 40, SumSq: 40}, analysis.Counts{N: 4000, Sum: 80, SumSq: 80}),
		}},
		{"seldon", v1alpha1.Routing{}, true, rated, of(podErrors, podLatency)},
		{"bentoml", v1alpha1.Routing{}, true, rated, of(podErrors, podLatency)},
		{"model", v1alpha1.Routing{}, true, []v1alpha1.Metric{errorRate, meanOf("confidence"), driftOf("confidence")}, map[string]analysis.Measure{
			"errors": podErrors, "latency": podLatency,
			"confidence": shares(analysis.Counts{N: 92, Sum: 80, SumSq: 80}, analysis.Counts{N: 184, Sum: 160, SumSq: 160}),
			"drift": {Bins: []string{"≤ 0.5", "≤ 0.9", "> 0.9"}, Ordered: true,
				Stable: analysis.Counts{Counts: []int64{10, 40, 42}}, Canary: analysis.Counts{Counts: []int64{20, 80, 84}}},
		}},
	}
}

func TestPresets(t *testing.T) {
	tested := map[string]bool{"haldane": true} // below
	for _, p := range presets() {
		name, _, _ := strings.Cut(p.file, "-")
		tested[name] = true
		t.Run(p.file, func(t *testing.T) {
			file := strings.TrimSuffix(p.file, "-pair") + ".prom"
			text, err := os.ReadFile(filepath.Join("testdata", file))
			if err != nil {
				t.Fatal(err)
			}
			w := newWorld(t, v1alpha1.Prometheus{Preset: name})
			w.r.Spec.Routing = p.routing
			w.r.Spec.Analysis.Metrics = append(p.metrics, latency)
			if !p.byPod {
				w.scrapes(map[string]string{"job": "x"}, 2, func(i int) string { return times(t, string(text), i+1) })
			} else {
				w.pod("churn-stable-1", map[string]string{"haldane.dev/role": "stable"})
				w.pod("churn-1", map[string]string{"app": "churn", "pod-template-hash": "new"})
				for i, name := range []string{"churn-stable-1", "churn-1"} {
					w.scrapes(map[string]string{"pod": name}, 2, func(n int) string { return times(t, string(text), (i+1)*(n+1)) })
				}
			}
			if diff := cmp.Diff(p.want, w.block().Metrics, cmpopts.EquateApprox(1e-12, 0)); diff != "" {
				t.Errorf("(-want +got):\n%s\nasked %s", diff, strings.Join(w.server.Asked(), "\n"))
			}
		})
	}
	for _, p := range prometheus.Presets() {
		if !tested[p.Name] {
			t.Errorf("preset %s has no exposition", p.Name)
		}
	}
}

// times multiplies every value of an exposition.
func times(t *testing.T, text string, by int) string {
	t.Helper()
	var out strings.Builder
	for line := range strings.Lines(text) {
		if i := strings.LastIndexByte(line, ' '); i > 0 && line[0] != '#' {
			v, err := strconv.ParseFloat(strings.TrimSpace(line[i:]), 64)
			if err != nil {
				t.Fatal(err)
			}
			line = line[:i+1] + strconv.FormatFloat(float64(by)*v, 'g', -1, 64) + "\n"
		}
		out.WriteString(line)
	}
	return out.String()
}

// TestHaldanesOwn: what the gateway's exporter shows is what its preset reads.
func TestHaldanesOwn(t *testing.T) {
	w := newWorld(t, v1alpha1.Prometheus{Preset: "haldane"})
	w.r.Spec.Analysis.Metrics = []v1alpha1.Metric{
		errorRate, latency, meanOf("confidence"), meanOf("value"), meanOf("timeToFirstToken"), meanOf("timePerToken"),
		{Name: "classes", Drift: &v1alpha1.Drift{Of: "class"}}, {Name: "agreement", Pairs: &v1alpha1.Pairs{}},
	}
	r := telemetry.New(telemetry.Options{Sticky: true})
	handler, err := exporter.Handler(exporter.Gateway(func() exporter.Serving {
		return exporter.Serving{Rollout: "shop/churn", Versions: [traffic.NumArms]string{"v1", "v2"}}
	}, r.Snapshot, telemetry.Bounds{}))
	if err != nil {
		t.Fatal(err)
	}
	scrape := func(at time.Duration) {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
		w.server.Scrape(t, noon.Add(at), map[string]string{"pod": "gateway-1"}, answer.Body.String())
	}
	happen(r)
	scrape(5 * time.Second)
	happen(r)
	scrape(15 * time.Second)
	s := w.block()
	got := s.Metrics
	for name, m := range got {
		if name == "latency" { // 81 buckets: how many are in them
			got[name] = shares(analysis.Counts{N: total(m.Stable)}, analysis.Counts{N: total(m.Canary)})
		}
	}
	none := analysis.Counts{}
	want := map[string]analysis.Measure{
		"errors": {
			Stable: analysis.Counts{N: 2, K: 1, Groups: group(42, 1, 1)},
			Canary: analysis.Counts{N: 2, K: 1, Groups: group(7, 1, 1)},
			Halves: []analysis.Group{{}, {N: 1}},
		},
		"latency":          shares(analysis.Counts{N: 1}, analysis.Counts{N: 1}),
		"confidence":       shares(analysis.Counts{N: 1, Sum: .75, SumSq: .5625}, none),
		"value":            shares(none, analysis.Counts{N: 1, Sum: 3, SumSq: 9}),
		"timeToFirstToken": shares(none, analysis.Counts{N: 1, Sum: .5, SumSq: .25}),
		"timePerToken":     shares(none, analysis.Counts{N: 1, Sum: .25, SumSq: .0625}),
		"classes":          {Bins: []string{"yes"}, Stable: analysis.Counts{Counts: []int64{1}}},
		"agreement":        {Pairs: 2, Disagree: 2, CanaryOnlyBad: 1, StableOnlyBad: 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]analysis.Assignment{{Weight: .25, Canary: 1}}, s.Assigned); diff != "" {
		t.Errorf("assigned (-want +got):\n%s", diff)
	}
}

// TestEventsOfGateways: one of two gateways made the predictions, and the other
// was told what came of them, which Prometheus learns before it learns of the last
// prediction.
func TestEventsOfGateways(t *testing.T) {
	w := newWorld(t, v1alpha1.Prometheus{Preset: "haldane"})
	ten := v1alpha1.Duration{Duration: 10 * time.Minute}
	conversion := v1alpha1.Mean{Of: "conversion", Event: "checkout", Bounds: []float64{0, 1}, Maturity: &ten}
	revenue := v1alpha1.Mean{Of: "event", Event: "checkout", Bounds: []float64{0, 50}, Maturity: &ten, Missing: "zero"}
	basket := revenue
	basket.Missing = "unknown"
	w.r.Spec.Analysis.Metrics = []v1alpha1.Metric{
		{Name: "conversion", Mean: &conversion}, {Name: "revenue", Mean: &revenue}, {Name: "basket", Mean: &basket},
	}
	scrape := func(pod string, at time.Duration, predictions, events int64) {
		text := exposed(t, exporter.Feedback{
			Outcomes: []exporter.Outcome{
				{Arm: traffic.Canary, Maturity: ten.Duration, Predicted: "none", Predictions: predictions},
				{Arm: traffic.Canary, Maturity: time.Minute, Predicted: "none", Predictions: 100 * predictions},
			},
			Events: []exporter.Event{
				{Arm: traffic.Canary, Maturity: ten.Duration, Name: "checkout", Predictions: events,
					Values: telemetry.Moments{N: events, Sum: 40 * float64(events), SumSq: 1600 * float64(events)}},
				{Arm: traffic.Canary, Maturity: ten.Duration, Name: "error", Predictions: 100 * events},
			},
		})
		w.server.Scrape(t, noon.Add(at), map[string]string{"pod": pod}, text)
	}
	for i := range int64(2) {
		scrape("gateway-1", time.Duration(5+10*i)*time.Second, 10+i, 0)
		scrape("gateway-2", time.Duration(5+10*i)*time.Second, 0, 5+2*i)
	}
	want := map[string]analysis.Measure{
		"conversion": {Canary: analysis.Counts{N: 2, Sum: 2, SumSq: 2}},
		"revenue":    {Canary: analysis.Counts{N: 2, Sum: 80, SumSq: 3200}},
		"basket":     {Canary: analysis.Counts{N: 2, Sum: 80, SumSq: 3200}},
	}
	if diff := cmp.Diff(want, w.block().Metrics); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// exposed is what a gateway shows of what came back.
func exposed(t *testing.T, f exporter.Feedback) string {
	t.Helper()
	handler, err := exporter.Handler(exporter.OfFeedback(func() exporter.Serving {
		return exporter.Serving{Rollout: "shop/churn", Versions: [traffic.NumArms]string{"v1", "v2"}}
	}, func() (exporter.Feedback, error) { return f, nil }))
	if err != nil {
		t.Fatal(err)
	}
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	return answer.Body.String()
}

// group is one group of users of all of them.
func group(i int, n, k int64) []analysis.Group {
	out := make([]analysis.Group, telemetry.Groups)
	out[i] = analysis.Group{N: n, K: k}
	return out
}

func total(c analysis.Counts) int64 {
	sum := int64(0)
	for _, n := range c.Counts {
		sum += n
	}
	return sum
}

// happen lets some requests of each arm happen, two of them of users who stay.
func happen(r *telemetry.Recorder) {
	yes := []inference.Prediction{{Class: "yes", HasClass: true, Confidence: 0.75, HasConfidence: true}}
	for _, x := range []telemetry.Exchange{
		{Arm: traffic.Stable, Latency: 2 * time.Millisecond, Readable: true, Read: true, Predictions: yes, Half: 1},
		{Arm: traffic.Stable, Failed: true, Status: 500, Keyed: true, Bucket: 4250},
		{Arm: traffic.Canary, Latency: 4 * time.Millisecond, Readable: true, Read: true,
			Predictions: []inference.Prediction{{Value: 3, HasValue: true}},
			Stream:      &inference.StreamResult{HasTTFT: true, TTFT: 500 * time.Millisecond, TimePerOutputToken: 250 * time.Millisecond}},
		{Arm: traffic.Canary, Failed: true, Status: 503, Keyed: true, Bucket: 750},
		{Arm: traffic.Canary, Forced: true, Latency: time.Millisecond},
	} {
		r.Observe(&x)
	}
	r.Assign(traffic.Choice{Arm: traffic.Canary}, &traffic.Split{Generation: 0, Canary: traffic.Percent(25)})
	r.ObservePair(telemetry.Pair{Comparable: true, Disagree: true})
	r.ObservePair(telemetry.Pair{CanaryBad: true})
	r.ObservePair(telemetry.Pair{StableBad: true})
}

// TestOwnSeries: what the spec names wins over the preset's, and may be all.
func TestOwnSeries(t *testing.T) {
	for _, name := range []string{"kserve", "custom", ""} {
		w := newWorld(t, v1alpha1.Prometheus{
			Preset: name, ArmBy: &v1alpha1.ArmBy{Label: "version", Stable: "v1", Canary: "v2"}, Match: map[string]v1alpha1.LabelValue{"job": "models"},
			Series: map[string]v1alpha1.Series{"errors": {"total": `served_total{path="/"}`, "bad": `served_total{path="/",ok="no"}`}},
		})
		w.scrapes(map[string]string{"job": "models"}, 3, func(i int) string {
			return fmt.Sprintf("served_total{version=\"v1\",path=\"/\",ok=\"yes\"} %d\nserved_total{version=\"v2\",path=\"/\",ok=\"no\"} %d\n", 5*i, i)
		})
		if diff := cmp.Diff(shares(analysis.Counts{N: 10}, analysis.Counts{N: 2, K: 2}), w.block().Metrics["errors"]); diff != "" {
			t.Errorf("%q (-want +got):\n%s\nasked %s", name, diff, strings.Join(w.server.Asked(), "\n"))
		}
	}
}
