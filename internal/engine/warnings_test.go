package engine

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/store"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// warned reports whether one of the warnings holds text.
func warned(all []string, text string) bool {
	return strings.Contains(strings.Join(all, "\n"), text)
}

// TestWarnsOfStickyBy: a rollout whose users stay on their arm says for which of its
// metrics the stated rates are not claimed, for as long as it is shown.
func TestWarnsOfStickyBy(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		r := w.run()
		r.outcome()
		if all := r.Status().Warnings; len(all) > 0 {
			t.Errorf("an ordinary rollout warns: %q", all)
		}
		r.halt()
	})
	in(t, func(t *testing.T, w *world) {
		w.plan.Split.Sticky = traffic.Sticky{Header: "X-User-ID"}
		w.plan.Analysis.Metrics[0].Kind = analysis.Drift
		w.config = func(c *Config) { c.Spec.Metrics[0].Kind = analysis.Drift }
		r := w.run()
		s := r.weight(5)
		if len(s.Warnings) != 1 || !warned(s.Warnings, "errors is judged as if they did not, so that the stated rates (1% false rollbacks, 5% false promotions) are not claimed for it") {
			t.Errorf("warnings %q", s.Warnings)
		}
		r.outcome()
		if s := r.Status(); !warned(s.Warnings, "stickyBy") {
			t.Errorf("after the end: %q", s.Warnings)
		}
		r.halt()
	})
}

// TestUncorrected: what is counted by group of users is corrected, latency and
// drift never are, and nothing is said of what has not been counted.
func TestUncorrected(t *testing.T) {
	s := rollout.State{Plan: rollout.Plan{
		Split: traffic.Split{Sticky: traffic.Sticky{Cookie: "sid"}},
		Analysis: analysis.Config{Metrics: []analysis.Metric{
			{Name: "errors", Kind: analysis.ErrorRate}, {Name: "sales", Kind: analysis.Mean}, {Name: "right", Kind: analysis.Outcome},
			{Name: "latency", Kind: analysis.Latency}, {Name: "answers", Kind: analysis.Drift}, {Name: "pairs", Kind: analysis.Pairs},
		}},
	}}
	s.Verdict.Metrics = []analysis.MetricVerdict{
		{Name: "errors", CanaryN: 10}, {Name: "sales", CanaryN: 10, Uncorrected: true}, {Name: "right", Uncorrected: true},
	}
	if d := cmp.Diff([]string{"sales", "latency", "answers"}, uncorrected(s)); d != "" {
		t.Error(d)
	}
	s.Plan.Split.Sticky = traffic.Sticky{}
	if got := uncorrected(s); got != nil {
		t.Errorf("without stickyBy: %q", got)
	}
	if got := listed([]string{"sales", "latency", "answers"}, "is", "are"); got != "sales, latency and answers are" {
		t.Errorf("listed as %q", got)
	}
}

// TestWarnsOfAnEditedFile: an edit during a rollout is said to have no effect
// yet, a metric that left is named, and putting all of it back ends both. A
// restart with the same file, after which the snapshot comes from disk, warns
// of nothing.
func TestWarnsOfAnEditedFile(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.plan.Steps = []rollout.Step{{Weight: traffic.Percent(5)}, {Pause: &rollout.Pause{}}, {Weight: traffic.Full}}
		w.plan.Split.Always, w.plan.Split.Never = []traffic.Match{}, []traffic.Match{}
		w.store = saved{t, w.store}
		r := w.run()
		r.until("paused", func(s Status) bool { return s.Phase == rollout.Paused })
		r.halt()
		r = w.run()
		s := r.until("paused again", func(s Status) bool { return s.Phase == rollout.Paused && s.Observed.Canary > 0 })
		if len(s.Warnings) > 0 {
			t.Errorf("after a restart with the same file: %q", s.Warnings)
		}
		before := r.currentSpec()
		edit := before
		edit.Plan.Steps = append([]rollout.Step{{Weight: traffic.Percent(1)}}, before.Plan.Steps...)
		edit.Metrics = []metric.Metric{{Name: "errors", Kind: analysis.Mean}}
		if err := r.Reload(edit); err != nil {
			t.Fatal(err)
		}
		s = r.until("warned", func(s Status) bool { return warned(s.Warnings, "The file has changed") })
		if !warned(s.Warnings, "Metric errors has left the file") || s.Steps[0].Weight != traffic.Percent(5) {
			t.Errorf("warnings %q at steps %v", s.Warnings, s.Steps)
		}
		if err := r.Reload(before); err != nil {
			t.Fatal(err)
		}
		r.until("quiet", func(s Status) bool { return len(s.Warnings) == 0 })
		r.halt()
	})
}

