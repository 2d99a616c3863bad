package kubernetes

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/experiment"
	"github.com/haldane-dev/haldane/internal/exporter"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/telemetry"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// compared makes the world's rollout an experiment.
func (w *world) compared(g v1alpha1.Goal) {
	w.r.Spec.Strategy.Experiment = &v1alpha1.Experiment{Goal: g}
}

// counted is the goal's counts of the first minute.
func (w *world) counted() analysis.Measure {
	w.t.Helper()
	s, err := New(w.r)
	if err != nil {
		w.t.Fatal(err)
	}
	about, counted, _ := goal(w.r.Spec.Strategy.Experiment.Goal)
	got, err := s.Collect(w.t.Context(), metric.Query{Revision: "r1", Metrics: []metric.Metric{{Name: about.Name, Kind: about.Kind, Of: counted.Of}}},
		metric.Window{Start: noon, End: noon.Add(70 * time.Second), Weight: .5})
	if err != nil {
		w.t.Fatal(err)
	}
	return got.Metrics[experiment.GoalMetric]
}

// TestGoalOfGateways: what came back for predictions of the goal's own maturity.
func TestGoalOfGateways(t *testing.T) {
	minute := &v1alpha1.Duration{Duration: time.Minute}
	mean := func(of, event, missing string, bounds ...float64) v1alpha1.Goal {
		return v1alpha1.Goal{Mean: &v1alpha1.GoalMean{Of: of, Event: event, Missing: missing, Bounds: bounds, Maturity: minute}}
	}
	shown := exporter.Feedback{
		Outcomes: []exporter.Outcome{
			{Arm: traffic.Canary, Maturity: time.Minute, Predicted: "positive", Predictions: 10, Right: 5, Wrong: 1, Values: telemetry.Moments{N: 4, Sum: 6, SumSq: 10}},
			{Arm: traffic.Canary, Maturity: time.Hour, Predicted: "positive", Predictions: 99, Right: 99, Values: telemetry.Moments{N: 99, Sum: 99, SumSq: 99}},
		},
		Events: []exporter.Event{
			{Arm: traffic.Canary, Maturity: time.Minute, Name: "checkout", Predictions: 3, Values: telemetry.Moments{N: 3, Sum: 9, SumSq: 29}},
			{Arm: traffic.Canary, Maturity: time.Minute, Name: "click", Predictions: 8},
		},
	}
	for name, tc := range map[string]struct {
		goal v1alpha1.Goal
		want analysis.Counts
	}{
		"outcome":       {v1alpha1.Goal{Outcome: &v1alpha1.GoalOutcome{Maturity: minute}}, analysis.Counts{Counts: []int64{10}, Labelled: []int64{6}, Wrong: []int64{1}}},
		"conversion":    {mean("conversion", "checkout", "", 0, 1), analysis.Counts{N: 10, Sum: 3, SumSq: 3}},
		"revenue":       {mean("event", "checkout", "zero", 0, 50), analysis.Counts{N: 10, Sum: 9, SumSq: 29}},
		"basket":        {mean("event", "checkout", "unknown", 0, 50), analysis.Counts{N: 3, Sum: 9, SumSq: 29}},
		"feedback":      {mean("feedback", "", "unknown", 0, 5), analysis.Counts{N: 4, Sum: 6, SumSq: 10}},
		"feedback or 0": {mean("feedback", "", "zero", 0, 5), analysis.Counts{N: 10, Sum: 6, SumSq: 10}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, v1alpha1.Prometheus{Preset: "haldane"})
			w.compared(tc.goal)
			before := exporter.Feedback{}
			for _, o := range shown.Outcomes {
				before.Outcomes = append(before.Outcomes, exporter.Outcome{Arm: o.Arm, Maturity: o.Maturity, Predicted: o.Predicted})
			}
			for _, e := range shown.Events {
				before.Events = append(before.Events, exporter.Event{Arm: e.Arm, Maturity: e.Maturity, Name: e.Name})
			}
			for i, f := range []exporter.Feedback{before, before, shown} {
				w.server.Scrape(t, noon.Add(time.Duration(10*i-5)*time.Second), map[string]string{"pod": "gateway-1"}, exposed(t, f))
			}
			got := w.counted()
			if diff := cmp.Diff(tc.want, got.Canary); diff != "" {
				t.Errorf("(-want +got):\n%s\nasked %s", diff, strings.Join(w.server.Asked(), "\n"))
			}
		})
	}
}

// TestGoalOfOwnSeries: over any router, what the spec names, or the preset counts.
func TestGoalOfOwnSeries(t *testing.T) {
	w := newWorld(t, v1alpha1.Prometheus{
		Preset: "model", ArmBy: &v1alpha1.ArmBy{Label: "version", Stable: "v1", Canary: "v2"},
		Series: map[string]v1alpha1.Series{"goal": {"total": "orders_total", "sum": "revenue_total"}},
	})
	w.compared(v1alpha1.Goal{Mean: &v1alpha1.GoalMean{Of: "value", Bounds: []float64{0, 10}}})
	w.scrapes(map[string]string{"job": "models"}, 3, func(i int) string {
		return fmt.Sprintf("orders_total{version=\"v1\"} %d\nrevenue_total{version=\"v1\"} %d\norders_total{version=\"v2\"} %d\nrevenue_total{version=\"v2\"} %d\n", 10*i, 20*i, 5*i, 15*i)
	})
	got := w.counted()
	if got.Stable.N != 20 || got.Stable.Sum != 40 || got.Canary.N != 10 || got.Canary.Sum != 30 {
		t.Errorf("%+v\nasked %s", got, strings.Join(w.server.Asked(), "\n"))
	}
	if got.Canary.SumSq < 30*30/10 {
		t.Errorf("the squares are %g: less than values with such a mean can have", got.Canary.SumSq)
	}
}

// TestGoalThatIsNotCounted is refused, and what to write is said.
func TestGoalThatIsNotCounted(t *testing.T) {
	w := newWorld(t, v1alpha1.Prometheus{Preset: "traefik"})
	w.compared(v1alpha1.Goal{Outcome: &v1alpha1.GoalOutcome{Maturity: &v1alpha1.Duration{Duration: time.Minute}}})
	if _, err := New(w.r); err == nil || !strings.Contains(err.Error(), "prometheus.series.goal is missing") {
		t.Errorf("%v", err)
	}
}
