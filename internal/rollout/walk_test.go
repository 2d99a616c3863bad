package rollout_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// TestProperties walks at random through everything that can be observed and
// asked for, and checks after each call of Next what must hold of every one.
func TestProperties(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := &walk{t: rt, now: start, ids: map[string]bool{}, passed: map[int]bool{}}
		for range rapid.IntRange(1, 40).Draw(rt, "length") {
			w.step()
		}
	})
}

type walk struct {
	t      *rapid.T
	now    time.Time
	state  rollout.State
	file   rollout.Plan
	block  int64
	ids    map[string]bool // of events
	passed map[int]bool    // judged steps that were shown a Pass in this attempt
	asked  int
	asks   []rollout.Gate // of the last decision
}

func (w *walk) step() {
	o := w.observe()
	before := w.state
	w.notePass(before, o)
	d := checkedNext(w.t, before, o)
	w.always(before, d)
	w.obedient(before, o, d)
	w.unseen(d)
	w.rises(before, o, d)
	w.heldOff(before, o, d)
	w.terminal(before, o, d)
	w.scaleDown(before, o, d)
	if d.State.Attempt != before.Attempt || d.State.Plan.Canary != before.Plan.Canary {
		clear(w.passed)
	}
	w.state, w.asks = d.State, d.Asks
	if n := len(d.State.Events); n > 0 && rapid.Bool().Draw(w.t, "delivered") {
		w.state = w.state.Delivered(d.State.Events[n-1].ID)
	}
}

// always checks what holds of every decision by itself.
func (w *walk) always(before rollout.State, d rollout.Decision) {
	split, s := d.Want.Split, d.State
	if split.Canary < 0 || split.Canary > traffic.Full || split.Mirror < 0 || split.Mirror > traffic.Full {
		w.t.Fatalf("canary %s, mirror %s: no share of a whole", split.Canary, split.Mirror)
	}
	climbing := s.Phase == rollout.Progressing || s.Phase == rollout.Paused
	pause := s.Step < len(s.Plan.Steps) && s.Plan.Steps[s.Step].Pause != nil
	preview := slices.ContainsFunc(s.Plan.Steps, func(x rollout.Step) bool { return x.Preview })
	if split.Open && (!climbing || split.Canary == 0 && !pause && !preview) {
		w.t.Fatalf("open to matches in %s at %s", s.Phase, split.Canary)
	}
	if s.Plan.End == rollout.EndReport && s.Serving == "" && (s.Phase == rollout.Promoting || s.Phase == rollout.Promoted) {
		w.t.Fatalf("a plan that only reports is %s", s.Phase)
	}
	ends := s.Phase == rollout.Completing || s.Phase.Terminal() && s.Phase != rollout.Promoted
	if ends && s.Kept == nil && (split.Canary > 0 || split.Mirror > 0 || split.Open) {
		w.t.Fatalf("%s, and the candidate gets %s, %s mirrored", s.Phase, split.Canary, split.Mirror)
	}
	if (s.HeldBy != "" || s.Deadline) && s.Phase != rollout.Paused {
		w.t.Fatalf("held, and yet %s", s.Phase)
	}
	old, now := before.Want.Split, split
	grown := now.Generation - old.Generation
	old.Generation, now.Generation = 0, 0
	if changed := !cmp.Equal(old, now); changed && grown != 1 || !changed && grown != 0 {
		w.t.Fatalf("split changed: %v, but the generation grew by %d", changed, grown)
	}
	seen := cmpopts.IgnoreFields(rollout.State{}, "LastSeen", "Sequence")
	if changed := !cmp.Equal(before, s, seen); changed != (s.Sequence == before.Sequence+1) || s.Sequence < before.Sequence {
		w.t.Fatalf("state changed: %v, but sequence %d → %d", changed, before.Sequence, s.Sequence)
	}
	if !d.Wake.IsZero() && !d.Wake.After(s.LastSeen) {
		w.t.Fatalf("wake at %s, which is not after %s", d.Wake, s.LastSeen)
	}
	if d.Waiting == "" {
		w.t.Fatalf("%s waits for nothing", s.Phase)
	}
	for _, e := range d.Events {
		if w.ids[e.ID] {
			w.t.Fatalf("event %s was made twice", e.ID)
		}
		w.ids[e.ID] = true
	}
}

