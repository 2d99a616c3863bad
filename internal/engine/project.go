package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/experiment"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/store"
)

// show publishes the status.
func (e *Engine) show() {
	s := e.status()
	e.view.Store(&s)
	shown := e.Status()
	e.subs.publish(Update{Status: &shown})
}

// Saved is the status of a rollout as far as its saved state tells it: nothing
// of what was last observed, and no name.
func Saved(s rollout.State) Status {
	rules := s.Plan.Analysis
	out := Status{
		Phase: s.Phase, Reason: s.Reason, Strategy: s.Plan.Strategy(), End: s.Plan.End, Stable: s.Plan.Stable, Canary: s.Plan.Canary,
		Attempt: s.Attempt, Hold: holdOf(s), Step: s.Step, Steps: s.Plan.Steps,
		Wanted: s.Want.Split, Verdict: s.Verdict,
		Workloads: map[string]rollout.Health{}, Totals: map[string]Totals{},
		Began: s.Began, StepBegan: s.StepBegan, PhaseBegan: s.PhaseBegan, Deadline: s.DeadlineAt(),
		FalseRollback: rules.FalseRollback, FalsePromotion: rules.FalsePromotion,
	}
	if out.Phase == "" {
		out.Phase = rollout.Idle
	}
	if e := s.Plan.Experiment; e != nil {
		var trial experiment.State
		if s.Experiment != nil {
			trial = *s.Experiment
		}
		x := experiment.Show(*e, trial, s.Compared(s.LastSeen))
		out.Experiment = &x
	}
	return out
}

// status projects the state and what was last seen.
func (e *Engine) status() Status {
	state := e.state
	if len(state.Plan.Steps) == 0 {
		state.Plan = e.currentSpec().Plan
	}
	s := Saved(state)
	s.Name, s.Mode, s.Links, s.Now = string(e.id), e.cfg.Mode, e.cfg.Links, e.clock.now()
	s.Waiting, s.Wanted, s.Observed = e.waiting, e.want.Split, e.seen.traffic
	s.Deadline = e.state.DeadlineAt()
	s.Warnings = append(e.trouble.warnings(), standing(e.state, e.currentSpec())...)
	for role, h := range e.seen.health {
		s.Workloads[state.Plan.ArmName(role)] = h
	}
	if d := e.jumpTold; d != 0 { // as the log has it: asked anew, the clock might say something else by now
		s.Warnings = append(s.Warnings, jumped(d))
	}
	for _, x := range e.seen.signals {
		s.Signals = append(s.Signals, x)
		if x.Effect == rollout.SignalWarn {
			s.Warnings = append(s.Warnings, x.Name+": "+x.Message)
		}
	}
	s.Watches = e.watches(e.about(s.Now))
	if e.cfg.Warnings != nil {
		s.Warnings = append(s.Warnings, e.cfg.Warnings()...)
	}
	return s
}

// record writes what happened to the journal and tells the subscribers. A
// block that cannot be written is lost to the journal, not to the evidence;
// events stay in the state until they are written.
func (e *Engine) record(ctx context.Context, before rollout.State, g gathered, o rollout.Observation) {
	var blocks []Block
	if g.sample != nil {
		e.number = g.sample.Block
		v := e.state.Verdict
		if o.Evidence != nil {
			v = o.Verdict // the block's own, even if it came too late to count
		}
		blocks = append(blocks, e.drawn(before, g, v))
		e.anew = false
		e.open(g.end.now, g.end.gathered(g))
	}
	if e.unsaved {
		return
	}
	var events []rollout.Event
	for _, ev := range e.state.Events {
		if !e.delivered[ev.ID] {
			events = append(events, ev)
		}
	}
	if len(events)+len(blocks) == 0 {
		return
	}
	err := e.cfg.Journal.Append(ctx, e.id, records(events, blocks)...)
	if err != nil {
		if ctx.Err() == nil {
			e.trouble.is("write the journal", sentence(err.Error())+makeRoom(err))
		}
		return
	}
	e.trouble.is("write the journal", "")
	for i := range events {
		e.delivered[events[i].ID] = true
		e.journalled(events[i].Number)
		e.subs.publish(Update{Event: &events[i]})
	}
	for i := range blocks {
		e.subs.publish(Update{Block: &blocks[i]})
	}
}

// drawn is the closed block as the journal keeps it.
func (e *Engine) drawn(before rollout.State, g gathered, v analysis.Verdict) Block {
	s := g.sample
	b := Block{
		Block: s.Block, Start: s.Start, End: s.End, Step: s.Stage.Index, Phase: before.Phase,
		Weight:  100 * s.Weight,
		Wanted:  100 * before.Want.Split.Canary.Share(),
		Mirror:  100 * e.block.traffic.Mirror.Share(),
		Verdict: v,
	}
	if e.cfg.Summary != nil {
		b.Arms = e.cfg.Summary.Block(s.Cursor)
	}
	if b.Arms == nil {
		b.Arms = map[string]BlockArm{}
	}
	return b
}

// records names each entry by its time first, so that names sort by time.
func records(events []rollout.Event, blocks []Block) []store.Record {
	var out []store.Record
	add := func(kind store.RecordKind, at time.Time, id string, v any) {
		data, err := json.Marshal(v)
		if err != nil {
			// Infinite evidence is the one thing JSON has no word for, and the
			// analysis keeps it finite.
			panic(fmt.Sprintf("engine: a journal record does not marshal: %v", err))
		}
		out = append(out, store.Record{Kind: kind, ID: fmt.Sprintf("%020d-%s", at.UnixNano(), id), Data: data})
	}
	for _, ev := range events {
		add(store.EventRecord, ev.At, ev.ID, ev)
	}
	for _, b := range blocks {
		add(store.BlockRecord, b.End, fmt.Sprintf("%012d", b.Block), b)
	}
	return out
}

// withoutDelivered is the state with the events left out that the journal has
// taken and every listener was told of. That they are gone is saved with the
// next decision.
func (e *Engine) withoutDelivered() rollout.State {
	e.listeners()
	s := e.state
	s.Events = nil
	for _, ev := range e.state.Events {
		if !e.delivered[ev.ID] || !e.heardByAll(ev) {
			s.Events = append(s.Events, ev)
		}
	}
	s.Told = nil
	if len(e.told) > 0 {
		s.Told = e.told
	}
	return s
}

// forgetDelivered drops the names of events that the state no longer holds.
func (e *Engine) forgetDelivered() {
	held := map[string]bool{}
	for _, ev := range e.state.Events {
		held[ev.ID] = true
	}
	for id := range e.delivered {
		if !held[id] {
			delete(e.delivered, id)
		}
	}
}
