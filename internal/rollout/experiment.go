package rollout

import (
	"fmt"
	"strings"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/experiment"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// many reports whether the plan compares more than two arms: one that fails is
// then closed, and the rest goes on.
func (p Plan) many() bool { return p.Experiment != nil && len(p.Experiment.Arms) > traffic.NumArms }

// ArmName returns what people call an arm.
func (p Plan) ArmName(r Role) string {
	if p.many() && int(r) < len(p.Experiment.Arms) {
		return p.Experiment.Arms[r].Name
	}
	return r.String()
}

// trial is the experiment's evidence; the zero State before the first block.
func (s State) trial() experiment.State {
	if s.Experiment == nil {
		return experiment.State{}
	}
	return *s.Experiment
}

// open reports whether an arm may have traffic: always, but in an experiment.
func (s State) open(r Role) bool { return s.Plan.Experiment == nil || s.trial().Open(int(r)) }

// Compared is how long the arms of an experiment have been compared at a moment,
// 0 before their traffic flowed.
func (s State) Compared(now time.Time) time.Duration {
	switch {
	case s.Live.IsZero():
		return 0
	case s.Phase != Progressing && s.Phase != Paused:
		now = s.PhaseBegan
	}
	return max(0, now.Sub(s.Live))
}

// slots are who has each hundredth of random traffic.
func (s State) slots() string {
	if x := s.trial(); x.Slots != "" {
		return x.Slots
	}
	return s.Plan.Experiment.Slots()
}

// deal makes w the split of the experiment, if there is one.
func (s State) deal(w *traffic.Split) {
	e := s.Plan.Experiment
	if e == nil {
		return
	}
	slots := s.slots()
	w.Canary = traffic.SlotShare(slots, canary)
	if !s.open(canary) {
		w.Always = nil
	}
	if !s.Plan.many() {
		return
	}
	w.Slots = slots
	for arm := traffic.NumArms; arm < len(e.Arms); arm++ {
		v := traffic.Variant{Name: e.Arms[arm].Name}
		if s.open(Role(arm)) {
			v.Always = e.Arms[arm].Always
		}
		w.Variants = append(w.Variants, v)
	}
}

// weigh takes in what the last block made of the experiment.
func (t *turn) weigh() {
	if t.s.Plan.Experiment == nil || t.o.Experiment == nil {
		return
	}
	t.deals(*t.o.Experiment)
}

// deals takes over what is known of the experiment. If traffic is divided anew by
// it, the step's clock waits until it flows so.
func (t *turn) deals(next experiment.State) {
	before, slots := t.s.trial(), t.s.slots()
	t.s.Experiment = &next
	if t.s.slots() != slots {
		t.s.StepBegan = noTime
		t.aim()
	}
	t.tellClosed(before)
}

// tellClosed tells of the arms that were open before and are not now.
func (t *turn) tellClosed(before experiment.State) {
	if !t.s.Plan.many() {
		return // it is taken back, which says it
	}
	for arm, a := range t.s.Plan.Experiment.Arms {
		if now := t.s.trial(); before.Open(arm) && !now.Open(arm) {
			t.emit(EventClosed, "%s (%s) is closed, its users go to %s: %s", a.Name, a.Version, t.s.Plan.Stable, now.Arms[arm].Closed)
		}
	}
}

// unsafe closes the arms of a larger experiment that have stopped, and takes the
// whole back when no treatment is left.
func (t *turn) unsafe() bool {
	e := t.s.Plan.Experiment
	if t.s.Plan.many() {
		for arm := 1; arm < len(e.Arms); arm++ {
			role := Role(arm)
			if !t.s.open(role) || !t.stopped(role) {
				continue
			}
			t.deals(experiment.Close(*e, t.s.trial(), arm, "it has stopped"+t.message(role)))
		}
	}
	f := t.finding()
	if f.Ending == experiment.Unsafe {
		t.takeBack(f.Reason)
	}
	return f.Ending == experiment.Unsafe
}

// stopped is failed for any treatment.
func (t *turn) stopped(r Role) bool {
	h := t.o.Workloads[r]
	return h.Failed && t.now.After(t.s.PhaseBegan) && (h.Since.IsZero() || !h.Since.Before(t.s.Began))
}

// overdue reports whether the experiment's time is over, and nobody holds it.
func (t *turn) overdue() bool {
	e := t.s.Plan.Experiment
	return e != nil && e.MaxDuration > 0 && t.s.HeldBy == "" && t.s.Compared(t.now) >= e.MaxDuration
}

// variantInvalid returns why the comparison of an open variant cannot be trusted
// now, "" if all can.
func (t *turn) variantInvalid() string {
	if !t.s.Plan.many() {
		return ""
	}
	for arm, a := range t.s.trial().Arms {
		if arm >= traffic.NumArms && t.s.open(Role(arm)) && a.Verdict.Decision == analysis.Invalid {
			return fmt.Sprintf("%s: %s", t.s.Plan.ArmName(Role(arm)), orElse(a.Verdict.Reason, "the comparison cannot be trusted"))
		}
	}
	return ""
}

// variantLost takes everything back if a variant cannot be had: the experiment
// would not be the one that was asked for.
func (t *turn) variantLost() bool {
	if !t.s.Plan.many() {
		return false
	}
	late := !t.now.Before(t.s.PhaseBegan.Add(t.s.Plan.readyWithin()))
	for arm, a := range t.s.Plan.Experiment.Arms {
		role := Role(arm)
		if arm < traffic.NumArms || t.o.Workloads[role].Ready {
			continue
		}
		switch {
		case t.stopped(role):
			t.takeBack(fmt.Sprintf("%s (%s) did not become ready%s", a.Name, a.Version, t.message(role)))
			return true
		case late && !t.o.Workloads[role].Ours:
			t.takeBack(fmt.Sprintf("%s (%s) was not ready within %s%s", a.Name, a.Version, t.s.Plan.readyWithin(), t.message(role)))
			return true
		}
	}
	return false
}

// variantsReady reports whether every variant serves and, if not, says what it
// waits for.
func (t *turn) variantsReady() bool {
	if !t.s.Plan.many() {
		return true
	}
	for arm, a := range t.s.Plan.Experiment.Arms {
		if role := Role(arm); arm >= traffic.NumArms && !t.o.Workloads[role].Ready {
			t.waiting = fmt.Sprintf("Waiting for %s (%s) to become ready%s", a.Name, a.Version, t.message(role))
			return false
		}
	}
	return true
}

// finding is what the experiment has come to.
func (t *turn) finding() experiment.Finding {
	return experiment.Judge(*t.s.Plan.Experiment, t.s.trial(), t.s.Compared(t.now))
}

// wins reports whether the experiment ends with a canary that is to take stable's
// place: it is the better one by the goal, and no worse by the other metrics.
func (t *turn) wins() bool {
	f := t.finding()
	return t.s.Plan.Experiment.Promote && f.Ending == experiment.Winner && f.Arm == int(canary) && t.passed()
}

// settled reports whether the experiment has come to an end, and otherwise what
// it waits for. A canary that wins and is to be promoted has to be shown to be no
// worse by the other metrics first, within the experiment's time.
func (t *turn) settled() bool {
	e := t.s.Plan.Experiment
	switch f := t.finding(); {
	case f.Ending == "":
		t.waiting = fmt.Sprintf("Comparing %s: %s", t.shares(), orElse(f.Reason, "no block has been judged yet"))
	case e.Promote && f.Ending == experiment.Winner && f.Arm == int(canary) && !t.passed() &&
		(e.MaxDuration <= 0 || t.s.Compared(t.now) < e.MaxDuration):
		t.waiting = fmt.Sprintf("%s. Waiting for evidence that it is no worse otherwise: %s", f.Reason, t.soFar())
	default:
		return true
	}
	return false
}

// shares says how traffic is divided.
func (t *turn) shares() string {
	slots := t.s.slots()
	var all []string
	for arm, a := range t.s.Plan.Experiment.Arms {
		all = append(all, fmt.Sprintf("%s %s", a.Name, traffic.SlotShare(slots, traffic.Arm(arm))))
	}
	return strings.Join(all, ", ")
}
