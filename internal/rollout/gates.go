package rollout

import (
	"fmt"
	"slices"
)

// confirmNext returns what has to be confirmed to leave the current step. The
// end of a plan that promotes nothing asks nobody.
func (t *turn) confirmNext() (k GateKind, asks bool) {
	next := t.s.Step + 1
	switch {
	case next >= len(t.s.Plan.Steps) && t.s.Plan.reports():
		return "", false
	case next >= len(t.s.Plan.Steps) || t.s.Plan.Steps[next].full():
		return ConfirmPromotion, true
	}
	return ConfirmStep, true
}

// confirmed reports whether everything that is asked before going on has been
// answered with yes, and otherwise what holds. What has not is asked, one
// question after the other in the order of the plan: a costly test does not
// begin before a person has allowed the rollout. A yes is saved and need not be
// given again, after a crash either. An answer of no holds: it is asked again
// until it is yes.
//
// The time that passes here is not the candidate's: like a pause for a person,
// it does not count against the deadline.
func (t *turn) confirmed(k GateKind) (no hold, ok bool) {
	for _, c := range t.s.Plan.Confirm {
		if c.Kind != k {
			continue
		}
		g := Gate{ID: t.gateID(c), Kind: k, Name: c.Name}
		if slices.Contains(t.s.Confirmed, g.ID) {
			continue
		}
		i := slices.IndexFunc(t.o.Gates, func(r GateResult) bool { return r.ID == g.ID })
		if i >= 0 && t.o.Gates[i].Passed {
			t.s.Confirmed = append(slices.Clone(t.s.Confirmed), g.ID)
			continue
		}
		t.asks = append(t.asks, g)
		t.s.Asking = true
		t.waiting = fmt.Sprintf("Waiting for %s to confirm the %s", c.Name, k)
		if i < 0 {
			return hold{holdGate, ""}, false
		}
		if t.o.Gates[i].Message != "" {
			t.waiting += ": " + t.o.Gates[i].Message
		}
		return hold{holdGate, t.waiting}, false
	}
	return hold{}, true
}

// gateID names the question by what it is about, so that an answer given
// before a crash, or for another attempt, is told apart.
func (t *turn) gateID(c Confirm) string {
	return fmt.Sprintf("%s/%d/%d/%s/%s", t.s.Plan.Canary.Hash, t.s.Attempt, t.s.Step, c.Kind, c.Name)
}
