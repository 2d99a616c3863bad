package report

import (
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/experiment"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// Source is what a report is made of.
type Source struct {
	Status engine.Status
	Blocks []engine.Block  // of the journal, oldest first
	Events []rollout.Event // of the journal, oldest first
}

// Report is how one attempt at a revision went. Its JSON is stable: fields are
// added, never renamed.
type Report struct {
	Rollout string        `json:"rollout"`
	Stable  string        `json:"stable"` // versions
	Canary  string        `json:"canary"`
	Attempt int           `json:"attempt"`
	Result  Result        `json:"result"`
	Phase   rollout.Phase `json:"phase"`
	Reason  string        `json:"reason,omitempty"`
	Began   time.Time     `json:"began,omitzero"`
	Ended   time.Time     `json:"ended,omitzero"` // the time of the report while it has not ended
	Seconds float64       `json:"seconds"`
	// FalseRollback and FalsePromotion are the probabilities that the verdicts
	// hold to: of the whole rollout, and of each metric at its margin.
	FalseRollback  float64        `json:"falseRollback"`
	FalsePromotion float64        `json:"falsePromotion"`
	Arms           map[string]Arm `json:"arms"` // "stable", "canary"
	Steps          []Step         `json:"steps"`
	Metrics        []Metric       `json:"metrics"` // as last judged
	Events         []Event        `json:"events"`
	// Experiment is how the arms compare, of a plan that compares them by a goal.
	Experiment *experiment.View `json:"experiment,omitempty"`
	Warnings   []string         `json:"warnings,omitempty"`
	// Partial says that the journal no longer holds how the attempt began, so
	// that counts are of the rest.
	Partial bool `json:"partial,omitempty"`
}

// Result is how it ended.
type Result string

// The results.
const (
	Promoted   Result = "promoted"
	RolledBack Result = "rolled back"
	Completed  Result = "completed" // compared as planned, with nothing to promote
	Held       Result = "held"      // at its deadline, undecided
	Unfinished Result = "not ended" // when the report was made
)

// Arm is what one arm served of live traffic, in the blocks of the journal.
type Arm struct {
	Requests int64 `json:"requests"`
	Errors   int64 `json:"errors"`
}

// StepState is what became of a step.
type StepState string

// The states of a step.
const (
	Passed     StepState = "passed"
	Failed     StepState = "failed"      // the rollout was taken back here
	Skipped    StepState = "skipped"     // left by a person's order, without a verdict
	Stands     StepState = "stands here" // neither passed nor failed when the report was made
	NotReached StepState = "not reached"
)

// Step is one rung of the ladder.
type Step struct {
	Number   int               `json:"number"` // from 1
	What     string            `json:"what"`   // "5%", "pause", "pause 10m", "shadow 100%"
	State    StepState         `json:"state"`
	Began    time.Time         `json:"began,omitzero"` // of the first block taken here
	Seconds  float64           `json:"seconds"`
	Arms     map[string]Arm    `json:"arms,omitempty"`
	Decision analysis.Decision `json:"decision,omitempty"` // of the last block taken here
	Reason   string            `json:"reason,omitempty"`
	Metrics  []Metric          `json:"metrics,omitempty"`
}

// Metric is one metric's verdict.
type Metric struct {
	analysis.MetricVerdict

	Numbers string `json:"numbers"` // both arms and what they were counted over, for people
}

// Event is one thing that happened.
type Event struct {
	At      time.Time         `json:"at"`
	Kind    rollout.EventKind `json:"kind"`
	Step    int               `json:"step"` // from 1
	Message string            `json:"message"`
	By      string            `json:"by,omitempty"`
}

// New makes the report. A source without blocks and events gives one of what
// the status alone says.
func New(s Source) Report {
	st := s.Status
	r := Report{
		Rollout: st.Name, Stable: st.Stable.String(), Canary: st.Canary.String(), Attempt: st.Attempt,
		Result: resultOf(st), Phase: st.Phase, Reason: st.Reason, Began: st.Began, Ended: st.Now,
		FalseRollback: st.FalseRollback, FalsePromotion: st.FalsePromotion,
		Metrics: metrics(st.Verdict), Warnings: st.Warnings, Events: []Event{}, Experiment: st.Experiment,
	}
	for _, e := range s.Events {
		if e.Attempt != st.Attempt || e.Revision != r.Canary {
			continue
		}
		r.Events = append(r.Events, Event{e.At, e.Kind, e.Step + 1, e.Message, e.By})
		if e.Kind == rollout.EventPromoted || e.Kind == rollout.EventCompleted || e.Kind == rollout.EventRolledBack || e.Kind == rollout.EventDeadline && r.Result == Held {
			r.Ended = e.At
		}
	}
	if !r.Began.IsZero() && r.Ended.After(r.Began) {
		r.Seconds = r.Ended.Sub(r.Began).Seconds()
	}
	blocks := ofAttempt(s.Blocks, st)
	r.Partial = len(blocks) > 0 && blocks[0].Block == s.Blocks[0].Block && blocks[0].Block > 1
	r.Arms = sum(blocks)
	r.Steps = steps(st, blocks)
	return r
}

func resultOf(s engine.Status) Result {
	switch {
	case s.Phase == rollout.Promoted:
		return Promoted
	case s.Phase == rollout.Completed:
		return Completed
	case s.Phase == rollout.RolledBack:
		return RolledBack
	case s.HeldAtDeadline():
		return Held
	}
	return Unfinished
}

// ofAttempt leaves out the blocks of earlier attempts and revisions.
func ofAttempt(blocks []engine.Block, s engine.Status) []engine.Block {
	for i, b := range blocks {
		if !b.Start.Before(s.Began) {
			return blocks[i:]
		}
	}
	return nil
}

func sum(blocks []engine.Block) map[string]Arm {
	out := map[string]Arm{"stable": {}, "canary": {}}
	for _, b := range blocks {
		for name, x := range b.Arms {
			a := out[name]
			a.Requests += x.Requests
			a.Errors += x.Errors
			out[name] = a
		}
	}
	return out
}

func metrics(v analysis.Verdict) []Metric {
	out := make([]Metric, len(v.Metrics))
	for i, m := range v.Metrics {
		out[i] = Metric{m, numbers(m)}
	}
	return out
}
