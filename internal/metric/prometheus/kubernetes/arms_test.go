package kubernetes

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
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

// dealt is who has what of three arms.
var dealt = strings.Repeat("0", 40) + strings.Repeat("1", 30) + strings.Repeat("2", 30)

// ofThree is a rollout of three arms whose goal is labels.
func ofThree(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, v1alpha1.Prometheus{Preset: "haldane"})
	w.r.Spec.Workload.Variants = map[string]v1alpha1.WorkloadVariant{"large": {Name: "churn-large", Service: "large", Version: "v3"}}
	w.compared(v1alpha1.Goal{Outcome: &v1alpha1.GoalOutcome{Maturity: &v1alpha1.Duration{Duration: time.Minute}, Missing: "unknown"}})
	w.r.Spec.Strategy.Experiment.Arms = []v1alpha1.ExperimentArm{{Name: "stable"}, {Name: "canary"}, {Name: "large"}}
	return w
}

// shows is what one gateway of three arms tells.
func (w *world) shows(r *telemetry.Recorder, labels func(traffic.Arm) int64, at time.Duration) {
	w.t.Helper()
	serving := func() exporter.Serving {
		return exporter.Serving{Rollout: "shop/churn", Versions: [traffic.NumArms]string{"v1", "v2"}, Variants: []exporter.Variant{{Name: "large", Version: "v3"}}}
	}
	handler, err := exporter.Handler(exporter.Gateway(serving, r.Snapshot, telemetry.Bounds{}),
		exporter.OfFeedback(serving, func() (exporter.Feedback, error) {
			var f exporter.Feedback
			for arm := range traffic.Arm(3) {
				n := labels(arm)
				f.Outcomes = append(f.Outcomes, exporter.Outcome{Arm: arm, Maturity: time.Minute, Predicted: "positive", Predictions: 2 * n, Right: n})
			}
			return f, nil
		}))
	if err != nil {
		w.t.Fatal(err)
	}
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	w.server.Scrape(w.t, noon.Add(at), map[string]string{"pod": "gateway-1"}, answer.Body.String())
}

// TestThreeArms: each treatment is counted beside stable, over the same time, and
// the share that chance should have given it is that of the two together.
func TestThreeArms(t *testing.T) {
	w := ofThree(t)
	r := telemetry.New(telemetry.Options{Arms: 3})
	split := &traffic.Split{Canary: traffic.Percent(30), Slots: dealt, Variants: []traffic.Variant{{Name: "large"}}}
	happen := func(arm traffic.Arm, n int, failed bool) {
		for range n {
			r.Assign(traffic.Choice{Arm: arm}, split)
			r.Observe(&telemetry.Exchange{Arm: arm, Failed: failed})
		}
	}
	all := func() {
		happen(traffic.Stable, 4, false)
		happen(traffic.Canary, 2, false)
		happen(traffic.Canary, 1, true)
		happen(2, 5, true)
	}
	all()
	w.shows(r, func(traffic.Arm) int64 { return 0 }, -5*time.Second)
	w.shows(r, func(traffic.Arm) int64 { return 0 }, 5*time.Second)
	all()
	w.shows(r, func(a traffic.Arm) int64 { return int64(10 * (a + 1)) }, 15*time.Second)
	s, err := New(w.r)
	if err != nil {
		t.Fatal(err)
	}
	q := metric.Query{Revision: "r1", Slots: dealt, Metrics: []metric.Metric{
		{Name: "errors", Kind: analysis.ErrorRate}, {Name: experiment.GoalMetric, Kind: analysis.Outcome, Everyone: true},
	}}
	window := metric.Window{Start: noon, End: noon.Add(70 * time.Second), Weight: .3, Slots: dealt}
	got, err := s.Collect(t.Context(), q, window)
	if err != nil {
		t.Fatal(err)
	}
	labels := func(n int64) analysis.Counts {
		return analysis.Counts{Counts: []int64{2 * n}, Labelled: []int64{n}, Wrong: []int64{0}}
	}
	measures := func(n, k, labelled int64) map[string]analysis.Measure {
		return map[string]analysis.Measure{
			"errors":              {Stable: analysis.Counts{N: 4}, Canary: analysis.Counts{N: n, K: k}},
			experiment.GoalMetric: {Bins: []string{"positive"}, Stable: labels(10), Canary: labels(labelled)},
		}
	}
	assigned := func(canary int64) []analysis.Assignment {
		return []analysis.Assignment{{Weight: 30. / 70, Stable: 4, Canary: canary}}
	}
	want := analysis.Sample{
		Start: got.Start, End: got.End, Cursor: got.Cursor,
		Metrics: measures(3, 1, 20), Assigned: assigned(3),
		Variants: []analysis.Variant{{Metrics: measures(5, 5, 30), Assigned: assigned(5)}},
	}
	for _, m := range []map[string]analysis.Measure{got.Metrics, got.Variants[0].Metrics} {
		for name, x := range m {
			x.Halves = nil // those of stable, as in any rollout
			m[name] = x
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s\nasked %s", diff, strings.Join(w.server.Asked(), "\n"))
	}

	// After it there is nothing, and after a change of who has what neither.
	for _, slots := range []string{dealt, strings.Replace(dealt, "2", "0", 1)} {
		window.After, window.Slots, window.Start, window.End = got.Cursor, slots, noon.Add(70*time.Second), noon.Add(3*time.Minute)
		next, err := s.Collect(t.Context(), q, window)
		if err != nil || len(next.Variants) != 1 || next.Variants[0].Metrics["errors"].Canary.N != 0 || next.Metrics["errors"].Stable.N != 0 {
			t.Errorf("%+v, %v", next, err)
		}
	}
}

// TestPairsAreAskedSideBySide: eight arms of a slow server would not be counted
// within a block one after the other.
func TestPairsAreAskedSideBySide(t *testing.T) {
	w := ofThree(t)
	two := make(chan struct{})
	twice := sync.OnceFunc(func() { close(two) })
	var under atomic.Int32
	slow := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
		defer under.Add(-1)
		if under.Add(1) == 2 {
			twice()
		}
		select {
		case <-two:
		case <-time.After(10 * time.Second):
			t.Error("one question at a time")
			twice()
		}
		w.server.ServeHTTP(answer, r)
	}))
	t.Cleanup(slow.Close)
	w.r.Spec.Analysis.Source.Prometheus.Address = slow.URL
	s, err := New(w.r)
	if err != nil {
		t.Fatal(err)
	}
	q := metric.Query{Revision: "r1", Slots: dealt, Metrics: []metric.Metric{{Name: "errors", Kind: analysis.ErrorRate}}}
	if _, err := s.Collect(t.Context(), q, metric.Window{Start: noon, End: noon.Add(70 * time.Second), Weight: .3, Slots: dealt}); err != nil {
		t.Error(err)
	}
}

// TestGroupsOfAPair: the error rate of a pair knows the groups of users that began
// on either arm, the treatment's first, and the goal all.
func TestGroupsOfAPair(t *testing.T) {
	all := make([]int, len(dealt))
	for i := range all {
		all[i] = i
	}
	got := metric.OfPair(dealt, 2, all)
	if len(got) != 70 || got[0] != 70 || got[29] != 99 || got[30] != 0 || got[69] != 39 {
		t.Errorf("%v", got)
	}
	if got := metric.OfPair("", 2, all); len(got) != len(all) {
		t.Errorf("of two arms: %v", got)
	}
}
