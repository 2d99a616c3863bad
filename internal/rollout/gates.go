package rollout

import (
	"fmt"
	"slices"
)

// confirmNext returns what has to be confirmed to leave the current step.
func (t *turn) confirmNext() GateKind {
	if k := t.s.Step + 1; k >= len(t.s.Plan.Steps) || t.s.Plan.Steps[k].full() {
		return ConfirmPromotion
	}
	return ConfirmStep
}

// confirmed reports whether everything that is asked before going on has been
// answered with yes, and asks what has not. An answer of no holds: it is asked
// again until it is yes.
func (t *turn) confirmed(k GateKind) bool {
	all := true
	for _, c := range t.s.Plan.Confirm {
		if c.Kind != k {
			continue
		}
		g := Gate{ID: t.gateID(c), Kind: k, Name: c.Name}
		i := slices.IndexFunc(t.o.Gates, func(r GateResult) bool { return r.ID == g.ID })
		if i >= 0 && t.o.Gates[i].Passed {
			continue
		}
		t.asks = append(t.asks, g)
		if all { // the first one says it all
			t.waiting = fmt.Sprintf("Waiting for %s to confirm the %s", c.Name, k)
			if i >= 0 && t.o.Gates[i].Message != "" {
				t.waiting += ": " + t.o.Gates[i].Message
			}
		}
		all = false
	}
	return all
}

// gateID names the question by what it is about, so that an answer given
// before a crash, or for another attempt, is told apart.
func (t *turn) gateID(c Confirm) string {
	return fmt.Sprintf("%s/%d/%d/%s/%s", t.s.Plan.Canary.Hash, t.s.Attempt, t.s.Step, c.Kind, c.Name)
}