// unseen: nobody is sent to the candidate of a plan that only mirrors, nor to
// one that is previewed, before the switch.
func (w *walk) unseen(d rollout.Decision) {
	s, split := d.State, d.Want.Split
	if s.Serving != "" || s.Phase == rollout.Promoting || s.Phase == rollout.Promoted || s.Phase == rollout.RollingBack || s.Phase == rollout.Completing {
		return
	}
	steps := s.Plan.Steps[:min(s.Step+1, len(s.Plan.Steps))]
	if !slices.ContainsFunc(steps, func(x rollout.Step) bool { return x.Weight > 0 }) && split.Canary > 0 {
		w.t.Fatalf("%s of the requests go to the candidate at step %d of %+v", split.Canary, s.Step, s.Plan.Steps)
	}
	all := s.Plan.Steps
	if split.Open && !slices.ContainsFunc(all, func(x rollout.Step) bool { return x.Weight > 0 || x.Preview || x.Pause != nil }) {
		w.t.Fatalf("open to matches in a plan that only mirrors: %+v", all)
	}
}

// obedient: after an abort or a Fail, the same decision sends no request to
// the candidate.
func (w *walk) obedient(before rollout.State, o rollout.Observation, d rollout.Decision) {
	if before.Serving != "" || d.State.Serving != "" {
		return // the canary arm runs the version promoted before
	}
	why := ""
	if obeyed(before, o, d, func(c rollout.Command) bool { return c.Verb == rollout.Abort }) {
		why = "abort"
	}
	climbing := before.Phase == rollout.Initializing || before.Phase == rollout.Progressing || before.Phase == rollout.Paused || before.Phase == rollout.Promoting
	if climbing && before.LastSeen.After(before.Began) && signalled(before, o, rollout.SignalRollback) {
		why = "a signal"
	}
	live := before.Phase == rollout.Progressing || before.Phase == rollout.Paused || before.Phase == rollout.Promoting
	if live && o.Evidence != nil && o.Verdict.Decision == analysis.Fail && ours(before, o) {
		why = "a Fail"
	}
	if s := d.Want.Split; why != "" && (s.Canary > 0 || s.Mirror > 0 || s.Open) {
		w.t.Fatalf("%s in %s left canary %s, mirror %s, open %v", why, before.Phase, s.Canary, s.Mirror, s.Open)
	}
}

// signalled reports whether such a signal about the current attempt came in.
func signalled(s rollout.State, o rollout.Observation, x rollout.Effect) bool {
	return slices.ContainsFunc(o.Signals, func(g rollout.Signal) bool {
		return g.Effect == x && (g.Judged == rollout.Judged{} || g.Judged == rollout.Judged{Revision: s.Plan.Canary.Hash, Attempt: s.Attempt})
	})
}

func ours(s rollout.State, o rollout.Observation) bool {
	return o.Judged == rollout.Judged{Revision: s.Plan.Canary.Hash, Attempt: s.Attempt}
}

func (w *walk) notePass(s rollout.State, o rollout.Observation) {
	v := o.Verdict
	if o.Evidence != nil && ours(s, o) && v.Decision == analysis.Pass && v.Stage.Index == rollout.StageOf(s).Index && v.Block >= s.FirstBlock {
		w.passed[v.Stage.Index] = true
	}
}

