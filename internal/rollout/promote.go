package rollout

import (
	"fmt"
	"slices"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// beginPromotion wants all traffic on the candidate. A failure that shows
// before the router confirms it still takes the candidate back.
func (t *turn) beginPromotion() {
	t.enter(Promoting, "")
	t.s.HeldBy, t.s.Deadline, t.s.Alert = "", false, ""
	t.s.Asking, t.s.Confirmed = false, nil
	if now := t.s.Want.Split.Canary; !t.roomFor(traffic.Full) {
		t.s.Kept = &now // all evidence was skipped before there was room
	}
	t.emit(EventPromoting, "%s gets all traffic", t.s.Plan.Canary)
}

// promote waits until all traffic is known to reach the candidate.
func (t *turn) promote() bool {
	p := t.s.Plan
	if t.abandon() {
		return true
	}
	if t.s.Kept != nil {
		if t.roomFor(traffic.Full) {
			t.s.Kept = nil
			return true
		}
		return false
	}
	if !t.carried() {
		t.waiting = fmt.Sprintf("Waiting for the router to carry 100%% to %s", p.Canary)
		return false
	}
	t.enter(Promoted, orElse(t.why(), p.unjudged()))
	t.retire(Promoted)
	t.emit(EventPromoted, "%s serves everything in place of %s", p.Canary, p.Stable)
	return true
}

// unjudged says why there is no evidence.
func (p Plan) unjudged() string {
	if slices.ContainsFunc(p.Steps, Step.bakes) {
		return "nothing was compared, and nothing outside was against it"
	}
	return "promoted without evidence, as asked for"
}

// why returns the sentence that allowed promotion.
func (t *turn) why() string {
	if t.s.Plan.Experiment != nil {
		return t.finding().Reason
	}
	if t.s.Verdict.Decision == analysis.Pass {
		return t.s.Verdict.Reason
	}
	return ""
}

// promoted lets the old version end once nothing can need it, and waits for
// another revision.
func (t *turn) promoted() bool {
	p := t.s.Plan
	end := t.s.PhaseBegan.Add(p.ScaleDown)
	switch {
	case t.file().Canary.Hash != p.Canary.Hash || t.file().Stable.Hash == p.Canary.Hash:
		t.arrive()
		return true
	case t.s.Ended:
		t.waiting = fmt.Sprintf("%s serves everything: a new revision begins by itself", p.Canary)
	case !t.carried():
		t.waiting = fmt.Sprintf("%s is kept running: the router does not confirm that no traffic goes there", p.Stable)
	case !t.ready(canary):
		t.waiting = fmt.Sprintf("%s is kept running: %s is not ready%s", p.Stable, p.Canary, t.message(canary))
	case t.now.Before(end):
		t.waiting = fmt.Sprintf("%s ends at %s", p.Stable, clockTime(end))
	default:
		t.s.Ended = true
		return true
	}
	return false
}
