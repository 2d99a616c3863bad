package rollout

import (
	"fmt"

	"github.com/haldane-dev/haldane/internal/analysis"
)

// obeyFail takes the candidate back the moment there is evidence that it is
// worse, before anybody is heard who would promote it.
func (t *turn) obeyFail() {
	switch t.s.Phase {
	case Initializing, Progressing, Paused, Promoting:
		if t.s.Verdict.Decision == analysis.Fail && !t.s.Plan.many() {
			t.takeBack(orElse(t.s.Verdict.Reason, "the evidence says that it is worse"))
			t.aim()
		}
	}
}

// takeBack begins the rollback: promotion stops and, in this same decision,
// all traffic is wanted on stable and no copy on the canary. If stable is not
// known to be ready, users go there all the same: the candidate is refused,
// and there is no third place.
func (t *turn) takeBack(reason string) { t.retreat(reason, "") }

// retreat is takeBack on behalf of somebody.
func (t *turn) retreat(reason, by string) {
	p, where := t.s.Plan, t.share()
	if t.s.Phase == Promoting {
		where = "100%"
	}
	if t.s.Serving != "" {
		// The canary arm still runs the version before, which goes on serving
		// until stable is ready: there is no traffic to take back.
		t.emitBy(by, EventRollback, "%s is given up before it began: %s", p.Canary, reason)
		t.enter(Idle, reason)
		t.retire(RolledBack)
		return
	}
	if !t.ready(stable) {
		reason += fmt.Sprintf(" (%s, where all traffic goes, itself %s)", p.Stable, t.unready(stable))
	}
	if t.s.Phase == Initializing {
		t.emitBy(by, EventRollback, "%s is taken back before any traffic: %s", p.Canary, reason)
	} else {
		t.emitBy(by, EventRollback, "%s is taken back from %s: %s", p.Canary, where, reason)
	}
	t.s.Kept = t.overhang(t.s.Want.Split.Canary)
	t.enter(RollingBack, reason)
	t.s.StepBegan, t.s.HeldBy, t.s.Alert = noTime, "", ""
	t.s.Deadline, t.s.Approved, t.s.Superseded = false, false, false
	t.s.Asking, t.s.Confirmed = false, nil
}

// supersede makes room for the revision that the file names now: first all
// traffic to stable, verified, and only then is the canary arm touched.
func (t *turn) supersede() {
	next := t.file().Canary
	reason := fmt.Sprintf("the file now names %s as the candidate", next)
	switch {
	case !t.file().candidate():
		reason = "the file names no candidate any more"
	case next.Hash == t.s.Plan.Canary.Hash:
		reason = fmt.Sprintf("the file now names %s as stable", t.file().Stable)
	}
	t.takeBack(reason)
	t.s.Superseded = true
}

// rollBack waits until the traffic is known to have left; what cannot be
// known scales nothing down.
func (t *turn) rollBack() bool {
	p := t.s.Plan
	if t.s.Superseded && t.s.Verdict.Decision == analysis.Fail {
		// It was being replaced unjudged; now it is judged.
		t.s.Superseded, t.s.Reason = false, t.s.Verdict.Reason
	}
	if moved, busy := t.leave(); busy {
		return moved
	}
	if t.s.Superseded {
		t.retire(RollingBack)
		t.arrive()
		return true
	}
	t.enter(RolledBack, t.s.Reason)
	t.retire(RolledBack)
	t.emit(EventRolledBack, "%s was taken back, all traffic is on %s: %s", p.Canary, p.Stable, t.s.Reason)
	return true
}

// leave waits until all traffic has left the candidate. busy is false when it
// is known to have.
func (t *turn) leave() (moved, busy bool) {
	p := t.s.Plan
	switch {
	case t.s.Kept != nil:
		left := t.overhang(*t.s.Kept)
		if !t.now.Before(t.s.PhaseBegan.Add(p.readyWithin())) {
			left = nil // stable does not come: there is no third place
		}
		return t.giveUp(left), true
	case !t.carried():
		t.waiting = fmt.Sprintf("Waiting for the router to confirm that all traffic has left %s", p.Canary)
		return false, true
	}
	return false, false
}

// rolledBack ends the candidate once it is safe, and waits for another one.
func (t *turn) rolledBack() bool { return t.dismiss("was taken back") }

// dismiss ends a candidate that is over, which the sentences tell in the words
// of how, once it is safe.
func (t *turn) dismiss(how string) bool {
	p := t.s.Plan
	replaced := t.file().Canary.Hash != p.Canary.Hash
	switch {
	case replaced && (t.s.Ended || t.carried()):
		t.arrive()
		return true
	case t.s.Ended:
		t.waiting = fmt.Sprintf("%s %s: retry runs it again, a new revision begins by itself", p.Canary, how)
	case !t.carried():
		t.waiting = fmt.Sprintf("%s is kept running: the router does not confirm that no traffic goes there", p.Canary)
	case t.now.Before(t.s.PhaseBegan.Add(p.ScaleDown)) && t.s.Exposed && !t.o.Workloads[canary].Failed:
		t.waiting = fmt.Sprintf("%s ends at %s", p.Canary, clockTime(t.s.PhaseBegan.Add(p.ScaleDown)))
	default:
		// At once if it never had traffic or has failed: nothing to drain.
		t.s.Ended = true
		return true
	}
	return false
}