// rises: nobody gets more of the candidate unless every judged step so far has
// passed and the traffic seen is the traffic wanted.
func (w *walk) rises(before rollout.State, o rollout.Observation, d rollout.Decision) {
	s := d.State
	completes := s.Phase == rollout.Completing || s.Phase == rollout.Completed
	climbs := s.Phase == rollout.Progressing || s.Phase == rollout.Paused || s.Phase == rollout.Promoting || s.Phase == rollout.Promoted || completes
	same := s.Attempt == before.Attempt && s.Plan.Canary == before.Plan.Canary
	if !climbs || !same || before.Phase.Terminal() || s.Step == before.Step && s.Phase != rollout.Promoting && !completes {
		return
	}
	if before.Phase == rollout.Initializing {
		if s.Step != 0 {
			w.t.Fatalf("began at step %d", s.Step)
		}
		return
	}
	full := obeyed(before, o, d, func(c rollout.Command) bool { return c.Verb == rollout.Promote && c.Full })
	if before.Phase == rollout.Promoting || before.Phase == rollout.Completing || full {
		return
	}
	if !o.Traffic.Carries(before.Want.Split) {
		w.t.Fatalf("step %d → %d though the traffic was %+v, wanted %+v", before.Step, s.Step, o.Traffic, before.Want.Split)
	}
	gap := o.Now.Sub(before.LastSeen)
	if least := before.Plan.Steps[before.Step].For; gap >= 0 && gap <= time.Hour && o.Now.Before(before.StepBegan.Add(least)) {
		w.t.Fatalf("step %d was left after %s, and takes %s at least", before.Step, o.Now.Sub(before.StepBegan), least)
	}
	if o.Blind != "" {
		w.t.Fatalf("step %d → %d, blind", before.Step, s.Step)
	}
	last := s.Step
	if s.Phase == rollout.Completing || s.Phase == rollout.Completed {
		last = len(s.Plan.Steps)
	}
	for i := range last {
		if p := before.Plan.Steps[i]; (p.Shadow > 0 || p.Weight > 0 && p.Weight < traffic.Full) && !w.passed[i] {
			w.t.Fatalf("step %d → %d without a Pass at step %d", before.Step, s.Step, i)
		}
	}
}

// heldOff: nothing is left while somebody outside holds it or has not said yes,
// unless a person skips that.
func (w *walk) heldOff(before rollout.State, o rollout.Observation, d rollout.Decision) {
	s := d.State
	climbs := s.Phase == rollout.Progressing || s.Phase == rollout.Paused || s.Phase == rollout.Promoting || s.Phase == rollout.Promoted
	climbed := climbs && before.Phase != rollout.Promoting && s.Attempt == before.Attempt && s.Plan.Canary == before.Plan.Canary &&
		!before.Phase.Terminal() && (s.Step != before.Step || s.Phase == rollout.Promoting || before.Phase == rollout.Initializing)
	if !climbed || obeyed(before, o, d, func(c rollout.Command) bool { return c.Verb == rollout.Promote && c.Full }) {
		return
	}
	if before.LastSeen.After(before.Began) && signalled(before, o, rollout.SignalHold) {
		w.t.Fatalf("%s step %d → %s step %d though it was held", before.Phase, before.Step, s.Phase, s.Step)
	}
	for _, c := range before.Plan.Confirm {
		needed := c.Kind == rollout.ConfirmStart && before.Phase == rollout.Initializing ||
			c.Kind == rollout.ConfirmPromotion && s.Phase == rollout.Promoting
		is := func(id string) bool {
			return strings.HasSuffix(id, "/"+string(c.Kind)+"/"+c.Name) && strings.HasPrefix(id, before.Plan.Canary.Hash+"/")
		}
		yes := slices.ContainsFunc(before.Confirmed, is) ||
			slices.ContainsFunc(o.Gates, func(g rollout.GateResult) bool { return g.Passed && is(g.ID) })
		if needed && !yes {
			w.t.Fatalf("%s → %s without the yes of %s", before.Phase, s.Phase, c.Name)
		}
	}
}

// obeyed reports whether such a command was obeyed in this call. One whose ID
// was seen before, even in the same call, was not.
func obeyed(before rollout.State, o rollout.Observation, d rollout.Decision, such func(rollout.Command) bool) bool {
	seen := slices.Clone(before.Seen)
	for i, r := range d.Replies {
		if c := o.Commands[i]; r.Accepted && !slices.Contains(seen, r.ID) {
			if such(c) {
				return true
			}
			seen = append(seen, r.ID)
		}
	}
	return false
}

// terminal: what has ended stays ended until the file changes or somebody retries.
func (w *walk) terminal(before rollout.State, o rollout.Observation, d rollout.Decision) {
	if !before.Phase.Terminal() || o.Plan.Canary != before.Plan.Canary || o.Plan.Stable == before.Plan.Canary {
		return
	}
	if obeyed(before, o, d, func(c rollout.Command) bool { return c.Verb == rollout.Retry }) {
		return
	}
	if d.State.Phase != before.Phase || d.State.Attempt != before.Attempt {
		w.t.Fatalf("%s went on to %s by itself", before.Phase, d.State.Phase)
	}
}

