package rollout

import (
	"fmt"

	"github.com/haldane-dev/haldane/internal/traffic"
)

// climb is one look at the ladder: Progressing and Paused. What ends the
// rollout comes before what holds it, and that before what lets it go on.
func (t *turn) climb() bool {
	t.countPeople()
	switch {
	case t.abandon(), t.flow(), t.deadline(), t.settle():
		return true
	}
	hold, leave := t.hold(), false
	t.s.Asking = false
	switch {
	case hold.kind != noHold && t.overdue():
		t.complete(fmt.Sprintf("its time is over, and nothing can be said: %s", hold.why))
		return true
	case t.s.Deadline:
		t.waiting = fmt.Sprintf("Held at %s: its deadline has passed. %s", t.share(), t.s.Plan.wayOut("Promote"))
	case t.s.HeldBy != "":
		t.waiting = fmt.Sprintf("Held at %s by %s: resume goes on, abort takes it back", t.share(), t.s.HeldBy)
	case hold.kind != noHold:
		t.waiting = hold.why
	case t.mayLeave():
		leave = true
		if k, asks := t.confirmNext(); asks && (t.s.Plan.Experiment == nil || t.wins()) {
			hold, leave = t.confirmed(k)
		}
		leave = leave && t.roomFor(t.s.Plan.needs(t.s.Step+1))
	}
	t.alert(hold)
	if leave {
		t.enterStep(t.s.Step + 1)
	}
	return leave
}

// abandon ends the climb for a reason that no step can outweigh. Another one,
// a Fail, has been obeyed by then (see obeyFail).
func (t *turn) abandon() bool {
	switch {
	case t.s.Plan.Experiment != nil && t.unsafe():
		return true
	case t.failed() && !t.s.Plan.many():
		t.takeBack(fmt.Sprintf("%s has stopped%s", t.s.Plan.Canary, t.message(canary)))
	case t.replaced():
		t.supersede()
	default:
		return false
	}
	return true
}

// flow starts the step's clock once its traffic is seen to flow. Blocks up to
// now were taken before that, at least in part, and do not judge it.
func (t *turn) flow() bool {
	if !t.s.StepBegan.IsZero() || !t.carried() {
		return false
	}
	t.s.StepBegan = t.now
	step := t.s.step()
	if step.gated() {
		t.s.FirstBlock = t.nextBlock()
	}
	if (step.gated() || step.bakes()) && t.s.Live.IsZero() {
		t.s.Live = t.now
	}
	return true
}

// settle keeps the phase in line with what holds the step.
func (t *turn) settle() bool {
	want := Progressing
	if t.s.HeldBy != "" || t.s.Deadline || t.s.step().Pause != nil {
		want = Paused
	}
	if t.s.Phase == want {
		return false
	}
	t.enter(want, "")
	return true
}

// mayLeave reports whether the step has done its part and, if not, says what
// it waits for.
func (t *turn) mayLeave() bool {
	step := t.s.step()
	p, until := step.Pause, t.s.StepBegan.Add(step.For)
	switch {
	case t.s.Plan.Experiment != nil:
		return t.settled()
	case p == nil && step.gated() && !t.passed():
		t.waiting = fmt.Sprintf("Waiting for evidence at %s: %s", t.share(), t.soFar())
	case p == nil && t.now.Before(until):
		t.waiting = fmt.Sprintf("Stays at %s until %s at least", t.share(), clockTime(until))
	case p == nil:
		return true
	case t.s.Approved:
		return true
	case p.For == 0:
		t.waiting = fmt.Sprintf("Waiting for a person at %s: promote goes on, abort takes it back", t.share())
	case t.now.Before(t.s.StepBegan.Add(p.For)):
		t.waiting = fmt.Sprintf("Pausing at %s until %s", t.share(), clockTime(t.s.StepBegan.Add(p.For)))
	default:
		return true
	}
	return false
}

// soFar returns what the evidence of this step says.
func (t *turn) soFar() string {
	v, ok := t.inForce()
	switch {
	case !ok:
		return "no block has been judged yet"
	case v.Reason == "":
		return "not enough yet"
	}
	return v.Reason
}

// enterStep goes to step k, or to promotion if k sends all traffic. Running
// off the end means the same: the step before was the last gate.
func (t *turn) enterStep(k int) {
	lost := k > 0 && t.s.Plan.Experiment != nil && !t.wins()
	t.s.Step, t.s.StepBegan, t.s.Approved, t.s.Exposed = k, noTime, false, true
	t.s.Asking, t.s.Confirmed = false, nil
	steps := t.s.Plan.Steps
	if k >= len(steps) && t.s.Plan.reports() || lost {
		t.complete(t.why())
		return
	}
	if k >= len(steps) || steps[k].full() {
		t.beginPromotion()
		return
	}
	next, reason, where := Progressing, "", fmt.Sprintf("Step %d of %d", k+1, len(steps))
	if step := steps[k]; step.Pause != nil {
		next, reason = Paused, t.pauseText(*step.Pause)
		t.emit(EventPaused, "%s: %s", where, reason)
	} else {
		t.emit(EventStep, "%s: %s", where, t.stepText(step))
	}
	if t.s.Phase == next {
		t.s.Reason = reason
		return
	}
	t.enter(next, reason)
}

// stepText says what a step that is no pause does.
func (t *turn) stepText(s Step) string {
	p, least := t.s.Plan, ""
	if s.For > 0 {
		least = fmt.Sprintf(", for %s at least", s.For)
	}
	switch {
	case s.Preview && s.Shadow > 0:
		return fmt.Sprintf("%s can be previewed and %s of requests are copied to it, users see %s only%s", p.Canary, s.Shadow, p.Stable, least)
	case s.Preview:
		return fmt.Sprintf("%s can be previewed, users see %s only%s", p.Canary, p.Stable, least)
	case s.Shadow > 0:
		return fmt.Sprintf("%s of requests are copied to %s, users see %s only%s", s.Shadow, p.Canary, p.Stable, least)
	case p.Experiment != nil:
		return "the experiment begins: " + t.shares()
	}
	return fmt.Sprintf("%s of requests go to %s%s", s.Weight, p.Canary, least)
}

func (t *turn) pauseText(p Pause) string {
	if p.For > 0 {
		return fmt.Sprintf("%s stays at %s for %s", t.s.Plan.Canary, t.share(), p.For)
	}
	return fmt.Sprintf("%s stays at %s until a person promotes it", t.s.Plan.Canary, t.share())
}

// share returns the traffic in force, for sentences.
func (t *turn) share() string {
	i := t.s.inForce()
	if i < 0 {
		return traffic.Weight(0).String()
	}
	if t.s.Plan.many() {
		return t.shares()
	}
	switch s := t.s.Plan.Steps[i]; {
	case s.Shadow > 0:
		return s.Shadow.String() + " mirrored"
	case s.Preview:
		return "the preview"
	default:
		return s.Weight.String()
	}
}
