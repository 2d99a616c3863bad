package rollout

// complete ends a plan that promotes nothing. In this same decision all traffic
// that stable has room for is wanted on stable, and no copy on the candidate.
func (t *turn) complete(reason string) {
	t.s.Kept = t.overhang(t.s.Want.Split.Canary)
	t.enter(Completing, reason)
	t.s.StepBegan, t.s.HeldBy, t.s.Alert = noTime, "", ""
	t.s.Deadline, t.s.Approved = false, false
	t.s.Asking, t.s.Confirmed = false, nil
}

// completing waits until the traffic is known to have left.
func (t *turn) completing() bool {
	if moved, busy := t.leave(); busy {
		return moved
	}
	p := t.s.Plan
	t.enter(Completed, t.s.Reason)
	t.retire(Completed)
	if p.Experiment != nil {
		t.emit(EventCompleted, "The experiment of %s ends, all traffic is on %s: %s", p.Experiment.Versions(), p.Stable, t.s.Reason)
		return true
	}
	t.emit(EventCompleted, "%s was compared with %s and ends, all traffic is on %s: %s", p.Canary, p.Stable, p.Stable, orElse(t.s.Reason, "as the plan says"))
	return true
}

// completed ends the candidate, and waits for another one.
func (t *turn) completed() bool { return t.dismiss("was compared, as the plan says, and ended") }
