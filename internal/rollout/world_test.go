package rollout_test

import (
	"fmt"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// world is a tiny data centre: a store, a router that follows with a delay, a
// candidate that takes a while to start, a source of verdicts, and people. The
// process that calls Next can crash between any two things it does; all the
// rest goes on.
type world struct {
	t    tester
	now  time.Time
	file rollout.Plan
	play script

	stored  rollout.State // what a crash leaves
	memory  rollout.State // what the process knows
	carried traffic.Split // what the data plane does
	asked   traffic.Split // what it was told
	due     int           // ticks until it does so
	known   bool          // the router can say what it carries
	runs    bool          // the candidate
	warm    int           // ticks until it is ready

	told      []rollout.EventKind // delivered, each once
	heard     map[string]bool
	answered  map[string]bool // commands whose reply arrived
	asks      []rollout.Gate  // of the last decision that was saved
	questions map[string]int  // how often each was put to the outside
	turns     int
}

// script says what happens in the world, by what is saved, never by the clock:
// so it is the same story however often the process crashes.
type script struct {
	RouterDelay int
	WarmUp      int
	RouterLost  bool // a crash takes the router's memory along, as in one process
	Blocks      []int
	Bad         int  // index of the step that fails, −1 if none does
	AbortAt     int  // index of the step at which a person aborts, −1 if none does
	Retries     int  // how often a person retries what was taken back
	Refusals    int  // how often each gate says no before it says yes
	Alarm       bool // the bad step is found by somebody outside, not by the evidence
}

// where is a place in the loop at which the process can crash.
type where int

const (
	afterDecision where = iota
	afterSave
	afterRoute
	afterScale
	places
)

func newWorld(t tester, file rollout.Plan, play script) *world {
	return &world{t: t, now: start, file: file, play: play, heard: map[string]bool{}, answered: map[string]bool{}, questions: map[string]int{}}
}

// tick is one turn of the loop: observe, decide, save, apply. It reports
// whether it lived through it.
func (w *world) tick(crash where) bool {
	w.turns++
	w.now = w.now.Add(5 * time.Second)
	w.pass()
	o := w.observe()
	d := rollout.Next(w.memory, o)
	if crash == afterDecision {
		return false
	}
	if d.State.Sequence != w.memory.Sequence {
		w.stored = roundTrip(w.t, d.State)
	}
	w.memory = d.State
	if crash == afterSave {
		return false
	}
	w.route(d.Want.Split)
	if crash == afterRoute {
		return false
	}
	w.scale(d.Want.Scale)
	if crash == afterScale {
		return false
	}
	for _, r := range d.Replies {
		w.answered[r.ID] = true
	}
	w.asks = d.Asks
	w.deliver()
	return true
}

// pass lets the world go on for a tick.
func (w *world) pass() {
	if w.due > 0 {
		if w.due--; w.due == 0 {
			w.carried, w.known = w.asked, true
		}
	}
	if w.warm > 0 {
		w.warm--
	}
}

func (w *world) route(s traffic.Split) {
	if w.asked.Generation == s.Generation && (w.known || w.due > 0) {
		return
	}
	w.asked, w.due = s, 1+w.play.RouterDelay
}

func (w *world) scale(s rollout.Scale) {
	if s.Canary && !w.runs {
		w.warm = 1 + w.play.WarmUp
	}
	w.runs = s.Canary
	if !s.Canary && (w.carried.Canary > 0 || w.carried.Mirror > 0) {
		w.t.Fatalf("the candidate was ended while it had traffic")
	}
	if !s.Stable && (w.carried.Canary != traffic.Full || len(w.carried.Never) > 0) {
		w.t.Fatalf("stable was ended while it had traffic")
	}
}

func (w *world) deliver() {
	var ids []string
	for _, e := range w.memory.Events {
		ids = append(ids, e.ID)
		if !w.heard[e.ID] {
			w.heard[e.ID] = true
			w.told = append(w.told, e.Kind)
		}
	}
	w.memory = w.memory.Delivered(ids...)
	w.stored.Events = nil
}

func (w *world) crash() {
	w.memory, w.asks = roundTrip(w.t, w.stored), nil
	if w.play.RouterLost {
		w.known, w.due = false, 0
	}
	w.now = w.now.Add(3 * time.Second)
}

func (w *world) observe() rollout.Observation {
	o := rollout.Observation{Now: w.now, Plan: w.file, Workloads: map[rollout.Role]rollout.Health{
		traffic.Stable: {Ready: true, Revision: w.file.Stable.Hash},
		traffic.Canary: {Ready: w.runs && w.warm == 0, Revision: w.file.Canary.Hash},
	}}
	if w.known {
		c := w.carried
		o.Traffic = traffic.Observed{Level: traffic.Accepted, Generation: c.Generation, Canary: c.Canary, Mirror: c.Mirror}
	}
	w.judge(&o)
	w.outside(&o)
	w.people(&o)
	return o
}

// judge takes one block into the evidence, as the engine does. What it finds
// depends on how many blocks of this step are saved, so a block that is lost
// in a crash is counted again, and none twice.
func (w *world) judge(o *rollout.Observation) {
	s := w.memory
	if s.Phase != rollout.Progressing && s.Phase != rollout.Paused {
		return
	}
	stage := rollout.StageOf(s)
	if stage.Index < 0 || !o.Traffic.Carries(s.Want.Split) {
		return
	}
	var e analysis.State
	if s.Evidence != nil {
		e = *s.Evidence
	}
	e.LastBlock++
	v := analysis.Verdict{Decision: analysis.Inconclusive, Reason: "more", Block: e.LastBlock, Stage: stage}
	if done := e.LastBlock - s.FirstBlock + 1; !s.StepBegan.IsZero() && done >= int64(w.play.Blocks[stage.Index]) {
		v.Decision, v.Reason = analysis.Pass, "within the margin"
		if stage.Index == w.play.Bad && s.Attempt <= 1+w.play.Retries && !w.play.Alarm {
			v.Decision, v.Reason = analysis.Fail, "worse"
		}
	}
	o.Evidence, o.Verdict = &e, v
	o.Judged = rollout.Judged{Revision: s.Plan.Canary.Hash, Attempt: s.Attempt}
}

// outside answers the questions of the last decision, and raises the alarm at
// the bad step for as long as that is in force.
func (w *world) outside(o *rollout.Observation) {
	for _, g := range w.asks {
		w.questions[g.ID]++
		o.Gates = append(o.Gates, rollout.GateResult{ID: g.ID, Passed: w.questions[g.ID] > w.play.Refusals, Message: "not yet"})
	}
	s := w.memory
	climbs := s.Phase == rollout.Progressing || s.Phase == rollout.Paused
	if !w.play.Alarm || !climbs || s.StepBegan.IsZero() || s.Step != w.play.Bad || s.Attempt > 1+w.play.Retries {
		return
	}
	o.Signals = append(o.Signals, rollout.Signal{
		Name: "guard", Effect: rollout.SignalRollback, Message: "too hot",
		Judged: rollout.Judged{Revision: s.Plan.Canary.Hash, Attempt: s.Attempt},
	})
}

// people ask again, with the same ID, until they have an answer.
func (w *world) people(o *rollout.Observation) {
	s := w.memory
	ask := func(v rollout.Verb) {
		id := fmt.Sprintf("%s-%d-%d", v, s.Attempt, s.Step)
		if !w.answered[id] {
			o.Commands = append(o.Commands, rollout.Command{ID: id, Verb: v, By: "ann"})
		}
	}
	switch s.Phase {
	case rollout.Progressing, rollout.Paused:
		if s.Step == w.play.AbortAt && s.Attempt == 1 && !s.StepBegan.IsZero() {
			ask(rollout.Abort)
		} else if p := s.Plan.Steps[s.Step].Pause; p != nil && p.For == 0 {
			ask(rollout.Promote)
		}
	case rollout.RolledBack:
		if s.Ended && s.Attempt <= w.play.Retries {
			ask(rollout.Retry)
		}
	}
}

// over reports whether nothing happens any more.
func (w *world) over() bool {
	s := w.memory
	again := s.Phase == rollout.RolledBack && s.Attempt <= w.play.Retries
	return s.Phase.Terminal() && s.Ended && !again && len(s.Events) == 0 && w.due == 0 && w.known
}