// scaleDown: nothing ends unless its traffic is known to have left.
func (w *walk) scaleDown(before rollout.State, o rollout.Observation, d rollout.Decision) {
	a, b := before.Want.Scale, d.Want.Scale
	if a.Stable && !b.Stable || a.Canary && !b.Canary || a.Promoted && !b.Promoted {
		if !o.Traffic.Carries(d.Want.Split) {
			w.t.Fatalf("%+v → %+v though the traffic is %+v, wanted %+v", a, b, o.Traffic, d.Want.Split)
		}
	}
}

var walkPlans = []rollout.Plan{
	walkPlan("v1", "v2", 5, 25, 100), walkPlan("v1", "v3", -100, 0, 30, -30, 50, 100), walkPlan("v1", "v2", 50),
	blueGreen("v2", 95), blueGreen("v3", 100),
	reporting(walkPlan("v1", "v2", -100)), reporting(walkPlan("v1", "v3", 5, -30, 50)),
	walkPlan("v2", "v3", 0, 10, 0, 100), walkPlan("v1", "v1", 50, 100), walkPlan("v1", "none", 50, 100),
}

// blueGreen previews, asks a person, and switches a share at once.
func blueGreen(to string, share float64) rollout.Plan {
	p := walkPlan("v1", to, -100, 0, 1, 100)
	p.Steps[0].Preview, p.Steps[0].For = true, time.Minute
	p.Steps[2] = rollout.Step{Weight: traffic.Percent(share), For: 10 * time.Minute}
	return p
}

// reporting is p without a promotion at its end.
func reporting(p rollout.Plan) rollout.Plan {
	p.End = rollout.EndReport
	return p
}

// walkPlan makes a plan: a positive number is a weight, 0 a pause for a
// person, −100 a mirror, another negative one a pause of that many minutes.
func walkPlan(from, to string, steps ...int) rollout.Plan {
	p := rollout.Plan{
		Name: "walk", Stable: revision(from), Canary: revision(to), MaxDuration: 3 * time.Hour, ScaleDown: time.Minute,
		OnDeadline: rollout.HoldAtDeadline,
		Split:      traffic.Split{Always: []traffic.Match{{Cohort: "beta"}}, Never: []traffic.Match{{Country: []string{"NL"}}}},
	}
	for _, n := range steps {
		switch {
		case n > 0:
			p.Steps = append(p.Steps, rollout.Step{Weight: traffic.Percent(float64(n))})
		case n == -100:
			p.Steps = append(p.Steps, rollout.Step{Shadow: traffic.Full})
		default:
			p.Steps = append(p.Steps, rollout.Step{Pause: &rollout.Pause{For: time.Duration(-n) * time.Minute}})
		}
	}
	if to == "v3" {
		p.OnDeadline = rollout.RollbackAtDeadline
		p.Confirm = []rollout.Confirm{
			{Kind: rollout.ConfirmStart, Name: "golden"}, {Kind: rollout.ConfirmStep, Name: "owner"},
			{Kind: rollout.ConfirmPromotion, Name: "owner"}, {Kind: rollout.ConfirmPromotion, Name: "freeze"},
		}
	}
	return p
}

// often draws the first value two times out of three.
func often[T any](w *walk, what string, usual T, others ...T) T {
	if rapid.IntRange(0, 2).Draw(w.t, what+"?") > 0 {
		return usual
	}
	return rapid.SampledFrom(others).Draw(w.t, what)
}

