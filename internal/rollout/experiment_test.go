package rollout_test

import (
	"strings"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/experiment"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

const variant = rollout.Role(2)

// trialPlan compares v1 with v2 and, with variants, v3.
func trialPlan(arms ...string) rollout.Plan {
	p := walkPlan("v1", "v2", 33)
	p.End, p.MaxDuration = rollout.EndReport, 0
	e := &experiment.Config{Goal: experiment.Goal{Kind: analysis.Outcome, MinEffect: .01}, Confidence: .95, MaxDuration: time.Hour}
	for i, name := range arms {
		w := 100 / len(arms)
		if i == 0 {
			w += 100 % len(arms)
		}
		e.Arms = append(e.Arms, experiment.Arm{Name: name, Version: "v" + name, Weight: w})
	}
	p.Experiment = e
	return p
}

// trialReady is ready with every variant up and the slots carried.
func trialReady(s rollout.State, p rollout.Plan, now time.Time) rollout.Observation {
	o := ready(s, p, now)
	o.Traffic.Slots = s.Want.Split.Slots
	for i := range p.Experiment.Arms {
		if i >= traffic.NumArms {
			o.Workloads[rollout.Role(i)] = rollout.Health{Ready: true, Revision: p.Canary.Hash}
		}
	}
	return o
}

// begun returns the state of an experiment whose traffic flows.
func begun(t *testing.T, p rollout.Plan) (rollout.State, time.Time) {
	t.Helper()
	var s rollout.State
	now := start
	for range 3 {
		s = checkedNext(t, s, trialReady(s, p, now)).State
		now = now.Add(time.Second)
	}
	if s.Phase != rollout.Progressing || s.Live.IsZero() {
		t.Fatalf("%s, live since %s", s.Phase, s.Live)
	}
	return s, now
}

// judge is an observation that brings the evidence of a block.
func judge(s rollout.State, p rollout.Plan, now time.Time, canary analysis.Decision, trial experiment.State) rollout.Observation {
	o := trialReady(s, p, now)
	o.Evidence = &analysis.State{LastBlock: 1}
	o.Verdict = analysis.Verdict{Decision: canary, Reason: "as the test says", Block: 1, Stage: rollout.StageOf(s)}
	o.Experiment = &trial
	return o
}

// won is evidence that arm 1 is better than all others by 90 points.
func won(c experiment.Config, arm int) experiment.State {
	var s experiment.State
	for n := range int64(40) {
		counts := make([]analysis.Counts, len(c.Arms))
		for i := range counts {
			counts[i] = analysis.Counts{N: 50, K: 47}
			if i == arm {
				counts[i].K = 3
			}
		}
		x := analysis.Sample{Block: n + 1, Start: start, End: start.Add(time.Second),
			Metrics: map[string]analysis.Measure{experiment.GoalMetric: {Stable: counts[0], Canary: counts[1]}}}
		for _, k := range counts[2:] {
			x.Variants = append(x.Variants, analysis.Variant{Metrics: map[string]analysis.Measure{experiment.GoalMetric: {Canary: k}}})
		}
		s = experiment.Step(c, analysis.Config{}, s, x, analysis.Verdict{})
	}
	return s
}

func TestAnExperimentSplitsBySlots(t *testing.T) {
	p := trialPlan("stable", "canary", "c")
	s, _ := begun(t, p)
	w := s.Want.Split
	if w.Canary != 3300 || len(w.Slots) != 100 || len(w.Variants) != 1 || w.Variants[0].Name != "c" || !w.Open {
		t.Errorf("wanted %+v", w)
	}
	w.Sticky = traffic.Sticky{Header: "user"}
	if _, err := traffic.Compile(w, map[string][]string{"beta": nil}); err != nil {
		t.Error(err)
	}
	two, _ := begun(t, trialPlan("stable", "canary"))
	if w := two.Want.Split; w.Canary != 5000 || w.Slots != "" || w.Variants != nil {
		t.Errorf("of two arms %+v is wanted, which not every router can carry", w)
	}
}

func TestAWinnerEndsIt(t *testing.T) {
	p := trialPlan("stable", "canary", "c")
	s, now := begun(t, p)
	d := checkedNext(t, s, judge(s, p, now, analysis.Inconclusive, won(*p.Experiment, 2)))
	if d.State.Phase != rollout.Completing || !strings.Contains(d.State.Reason, "c wins") {
		t.Fatalf("%s: %s", d.State.Phase, d.State.Reason)
	}
	if w := d.Want.Split; w.Canary != 0 || w.Slots != "" || w.Variants != nil {
		t.Errorf("at the end %+v is wanted, and not all on stable", w)
	}
	d = checkedNext(t, d.State, trialReady(d.State, p, now.Add(time.Second)))
	if d.State.Phase != rollout.Completed {
		t.Errorf("%s: %s", d.State.Phase, d.Waiting)
	}
}

func TestPromotionNeedsTheMetricsToo(t *testing.T) {
	p := trialPlan("stable", "canary")
	p.Experiment.Promote, p.End = true, rollout.EndPromote
	p.Steps = append(p.Steps, rollout.Step{Weight: traffic.Full})
	s, now := begun(t, p)
	trial := won(*p.Experiment, 1)
	d := checkedNext(t, s, judge(s, p, now, analysis.Inconclusive, trial))
	if d.State.Phase != rollout.Progressing || !strings.Contains(d.Waiting, "no worse otherwise") {
		t.Fatalf("%s: %s", d.State.Phase, d.Waiting)
	}
	passed := checkedNext(t, d.State, judge(d.State, p, now, analysis.Pass, trial))
	if passed.State.Phase != rollout.Promoting {
		t.Errorf("%s: %s", passed.State.Phase, passed.Waiting)
	}
	late := checkedNext(t, d.State, trialReady(d.State, p, now.Add(2*time.Hour)))
	if late.State.Phase != rollout.Completing {
		t.Errorf("after its time: %s, %s", late.State.Phase, late.Waiting)
	}
	lost := checkedNext(t, s, judge(s, p, now, analysis.Pass, won(*p.Experiment, 0)))
	if lost.State.Phase != rollout.Completing || !strings.Contains(lost.State.Reason, "stable wins") {
		t.Errorf("when the control wins: %s, %s", lost.State.Phase, lost.State.Reason)
	}
}

// TestAFailureClosesOneArmOfMany: and takes all back where there are two.
func TestAFailureClosesOneArmOfMany(t *testing.T) {
	p := trialPlan("stable", "canary", "c")
	s, now := begun(t, p)
	trial := experiment.Close(*p.Experiment, experiment.State{}, 1, "errors")
	d := checkedNext(t, s, judge(s, p, now, analysis.Fail, trial))
	if d.State.Phase != rollout.Progressing || d.Want.Split.Canary != 0 || traffic.SlotShare(d.Want.Split.Slots, 2) != 3300 {
		t.Fatalf("%s, wanted %+v", d.State.Phase, d.Want.Split)
	}
	if len(d.Events) != 1 || d.Events[0].Kind != rollout.EventClosed || !strings.Contains(d.Events[0].Message, "its users go to v1: errors") {
		t.Errorf("events %+v", d.Events)
	}
	// The other one stops: nothing is left.
	o := trialReady(d.State, p, now.Add(time.Second))
	o.Workloads[variant] = rollout.Health{Failed: true, Message: "exit 1"}
	d = checkedNext(t, d.State, o)
	if d.State.Phase != rollout.RollingBack || !strings.Contains(d.State.Reason, "no treatment is left") {
		t.Errorf("%s: %s", d.State.Phase, d.State.Reason)
	}
	two := trialPlan("stable", "canary")
	s, now = begun(t, two)
	d = checkedNext(t, s, judge(s, two, now, analysis.Fail, experiment.Close(*two.Experiment, experiment.State{}, 1, "errors")))
	if d.State.Phase != rollout.RollingBack {
		t.Errorf("of two arms: %s", d.State.Phase)
	}
}

func TestAVariantThatDoesNotCome(t *testing.T) {
	p := trialPlan("stable", "canary", "c")
	var s rollout.State
	now := start
	for range 3 {
		o := trialReady(s, p, now)
		o.Workloads[variant] = rollout.Health{Message: "loading"}
		d := checkedNext(t, s, o)
		s, now = d.State, now.Add(time.Second)
		if s.Phase != rollout.Initializing {
			t.Fatalf("%s without a variant", s.Phase)
		}
	}
	o := trialReady(s, p, now)
	o.Workloads[variant] = rollout.Health{Failed: true, Message: "not ready: exit 1"}
	if d := checkedNext(t, s, o); d.State.Phase != rollout.RolledBack || !strings.Contains(d.State.Reason, "did not become ready: exit 1") {
		t.Errorf("%s: %s", d.State.Phase, d.State.Reason)
	}
}

// TestTimeEndsWhatIsHeld: an experiment that nothing can be said of does not go on
// for ever.
func TestTimeEndsWhatIsHeld(t *testing.T) {
	p := trialPlan("stable", "canary", "c")
	s, now := begun(t, p)
	trial := experiment.Begin(*p.Experiment)
	trial.Arms[2].Verdict = analysis.Verdict{Decision: analysis.Invalid, Reason: "traffic is not split as asked"}
	d := checkedNext(t, s, judge(s, p, now, analysis.Inconclusive, trial))
	if d.State.Phase != rollout.Progressing || !strings.Contains(d.Waiting, "c: traffic is not split as asked") {
		t.Fatalf("%s: %s", d.State.Phase, d.Waiting)
	}
	d = checkedNext(t, d.State, trialReady(d.State, p, now.Add(time.Hour)))
	if d.State.Phase != rollout.Completing || !strings.Contains(d.State.Reason, "its time is over") {
		t.Errorf("%s: %s", d.State.Phase, d.State.Reason)
	}
}
