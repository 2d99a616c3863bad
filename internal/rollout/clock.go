package rollout

import "time"

// maxGap is the longest time between two looks that is taken at its word. A
// clock that jumps further forward (or a machine that slept, or a process that
// was down: they look the same) advances timers by this much only, so that
// nothing is decided by time that nobody watched.
const maxGap = time.Hour

// tick sets the turn's time. Time never runs backward: a clock that is a
// little behind stands still until it has caught up, and one that was set back
// by more than maxGap takes the running timers along, so that they go on from
// what had elapsed.
func (t *turn) tick() {
	// Without zone and monotonic reading, so that JSON keeps it as it is.
	now := t.o.Now.Round(0).UTC()
	if last := t.s.LastSeen; !last.IsZero() {
		switch gap := now.Sub(last); {
		case gap < -maxGap:
			t.rebase(gap)
		case gap < 0:
			now = last
		case gap > maxGap:
			t.rebase(gap - maxGap)
		}
	}
	t.now, t.s.LastSeen = now, now
}

// rebase moves the running timers by d, as if they had been read from the
// clock as it is now.
func (t *turn) rebase(d time.Duration) {
	if t.s.Phase == Idle || t.s.Ended {
		return // no timer runs, and the times are history
	}
	for _, at := range []*time.Time{&t.s.Began, &t.s.Live, &t.s.StepBegan, &t.s.PhaseBegan, &t.s.WaitSince} {
		if !at.IsZero() {
			*at = at.Add(d)
		}
	}
}

// waitsForPerson reports whether nothing goes on until somebody acts or
// answers. That time is not counted against the deadline.
func (s State) waitsForPerson() bool {
	if s.Asking {
		return s.Phase == Progressing || s.Phase == Paused
	}
	if s.Phase != Paused {
		return false
	}
	p := s.step().Pause
	return s.HeldBy != "" || p != nil && p.For == 0 && !s.Approved
}

// countPeople keeps account of the time spent waiting for people.
func (t *turn) countPeople() {
	waits := t.s.waitsForPerson()
	switch {
	case waits && t.s.WaitSince.IsZero():
		t.s.WaitSince = t.now
	case !waits && !t.s.WaitSince.IsZero():
		t.s.Excluded += t.now.Sub(t.s.WaitSince)
		t.s.WaitSince = time.Time{}
	}
}

// wake returns the soonest time at which something changes by itself, zero if
// nothing does.
func (t *turn) wake() time.Time {
	var soonest time.Time
	consider := func(at time.Time) {
		if at.After(t.now) && (soonest.IsZero() || at.Before(soonest)) {
			soonest = at
		}
	}
	for _, h := range t.o.Workloads {
		consider(h.Reachable)
	}
	switch s := t.s; s.Phase {
	case Initializing:
		if s.Serving == "" && !t.ready(canary) {
			consider(s.PhaseBegan.Add(s.Plan.readyWithin()))
		}
	case Progressing, Paused:
		least := s.step().For
		if p := s.step().Pause; p != nil {
			least = p.For
		}
		if least > 0 && !s.StepBegan.IsZero() {
			consider(s.StepBegan.Add(least))
		}
		if at := s.DeadlineAt(); !s.Deadline && !at.IsZero() {
			consider(at)
		}
	case Idle:
		if !s.Ended && !s.Clear.IsZero() {
			consider(s.Clear.Add(s.Plan.ScaleDown))
		}
	case Completing, RollingBack:
		if s.Kept != nil {
			consider(s.PhaseBegan.Add(s.Plan.readyWithin()))
		}
	case Promoted, Completed, RolledBack:
		if !s.Ended {
			consider(s.PhaseBegan.Add(s.Plan.ScaleDown))
		}
	}
	return soonest
}