// TestWarningsOfTheRunner: what whoever runs the engine knows is shown beside
// what the engine knows.
func TestWarningsOfTheRunner(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.config = func(c *Config) { c.Warnings = func() []string { return []string{"the roof is on fire"} } }
		r := w.run()
		if s := r.weight(5); !warned(s.Warnings, "the roof is on fire") {
			t.Errorf("warnings %q", s.Warnings)
		}
		r.halt()
	})
}

func TestLabelCoverage(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		drawn := &summary{labels: map[string]Coverage{
			"stable": {Predicted: 1000, Labelled: 810, Wrong: 7}, "canary": {Predicted: 100, Labelled: 42},
		}}
		w.config = func(c *Config) { c.Summary = drawn }
		r := w.run()
		s := r.weight(5)
		if d := cmp.Diff(drawn.labels, s.Labels); d != "" {
			t.Errorf("labels:\n%s", d)
		}
		if !warned(s.Warnings, "81% of stable's predictions and 42% of the canary's") {
			t.Errorf("warnings %q", s.Warnings)
		}
		r.halt()
	})
}

func TestUneven(t *testing.T) {
	arms := func(ns, ks, nc, kc int64) map[string]Coverage {
		return map[string]Coverage{"stable": {Predicted: ns, Labelled: ks}, "canary": {Predicted: nc, Labelled: kc}}
	}
	for name, c := range map[string]struct {
		labels map[string]Coverage
		want   bool
	}{
		"none":                      {nil, false},
		"equal":                     {arms(1000, 800, 1000, 800), false},
		"too few to tell":           {arms(1000, 800, 90, 0), false},
		"within chance":             {arms(1000, 800, 120, 80), false},
		"ten points":                {arms(10000, 8000, 10000, 6900), true},
		"surely, but by a little":   {arms(100000, 80000, 100000, 75000), false},
		"little, but twice as much": {arms(10000, 200, 10000, 400), true},
		"none for one arm":          {arms(1000, 800, 1000, 0), true},
		"more labels than known":    {arms(1000, 2000, 1000, 1000), false},
	} {
		if got := uneven(c.labels); (got != "") != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestUnevenIsNoFalseAlarm: with labels that come by chance alone, whatever
// their share, a warning is a rarity (a normal tail beyond 5 is 6 in ten million; looked at again and again it is more).
func TestUnevenIsNoFalseAlarm(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	some := func(n int64, p float64) (k int64) {
		for range n {
			if rng.Float64() < p {
				k++
			}
		}
		return k
	}
	alarms := 0
	const runs = 2000
	for range runs {
		p, ns, nc := rng.Float64(), 100+rng.Int64N(2000), 100+rng.Int64N(200)
		if uneven(map[string]Coverage{
			"stable": {Predicted: ns, Labelled: some(ns, p)}, "canary": {Predicted: nc, Labelled: some(nc, p)},
		}) != "" {
			alarms++
		}
	}
	if alarms > 1 {
		t.Errorf("%d of %d comparisons of equal arms warn", alarms, runs)
	}
}

// TestPlansThatAskNobody: nothing here puts a plan's questions to the outside,
// so a plan with one is refused wherever it comes from.
func TestPlansThatAskNobody(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		r := w.run()
		r.weight(5)
		asks := r.currentSpec()
		asks.Plan.Confirm = []rollout.Confirm{{Kind: rollout.ConfirmPromotion, Name: "owner"}}
		if err := r.Reload(asks); err == nil || !strings.Contains(err.Error(), `promotion "owner"`) {
			t.Errorf("reload: %v", err)
		}
		r.halt()
		s, v, err := w.store.Load(context.Background(), "churn")
		if err != nil {
			t.Fatal(err)
		}
		s.Plan.Confirm = asks.Plan.Confirm
		if _, err := w.store.Save(context.Background(), "churn", s, v); err != nil {
			t.Fatal(err)
		}
		e, err := New(w.configuration())
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "nobody to ask") {
			t.Errorf("a saved one: %v", err)
		}
		w.plan.Confirm = asks.Plan.Confirm
		if _, err := New(w.configuration()); err == nil || !strings.Contains(err.Error(), "nobody to ask") {
			t.Errorf("a new one: %v", err)
		}
	})
}

// saved passes every state through JSON, as a file does.
type saved struct {
	t *testing.T
	keeper
}

func (s saved) Load(ctx context.Context, id rollout.ID) (rollout.State, store.Version, error) {
	st, v, err := s.keeper.Load(ctx, id)
	text, _ := json.Marshal(st)
	var again rollout.State
	if err := json.Unmarshal(text, &again); err != nil {
		s.t.Error(err)
	}
	return again, v, err
}
