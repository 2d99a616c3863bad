package kubernetes

import (
	"testing"
	"time"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/exporter"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/telemetry"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// TestTheFirstGroups: what the first scrape with any group tells is not counted by
// group, since nobody knows when it began; all that follows is.
func TestTheFirstGroups(t *testing.T) {
	told := func(all, group int64) exporter.Feedback {
		one := func(name string, n int64) exporter.Outcome {
			return exporter.Outcome{Arm: traffic.Canary, Maturity: time.Minute, Predicted: "none", Group: name, Predictions: n}
		}
		come := func(name string, n int64) exporter.Event {
			return exporter.Event{Arm: traffic.Canary, Maturity: time.Minute, Name: "checkout", Group: name, Predictions: n, Values: telemetry.Moments{N: n, Sum: float64(n), SumSq: float64(n)}}
		}
		f := exporter.Feedback{Outcomes: []exporter.Outcome{one("", all)}, Events: []exporter.Event{come("", all/2)}}
		if group > 0 {
			f.Outcomes, f.Events = append(f.Outcomes, one("7", group)), append(f.Events, come("7", group/2))
		}
		return f
	}
	w := newWorld(t, v1alpha1.Prometheus{Preset: "haldane"})
	w.r.Spec.Routing.StickyBy = &v1alpha1.StickyBy{Header: "x-user"}
	w.r.Spec.Analysis.Metrics = []v1alpha1.Metric{{Name: "m", Mean: &v1alpha1.Mean{
		Of: "conversion", Event: "checkout", Missing: "zero", Maturity: &v1alpha1.Duration{Duration: time.Minute}, Bounds: []float64{0, 1},
	}}}
	for i, f := range []exporter.Feedback{told(0, 0), told(0, 0), told(10, 10), told(20, 20), told(30, 30), told(40, 40), told(60, 60)} {
		w.server.Scrape(t, noon.Add(time.Duration(10*i-5)*time.Second), map[string]string{"pod": "gateway-1"}, exposed(t, f))
	}
	s, err := New(w.r)
	if err != nil {
		t.Fatal(err)
	}
	cursor, grouped, total := "", 0., int64(0)
	for i := range 3 {
		end := noon.Add(time.Duration(30*i+40) * time.Second)
		got, err := s.Collect(t.Context(), queryOf(w.r.Spec.Analysis.Metrics), metric.Window{After: cursor, Start: noon, End: end, Weight: .1})
		if err != nil {
			t.Fatal(err)
		}
		c := got.Metrics["m"].Canary
		total += c.N
		if c.Values != nil {
			grouped += c.Values[7].N
		}
		cursor = got.Cursor
	}
	if total != 60 || grouped < 40 || grouped > 60 {
		t.Errorf("of %d predictions %v are of a group", total, grouped)
	}
}
