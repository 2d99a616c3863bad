package kubernetes

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/exporter"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/telemetry"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// told is what one of several gateways shows of labels.
type told struct {
	name string
	all  []exporter.Outcome
}

// scrape keeps what a gateway shows at a time.
func (g *told) scrape(t *testing.T, w *world, at time.Duration) {
	t.Helper()
	handler, err := exporter.Handler(exporter.OfFeedback(func() exporter.Serving {
		return exporter.Serving{Rollout: "shop/churn", Versions: [traffic.NumArms]string{"v1", "v2"}}
	}, func() (exporter.Feedback, error) { return exporter.Feedback{Outcomes: g.all}, nil }))
	if err != nil {
		t.Fatal(err)
	}
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	w.server.Scrape(t, noon.Add(at), map[string]string{"pod": g.name}, answer.Body.String())
}

func outcomeOf(name string, maturity time.Duration, missing string) v1alpha1.Metric {
	return v1alpha1.Metric{Name: name, Outcome: &v1alpha1.Outcome{Maturity: &v1alpha1.Duration{Duration: maturity}, Missing: missing}}
}

// queryOf is what the engine asks for the metrics of the spec.
func queryOf(all []v1alpha1.Metric) metric.Query {
	q := metric.Query{Rollout: "shop/churn", Revision: "r1"}
	for _, m := range all {
		about, counted := what(m)
		q.Metrics = append(q.Metrics, metric.Metric{
			Name: m.Name, Kind: about.Kind, Of: counted.Of, Negative: m.Outcome != nil && m.Outcome.Missing == "negative",
		})
	}
	return q
}

// TestLabels: two gateways show what came back, one has made the predictions and
// the other taken their labels. Each metric counts those of its own maturity.
func TestLabels(t *testing.T) {
	w := newWorld(t, v1alpha1.Prometheus{Preset: "haldane"})
	w.r.Spec.Analysis.Metrics = []v1alpha1.Metric{
		outcomeOf("accuracy", 90*time.Second, "unknown"), outcomeOf("converted", 90*time.Second, "negative"),
		outcomeOf("later", 2*time.Minute, "unknown"), meanOf("feedback"),
	}
	outcome := func(arm traffic.Arm, maturity time.Duration, as string, predictions, right, wrong int64) exporter.Outcome {
		return exporter.Outcome{Arm: arm, Maturity: maturity, Predicted: as, Predictions: predictions, Right: right, Wrong: wrong}
	}
	predicting, labelling := &told{name: "gateway-1"}, &told{name: "gateway-2"}
	both := func(at time.Duration) {
		predicting.scrape(t, w, at)
		labelling.scrape(t, w, at)
	}
	for _, arm := range []traffic.Arm{traffic.Stable, traffic.Canary} {
		for _, as := range []string{"positive", "negative", "none"} {
			predicting.all = append(predicting.all, outcome(arm, 90*time.Second, as, 0, 0, 0))
			labelling.all = append(labelling.all, outcome(arm, 90*time.Second, as, 0, 0, 0))
		}
	}
	both(-5 * time.Second)
	both(5 * time.Second)
	predicting.all = []exporter.Outcome{
		outcome(traffic.Stable, 90*time.Second, "positive", 10, 0, 0), outcome(traffic.Stable, 90*time.Second, "negative", 30, 0, 0),
		outcome(traffic.Canary, 90*time.Second, "positive", 5, 0, 0), outcome(traffic.Canary, 90*time.Second, "none", 9, 0, 0),
		outcome(traffic.Canary, 2*time.Minute, "positive", 4, 3, 1),
	}
	value := outcome(traffic.Canary, 2*time.Minute, "none", 2, 0, 0)
	value.Values = telemetry.Moments{N: 2, Sum: 1.5, SumSq: 1.25}
	labelling.all = []exporter.Outcome{
		outcome(traffic.Stable, 90*time.Second, "positive", 0, 6, 2), outcome(traffic.Stable, 90*time.Second, "negative", 0, 3, 1),
		outcome(traffic.Canary, 90*time.Second, "positive", 0, 1, 3), value,
	}
	both(15 * time.Second)
	s, err := New(w.r)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Collect(t.Context(), queryOf(w.r.Spec.Analysis.Metrics), metric.Window{Start: noon, End: noon.Add(70 * time.Second), Weight: .1})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]analysis.Measure{
		"accuracy": {
			Bins:   []string{"negative", "positive"},
			Stable: analysis.Counts{Counts: []int64{30, 10}, Labelled: []int64{4, 8}, Wrong: []int64{1, 2}},
			Canary: analysis.Counts{Counts: []int64{0, 5}, Labelled: []int64{0, 4}, Wrong: []int64{0, 3}},
		},
		// Two of stable's that said yes and one of the canary's have no label.
		"converted": shares(analysis.Counts{N: 40, K: 3 + 2}, analysis.Counts{N: 5, K: 3 + 1}),
		"later": {
			Bins:   []string{"positive"},
			Canary: analysis.Counts{Counts: []int64{4}, Labelled: []int64{4}, Wrong: []int64{1}},
		},
		"feedback": shares(analysis.Counts{}, analysis.Counts{N: 2, Sum: 1.5, SumSq: 1.25}),
	}
	if diff := cmp.Diff(want, got.Metrics); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestLabelsBeforePredictions: a block that ends between the scrapes of two
