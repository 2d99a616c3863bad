package experiment

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
)

// TestGoalsThatCannotBe: counts that no predictions can have made are no evidence
// of anything. They are told of and waited out, and neither end an experiment nor
// a process.
func TestGoalsThatCannotBe(t *testing.T) {
	mean, outcome := Goal{Kind: analysis.Mean, Lower: 0, Upper: 10, MinEffect: .5}, Goal{Kind: analysis.Outcome, MinEffect: .01}
	values := func(n int64, each float64) analysis.Counts {
		return analysis.Counts{N: n, Sum: float64(n) * each, SumSq: float64(n) * each * each}
	}
	good := values(100, 5)
	for name, tc := range map[string]struct {
		goal     Goal
		bad, ok  analysis.Counts
		bins     []string
		says     string
		thompson bool
	}{
		"above its bounds":               {goal: mean, bad: values(100, 30), ok: good, says: "outside their bounds"},
		"below its bounds":               {goal: mean, bad: values(100, -30), ok: good, says: "outside their bounds"},
		"above, and weights follow":      {goal: mean, bad: values(100, 30), ok: good, says: "outside their bounds", thompson: true},
		"no number, and weights follow":  {goal: mean, bad: analysis.Counts{N: 10, Sum: math.NaN()}, ok: good, says: "not finite", thompson: true},
		"values of fewer than none":      {goal: mean, bad: analysis.Counts{N: -5}, ok: good, says: "-5 values"},
		"more wrong ones than there are": {goal: outcome, bad: analysis.Counts{N: 10, K: 11}, ok: analysis.Counts{N: 10, K: 1}, says: "11 hits in 10"},
		"more labels than predictions": {goal: outcome, bins: []string{"a"}, says: "20 labelled",
			bad: analysis.Counts{Counts: []int64{10}, Labelled: []int64{20}, Wrong: []int64{1}},
			ok:  analysis.Counts{Counts: []int64{10}, Labelled: []int64{5}, Wrong: []int64{1}}},
	} {
		for arm := range 3 {
			t.Run(name+" on "+three().Arms[arm].Name, func(t *testing.T) {
				c := three()
				c.Goal, c.Thompson, c.Floor, c.Every, c.MaxDuration = tc.goal, tc.thompson, .05, time.Minute, time.Hour
				block := int64(0)
				step := func(s State, counts [3]analysis.Counts) State {
					block++
					at := began.Add(time.Duration(block) * 15 * time.Second)
					next := Step(c, analysis.Config{}, s, analysis.Sample{
						Block: block, Start: at, End: at.Add(15 * time.Second),
						Metrics: map[string]analysis.Measure{GoalMetric: {Bins: tc.bins, Stable: counts[0], Canary: counts[1]}},
						Variants: []analysis.Variant{{Metrics: map[string]analysis.Measure{
							GoalMetric: {Bins: tc.bins, Stable: counts[0], Canary: counts[2]},
						}}},
					}, analysis.Verdict{Decision: analysis.Pass})
					if _, err := json.Marshal(next); err != nil {
						t.Fatalf("the state cannot be saved: %v", err)
					}
					return next
				}
				all := [3]analysis.Counts{tc.ok, tc.ok, tc.ok}
				before := step(State{}, all)
				wrong := all
				wrong[arm] = tc.bad
				s := step(before, wrong)
				f := Judge(c, s, time.Minute)
				if f.Ending != "" || !strings.Contains(f.Reason, tc.says) || !strings.Contains(f.Reason, c.Arms[arm].Name) {
					t.Errorf("finding %+v, want none that says %q of %s", f, tc.says, c.Arms[arm].Name)
				}
				if f = Judge(c, s, time.Hour); f.Ending != OutTime || !strings.Contains(f.Reason, tc.says) {
					t.Errorf("at its end: %+v", f)
				}
				for i, a := range s.Arms {
					if a.Total != before.Arms[i].Total {
						t.Errorf("%s: %+v were taken in", c.Arms[i].Name, a.Total)
					}
				}
				if f = Judge(c, step(s, all), time.Minute); strings.Contains(f.Reason, tc.says) {
					t.Errorf("once it is well again: %+v", f)
				}
			})
		}
	}
}
