package rollout

import (
	"fmt"
	"reflect"
	"time"
)

// file returns the plan of the file, or the snapshot when the file could not
// be read this time.
func (t *turn) file() Plan {
	if t.o.Plan.Stable.Hash == "" && t.o.Plan.Canary.Hash == "" {
		return t.s.Plan
	}
	return t.o.Plan
}

// replaced reports whether the file names another pair of revisions than the
// one that is being compared. A new baseline counts too: what was learnt
// against the old one says nothing of it.
func (t *turn) replaced() bool {
	f := t.file()
	return f.Canary.Hash != t.s.Plan.Canary.Hash || f.Stable.Hash != t.s.Plan.Stable.Hash
}

// idle waits for a candidate and follows the file meanwhile.
func (t *turn) idle() bool {
	if moved, busy := t.handOver(); busy {
		return moved
	}
	f := t.file()
	if past, left := t.s.Retired[f.Canary.Hash]; f.candidate() && !(left && past.promotedOver(f.Stable)) {
		t.arrive()
		return true
	}
	if moved := t.drain(); moved {
		return true
	}
	t.waiting = f.idleReason(t.s.Retired)
	if f.Canary.Hash == t.s.Plan.Canary.Hash {
		// The attempt's number is the core's, not the file's.
		f.Analysis.Attempt = t.s.Plan.Analysis.Attempt
	}
	if t.s.Reason == t.waiting && reflect.DeepEqual(f, t.s.Plan) {
		return false
	}
	t.s.Plan, t.s.Reason = f, t.waiting
	return true
}

// drain finds that the canary arm has had no traffic for long enough.
func (t *turn) drain() (moved bool) {
	switch {
	case t.s.Ended:
		return false
	case t.s.Clear.IsZero() && t.carried():
		t.s.Clear = t.now
	case t.s.Clear.IsZero() || t.now.Before(t.s.Clear.Add(t.s.Plan.ScaleDown)):
		return false
	default:
		t.s.Ended = true
	}
	return true
}

// promotedOver reports whether it took the place of the very version that is
// stable now. Over another one it is a candidate again: that is how people go
// back to a version that was good.
func (p Past) promotedOver(stable Revision) bool {
	return p.Phase == Promoted && (p.Over == "" || p.Over == stable.Hash)
}

// arrive turns to the revision that the file names now, whatever was before:
// it begins, or stays ended if it has ended before.
func (t *turn) arrive() {
	f := t.file()
	past, left := t.s.Retired[f.Canary.Hash]
	switch {
	case !f.candidate(), left && past.promotedOver(f.Stable):
		t.adopt(f, past.Attempt)
		t.enter(Idle, f.idleReason(t.s.Retired))
	case left && (past.Phase == RolledBack || past.Phase == Completed):
		t.adopt(f, past.Attempt)
		if t.s.Serving != "" {
			t.enter(Idle, "") // stable takes over first
			return
		}
		t.enter(past.Phase, past.Reason)
		t.s.Ended = true
	default:
		t.begin(f, past.Attempt+1)
	}
}

// begin starts attempt n at the candidate of plan f.
func (t *turn) begin(f Plan, n int) {
	t.adopt(f, n)
	t.enter(Initializing, "")
	again := ""
	if n > 1 {
		again = fmt.Sprintf(", attempt %d", n)
	}
	if f.Experiment != nil {
		t.emit(EventStarted, "An experiment of %s begins%s: all start, all traffic stays on %s", f.Experiment.Versions(), again, f.Stable)
		return
	}
	what := "replace"
	if f.reports() {
		what = "be compared with"
	}
	t.emit(EventStarted, "%s is to %s %s%s: both start, all traffic stays on %s", f.Canary, what, f.Stable, again, f.Stable)
}

// adopt takes plan f as the snapshot and forgets all that belongs to the
// attempt before. What belongs to the rollout stays: the past, the commands
// seen, undelivered events, and the source's position, so that no count is
// read twice.
func (t *turn) adopt(f Plan, attempt int) {
	old := t.s
	f.Analysis.Attempt = attempt
	t.s = State{
		Version: StateVersion, Plan: f, Phase: old.Phase, Attempt: attempt, Sequence: old.Sequence,
		Began: t.now, PhaseBegan: t.now, LastSeen: old.LastSeen,
		Want: old.Want, Cursor: old.Cursor,
		Serving: old.Serving, Leaving: old.Leaving,
		Room: f.needs(0),
		Seen: old.Seen, Refused: old.Refused, Events: old.Events, Emitted: old.Emitted, Told: old.Told, Retired: old.Retired,
	}
	if old.Phase == Promoted {
		t.s.Serving = old.Plan.Canary.Hash
	}
	if t.s.Serving != "" {
		t.s.Room, t.s.Kept = old.Room, old.Kept
	}
}

// candidate reports whether the plan names one: a revision other than stable.
func (p Plan) candidate() bool {
	return p.Canary.Hash != "" && p.Canary.Hash != p.Stable.Hash
}

// idleReason says why nothing is rolled out.
func (p Plan) idleReason(retired map[string]Past) string {
	past := retired[p.Canary.Hash]
	switch {
	case p.Canary.Hash == "":
		return "Waiting for a candidate: the file names none"
	case !p.candidate():
		return fmt.Sprintf("Waiting for a candidate: the file names %s as both stable and canary", p.Canary)
	case past.Phase == Promoted:
		return fmt.Sprintf("%s was promoted at %s: name it as stable, or retry to judge it again", p.Canary, past.At.Format(time.RFC3339))
	}
	return "Waiting for a candidate"
}

// String returns the name people use, or the start of the hash if there is none.
func (r Revision) String() string {
	switch {
	case r.Version != "":
		return r.Version
	case r.Hash != "":
		return r.Hash[:min(len(r.Hash), 12)]
	}
	return "(none)"
}
