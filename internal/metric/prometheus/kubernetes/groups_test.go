package kubernetes

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/exporter"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/stats"
	"github.com/haldane-dev/haldane/internal/telemetry"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// TestWhatComesBackByGroup: where users stay on their arm, gateways show what came
// back by group of users, one of them the predictions and another their labels, and
// a group of which there was nothing before.
func TestWhatComesBackByGroup(t *testing.T) {
	const minute = time.Minute
	outcome := func(group string, predictions, right, wrong int64, values telemetry.Moments) exporter.Outcome {
		return exporter.Outcome{Arm: traffic.Canary, Maturity: minute, Predicted: "positive", Group: group,
			Predictions: predictions, Right: right, Wrong: wrong, Values: values}
	}
	event := func(group string, n int64, sum float64) exporter.Event {
		return exporter.Event{Arm: traffic.Canary, Maturity: minute, Name: "checkout", Group: group, Predictions: n, Values: telemetry.Moments{N: n, Sum: sum, SumSq: sum * sum}}
	}
	nothing := telemetry.Moments{}
	before := exporter.Feedback{
		Outcomes: []exporter.Outcome{outcome("", 0, 0, 0, nothing), outcome("3", 0, 0, 0, telemetry.Moments{N: 1, Sum: 1, SumSq: 1})},
		Events:   []exporter.Event{event("", 0, 0), event("3", 1, 1)},
	}
	predicting := exporter.Feedback{Outcomes: []exporter.Outcome{
		outcome("", 10, 0, 0, nothing), outcome("3", 4, 0, 0, telemetry.Moments{N: 1, Sum: 1, SumSq: 1}), outcome("7", 6, 0, 0, nothing),
	}, Events: before.Events}
	labelling := exporter.Feedback{
		Outcomes: []exporter.Outcome{outcome("", 0, 5, 3, telemetry.Moments{N: 3, Sum: 6, SumSq: 14}),
			outcome("3", 0, 1, 0, telemetry.Moments{N: 1, Sum: 1, SumSq: 1}), outcome("7", 0, 4, 3, telemetry.Moments{N: 3, Sum: 6, SumSq: 14})},
		Events: []exporter.Event{event("", 2, 9), event("3", 1, 1), event("7", 2, 9)},
	}
	age := &v1alpha1.Duration{Duration: minute}
	mean := func(of, event, missing string) v1alpha1.Metric {
		return v1alpha1.Metric{Name: "m", Mean: &v1alpha1.Mean{Of: of, Event: event, Missing: missing, Maturity: age, Bounds: []float64{0, 50}}}
	}
	share := func(n, k int64) func(analysis.Counts) string {
		return func(c analysis.Counts) string { return cmp.Diff(analysis.Group{N: n, K: k}, c.Groups[7]) }
	}
	value := func(n, sum, squares float64) func(analysis.Counts) string {
		return func(c analysis.Counts) string {
			return cmp.Diff(stats.Moments{N: n, Sum: sum, SumSq: squares}, c.Values[7])
		}
	}
	for name, tc := range map[string]struct {
		metric v1alpha1.Metric
		want   func(analysis.Counts) string
	}{
		"labels":                  {outcomeOf("m", minute, "unknown"), share(7, 3)},
		"labels or not":           {outcomeOf("m", minute, "negative"), share(6, 2)}, // more labels than predictions that said yes: of another scrape
		"events":                  {mean("event", "checkout", "zero"), value(6, 9, 81)},
		"events of those with it": {mean("event", "checkout", "unknown"), value(2, 9, 81)},
		"conversion":              {mean("conversion", "checkout", "zero"), value(6, 2, 2)},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, v1alpha1.Prometheus{Preset: "haldane"})
			w.r.Spec.Routing.StickyBy = &v1alpha1.StickyBy{Header: "x-user"}
			w.r.Spec.Analysis.Metrics = []v1alpha1.Metric{tc.metric}
			scrape := func(at time.Duration, one, two exporter.Feedback) {
				for pod, f := range map[string]exporter.Feedback{"gateway-1": one, "gateway-2": two} {
					w.server.Scrape(t, noon.Add(at), map[string]string{"pod": pod}, exposed(t, f))
				}
			}
			scrape(-5*time.Second, before, before)
			scrape(5*time.Second, before, before)
			scrape(15*time.Second, predicting, labelling)
			s, err := New(w.r)
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.Collect(t.Context(), queryOf(w.r.Spec.Analysis.Metrics), metric.Window{Start: noon, End: noon.Add(70 * time.Second), Weight: .1})
			if err != nil {
				t.Fatal(err)
			}
			x := got.Metrics["m"].Canary
			if len(x.Groups)+len(x.Values) != telemetry.Groups {
				t.Fatalf("%+v\nasked %s", x, strings.Join(w.server.Asked(), "\n"))
			}
			if d := tc.want(x); d != "" {
				t.Errorf("group 7 (-want +got):\n%s", d)
			}
			// A rollout whose users do not stay does not ask.
			w.r.Spec.Routing.StickyBy = nil
			if s, err = New(w.r); err != nil {
				t.Fatal(err)
			}
			asked := len(w.server.Asked())
			if _, err := s.Collect(t.Context(), queryOf(w.r.Spec.Analysis.Metrics), metric.Window{Start: noon, End: noon.Add(70 * time.Second), Weight: .1}); err != nil {
				t.Fatal(err)
			}
			for _, q := range w.server.Asked()[asked:] {
				if strings.Contains(q, "haldane_gateway_group_") {
					t.Errorf("asked %s", q)
				}
			}
		})
	}
}
