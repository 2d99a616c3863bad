package rollout

import "github.com/haldane-dev/haldane/internal/analysis"

// judging reports whether the block that came in can be evidence of the
// current attempt. Before the first step it is the baseline's history, unless
// the version promoted before still serves as the canary arm: its requests
// must not count as the candidate's, and so it is with the block that ends
// just when the attempt begins.
func (t *turn) judging() bool {
	switch t.s.Phase {
	case Initializing, Progressing, Paused, Promoting, RollingBack:
		return t.s.Serving == "" && t.now.After(t.s.Began)
	}
	return false
}

// listen takes in the last block's evidence and verdict. A verdict of another
// attempt, of another step or from before the step's traffic flowed is
// dropped, unless it is a Fail of this attempt.
func (t *turn) listen() {
	if t.o.Cursor != "" {
		t.s.Cursor = t.o.Cursor
	}
	if t.o.Evidence == nil || !t.judging() || !t.concerned() {
		return
	}
	v, fail := t.o.Verdict, t.o.Verdict.Decision == analysis.Fail
	if t.s.Evidence == nil || t.o.Evidence.LastBlock >= t.s.Evidence.LastBlock {
		t.s.Evidence = t.o.Evidence
	} else if !fail {
		return
	}
	t.weigh()
	current := v.Stage.Index == StageOf(t.s).Index && v.Block >= t.s.FirstBlock &&
		(!t.s.StepBegan.IsZero() || t.s.step().Pause != nil)
	if fail || t.s.Verdict.Decision != analysis.Fail && current {
		t.s.Verdict = v
	}
}

// concerned reports whether the verdict is about the current attempt.
func (t *turn) concerned() bool { return t.current(t.o.Judged) }

// current reports whether j is the current attempt.
func (t *turn) current(j Judged) bool {
	return j == Judged{} || j.Revision == t.s.Plan.Canary.Hash && j.Attempt == t.s.Attempt
}

// inForce returns the newest verdict on the step in force, false if there is
// none. The saved one was taken in for the step it names; it may still be that
// of the step before.
func (t *turn) inForce() (analysis.Verdict, bool) {
	v, i := t.s.Verdict, StageOf(t.s).Index
	return v, v.Decision != "" && i >= 0 && v.Stage.Index == i
}

// passed reports whether the step in force has shown what it has to.
func (t *turn) passed() bool {
	v, ok := t.inForce()
	return ok && v.Decision == analysis.Pass
}

// invalid returns why the comparison cannot be trusted now, "" if it can.
func (t *turn) invalid() string {
	if v, ok := t.inForce(); ok && v.Decision == analysis.Invalid {
		return orElse(v.Reason, "the comparison cannot be trusted")
	}
	return ""
}

// nextBlock returns the first block that can have begun after this call.
func (t *turn) nextBlock() int64 {
	next := max(t.s.FirstBlock, t.o.NextBlock)
	if e := t.s.Evidence; e != nil {
		next = max(next, e.LastBlock+1)
	}
	if t.o.Evidence != nil && t.concerned() {
		next = max(next, t.o.Evidence.LastBlock+1)
	}
	return next
}
