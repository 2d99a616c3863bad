package engine

import (
	"reflect"
	"slices"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/experiment"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// This file is the glue between what was gathered and the pure core. It is
// pure itself.

// openBlock is the stretch of time that is being counted.
type openBlock struct {
	start   time.Time
	traffic traffic.Observed // what the router reported when it began
	stage   analysis.Stage   // what its traffic is evidence for
}

// stageNow returns the stage that traffic is evidence for from now on: that of
// the state once the data plane carries what the state wants, and until then
// the stage of the block before.
func (c *Config) stageNow(s rollout.State, o traffic.Observed, before analysis.Stage) analysis.Stage {
	if len(s.Plan.Steps) > 0 && o.Carries(s.Want.Split) {
		return c.StageOf(s)
	}
	return before
}

// ends reports whether the block must be closed because what it counts has
// changed: the weight, the mirror or the stage.
func (b openBlock) ends(o traffic.Observed, stage analysis.Stage) bool {
	return o.Canary != b.traffic.Canary || o.Mirror != b.traffic.Mirror || o.Slots != b.traffic.Slots || stage != b.stage
}

// judged reports whether blocks of this phase are evidence: history of the
// baseline while the candidate starts, and the comparison while it runs.
func judged(p rollout.Phase) bool {
	return p == rollout.Initializing || p == rollout.Progressing || p == rollout.Paused
}

// stamp completes a sample with what only the engine knows.
func (b openBlock) stamp(s analysis.Sample, number int64, end time.Time) analysis.Sample {
	s.Block, s.Stage = number, b.stage
	s.Weight = b.traffic.Canary.Share()
	if slots := b.traffic.Slots; slots != "" {
		s.Weight = between(slots, traffic.Canary)
		s.Variants = slices.Clone(s.Variants)
		for i := range s.Variants {
			s.Variants[i].Weight = between(slots, traffic.Arm(traffic.NumArms+i))
		}
	}
	if s.Start.IsZero() {
		s.Start = b.start
	}
	if s.End.IsZero() {
		s.End = end
	}
	return s
}

// between returns the share that an arm has of what goes to it or to stable.
func between(slots string, arm traffic.Arm) float64 {
	own, stable := traffic.SlotShare(slots, arm), traffic.SlotShare(slots, traffic.Stable)
	if own == 0 {
		return 0
	}
	return float64(own) / float64(own+stable)
}

// observation puts together what Next may know. A sample is taken into the
// evidence of a phase that is judged; of another its counts only move the
// cursor.
func (c *Config) observation(s rollout.State, plan rollout.Plan, g gathered, commands []rollout.Command) rollout.Observation {
	o := rollout.Observation{
		Now: g.now, Plan: plan, Commands: commands, Workloads: g.health, Traffic: g.traffic,
		Cursor: s.Cursor, NextBlock: g.next, Blind: g.blind, Gates: g.gates, Signals: g.signals,
	}
	if g.sample == nil {
		return o
	}
	o.Cursor = g.sample.Cursor
	if !judged(s.Phase) {
		return o
	}
	rules := s.Plan.Analysis
	if rules.Attempt == 0 {
		rules.Attempt = s.Attempt
	}
	var before analysis.State
	if s.Evidence != nil {
		before = *s.Evidence
	}
	after, verdict := c.Step(rules, before, *g.sample)
	o.Evidence, o.Verdict = &after, verdict
	if e := s.Plan.Experiment; e != nil {
		var trial experiment.State
		if s.Experiment != nil {
			trial = *s.Experiment
		}
		trial = experiment.Step(*e, rules, trial, *g.sample, verdict)
		o.Experiment = &trial
	}
	// A command in the same tick may begin the next attempt, and this is not
	// about that one.
	o.Judged = rollout.Judged{Revision: s.Plan.Canary.Hash, Attempt: s.Attempt}
	return o
}

// relieves reports whether going from one split to another takes traffic away
// from the canary and gives it none.
func relieves(from, to traffic.Split) bool {
	if to.Canary > from.Canary || to.Mirror > from.Mirror || to.Open && !from.Open {
		return false
	}
	if from.Slots != "" && to.Slots != from.Slots {
		for i := range to.Slots {
			if to.Slots[i] != from.Slots[i] && to.Slots[i] != '0' {
				return false // somebody else gets it
			}
		}
		return true
	}
	return to.Canary < from.Canary || to.Mirror < from.Mirror || from.Open && !to.Open
}

// idles reports whether a split leaves the canary without any traffic.
func idles(s traffic.Split) bool { return s.Canary == 0 && s.Mirror == 0 && !s.Open }

// outcomeOf returns how the rollout ended, and false while it has not.
func outcomeOf(s rollout.State) (Outcome, bool) {
	o := Outcome{Phase: s.Phase, Reason: s.Reason}
	switch {
	case s.Phase.Terminal():
		return o, true
	case s.Phase == rollout.Paused && s.Deadline:
		o.Held = true
		return o, true
	}
	return o, false
}

// same reports whether state b says nothing that a does not, so that it need
// not be saved after it.
func same(a, b rollout.State) bool {
	a.LastSeen, b.LastSeen = time.Time{}, time.Time{}
	return reflect.DeepEqual(a, b)
}