func (w *walk) observe() rollout.Observation {
	if w.file.Name == "" || rapid.IntRange(0, 14).Draw(w.t, "edit") == 0 {
		w.file = rapid.SampledFrom(walkPlans).Draw(w.t, "file")
	}
	w.now = w.now.Add(often(w, "dt", 15*time.Second, 0, time.Second, 20*time.Minute, 3*time.Hour, -5*time.Minute, -3*time.Hour))
	o := rollout.Observation{Now: w.now, Plan: w.file, Workloads: map[rollout.Role]rollout.Health{}}
	o.Traffic = w.traffic(often(w, "traffic", "carried", "unknown", "written", "older", "other"))
	for i, rev := range []rollout.Revision{w.file.Stable, w.file.Canary} {
		role := rollout.Role(i)
		h := rollout.Health{Revision: rev.Hash, Ready: true}
		switch often(w, role.String(), "ready", "starting", "failed", "unknown", "old", "ours", "new") {
		case "new":
			h.Reachable = w.now.Add(3 * time.Second)
		case "starting":
			h.Ready = false
		case "ours":
			h.Ready, h.Ours = false, true
		case "failed":
			h.Ready, h.Failed = false, role == traffic.Canary
		case "unknown":
			continue
		case "old":
			h.Revision = w.state.Plan.Canary.Hash
		}
		o.Workloads[role] = h
	}
	o.Blind = often(w, "blind", "", "", "no answer")
	w.verdict(&o)
	w.outside(&o)
	for range often(w, "commands", 0, 1, 2) {
		o.Commands = append(o.Commands, w.command())
	}
	return o
}

func (w *walk) traffic(what string) traffic.Observed {
	s := w.state.Want.Split
	o := traffic.Observed{Level: traffic.Accepted, Generation: s.Generation, Canary: s.Canary, Mirror: s.Mirror}
	switch what {
	case "unknown":
		return traffic.Observed{Level: traffic.Unknown}
	case "written":
		o.Level = traffic.Written
	case "older":
		o.Generation--
	case "other":
		o.Canary = traffic.Full - o.Canary + 1
	}
	return o
}

func (w *walk) verdict(o *rollout.Observation) {
	d := rapid.SampledFrom([]analysis.Decision{"", analysis.Pass, analysis.Pass, analysis.Pass, analysis.Inconclusive, analysis.Invalid, analysis.Fail}).Draw(w.t, "verdict")
	if d == analysis.Fail && rapid.IntRange(0, 3).Draw(w.t, "really") > 0 {
		d = analysis.Pass
	}
	if d == "" || w.state.Attempt == 0 {
		return // without an attempt nothing can be judged
	}
	w.block++
	block := w.block - int64(often(w, "late", 0, 1, 3))
	o.Evidence = &analysis.State{LastBlock: block}
	o.Verdict = analysis.Verdict{
		Decision: d, Reason: fmt.Sprintf("%s at block %d", d, block), Block: block,
		Stage: analysis.Stage{Index: rollout.StageOf(w.state).Index - often(w, "stage", 0, 1)},
	}
	o.Judged = rollout.Judged{Revision: w.state.Plan.Canary.Hash, Attempt: w.state.Attempt - often(w, "attempt", 0, 0, 0, 1)}
}

// outside answers what was asked last, and signals now and then.
func (w *walk) outside(o *rollout.Observation) {
	for _, g := range w.asks {
		switch often(w, "answer", "yes", "no", "none") {
		case "yes":
			o.Gates = append(o.Gates, rollout.GateResult{ID: g.ID, Passed: true})
		case "no":
			o.Gates = append(o.Gates, rollout.GateResult{ID: g.ID, Message: "not now"})
		}
	}
	for _, x := range []rollout.Effect{rollout.SignalWarn, rollout.SignalHold, rollout.SignalRollback} {
		if rapid.IntRange(0, 9).Draw(w.t, string(x)) > 0 {
			continue
		}
		s := rollout.Signal{Name: "flag " + rapid.SampledFrom([]string{"a", "b"}).Draw(w.t, "signal"), Effect: x, Message: "says so"}
		if rapid.Bool().Draw(w.t, "names its attempt") {
			s.Judged = rollout.Judged{Revision: w.state.Plan.Canary.Hash, Attempt: w.state.Attempt - often(w, "signal's attempt", 0, 1)}
		}
		o.Signals = append(o.Signals, s)
	}
}

func (w *walk) command() rollout.Command {
	w.asked++
	return rollout.Command{
		ID:   fmt.Sprintf("c%d", w.asked-often(w, "repeat", 0, 1, 2)),
		Verb: rapid.SampledFrom([]rollout.Verb{rollout.Promote, rollout.Abort, rollout.Hold, rollout.Resume, rollout.Retry, rollout.Retry}).Draw(w.t, "verb"),
		Full: rapid.IntRange(0, 3).Draw(w.t, "full") == 0,
	}
}