// gateways has labels whose predictions are still to come. They wait, through a
// restart too, and nothing is counted twice or lost.
func TestLabelsBeforePredictions(t *testing.T) {
	w := newWorld(t, v1alpha1.Prometheus{Preset: "haldane"})
	w.r.Spec.Analysis.Metrics = []v1alpha1.Metric{outcomeOf("accuracy", time.Minute, "unknown")}
	predicting, labelling := &told{name: "gateway-1"}, &told{name: "gateway-2"}
	of := func(predictions, right, wrong int64) []exporter.Outcome {
		return []exporter.Outcome{{Arm: traffic.Canary, Maturity: time.Minute, Predicted: "positive", Predictions: predictions, Right: right, Wrong: wrong}}
	}
	predicting.all, labelling.all = of(0, 0, 0), of(0, 0, 0)
	for _, at := range []time.Duration{-5 * time.Second, 5 * time.Second} {
		predicting.scrape(t, w, at)
		labelling.scrape(t, w, at+4*time.Second)
	}
	predicting.all, labelling.all = of(4, 0, 0), of(0, 4, 6)
	predicting.scrape(t, w, 15*time.Second)
	labelling.scrape(t, w, 19*time.Second)
	predicting.all = of(10, 0, 0)
	predicting.scrape(t, w, 31*time.Second)
	labelling.scrape(t, w, 35*time.Second)
	cursor := ""
	for i, want := range []analysis.Counts{
		{Counts: []int64{4}, Labelled: []int64{4}, Wrong: []int64{2}},
		{Counts: []int64{6}, Labelled: []int64{6}, Wrong: []int64{4}},
	} {
		s, err := New(w.r) // begun again each time
		if err != nil {
			t.Fatal(err)
		}
		end := noon.Add(time.Duration(30*i+30+10) * time.Second)
		ask := metric.Window{After: cursor, Start: noon, End: end, Weight: .1}
		got, err := s.Collect(t.Context(), queryOf(w.r.Spec.Analysis.Metrics), ask)
		if err != nil {
			t.Fatal(err)
		}
		again, err := s.Collect(t.Context(), queryOf(w.r.Spec.Analysis.Metrics), ask)
		if diff := cmp.Diff(got, again); err != nil || diff != "" {
			t.Errorf("asked again: %v\n%s", err, diff)
		}
		if diff := cmp.Diff(want, got.Metrics["accuracy"].Canary); diff != "" {
			t.Errorf("block %d (-want +got):\n%s", i, diff)
		}
		cursor = got.Cursor
	}
}

// TestNoLabelsYet: without mature predictions there is nothing to compare, and
// nobody is told that series are missing.
func TestNoLabelsYet(t *testing.T) {
	w := newWorld(t, v1alpha1.Prometheus{Preset: "haldane"})
	w.r.Spec.Analysis.Metrics = []v1alpha1.Metric{outcomeOf("accuracy", time.Minute, "unknown")}
	g := &told{name: "gateway-1", all: []exporter.Outcome{{Arm: traffic.Canary, Maturity: time.Minute, Predicted: "positive"}}}
	for i := range 3 {
		g.scrape(t, w, time.Duration(10*i)*time.Second)
	}
	s, err := New(w.r)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Collect(t.Context(), queryOf(w.r.Spec.Analysis.Metrics), metric.Window{Start: noon, End: noon.Add(time.Minute), Weight: .1})
	if err != nil {
		t.Fatal(err)
	}
	// The random decisions are not in this exposition.
	if diff := cmp.Diff([]string{"haldane_gateway_assigned_total"}, s.Missing()); diff != "" {
		t.Errorf("missing (-want +got):\n%s", diff)
	}
	if len(got.Metrics) > 0 {
		t.Errorf("%+v", got.Metrics)
	}
}
