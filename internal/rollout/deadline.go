package rollout

import (
	"fmt"
	"time"
)

var noTime time.Time

// DeadlineAt returns when MaxDuration ends, the time spent waiting for people
// so far not counted. It is zero when there is no deadline, before the first
// canary traffic, while a person is waited for, and in phases without one.
func (s State) DeadlineAt() time.Time {
	switch {
	case s.Phase != Progressing && s.Phase != Paused,
		s.Plan.MaxDuration <= 0, s.Live.IsZero(), s.waitsForPerson():
		return noTime
	}
	return s.Live.Add(s.Plan.MaxDuration + s.Excluded)
}

// deadline holds the rollout, or takes the candidate back, when its time is
// over. It is looked at before the verdict, so that evidence that came too
// late does not promote.
func (t *turn) deadline() bool {
	at := t.s.DeadlineAt()
	if t.s.Deadline || at.IsZero() || t.now.Before(at) {
		return false
	}
	why := fmt.Sprintf("%s have passed without enough evidence", t.s.Plan.MaxDuration)
	if t.s.Plan.OnDeadline == RollbackAtDeadline {
		t.takeBack("the deadline: " + why)
		return true
	}
	t.s.Deadline = true
	t.enter(Paused, "Deadline: "+why)
	t.emit(EventDeadline, "%s: %s stays at %s; %s", why, t.s.Plan.Canary, t.share(), t.s.Plan.wayOut("promote"))
	return true
}

// wayOut says what a person can do at the deadline, beginning with the word
// promote as it is given.
func (p Plan) wayOut(promote string) string {
	if p.reports() {
		return fmt.Sprintf("%s gives it another %s, abort takes it back", promote, p.MaxDuration)
	}
	return fmt.Sprintf("%s gives it another %s, promote --full skips the evidence, abort takes it back", promote, p.MaxDuration)
}

// extend gives the rollout another MaxDuration from now.
func (t *turn) extend() {
	t.s.Deadline = false
	t.s.Excluded = t.now.Sub(t.s.Live)
}

func clockTime(at time.Time) string { return at.UTC().Format("15:04:05 MST") }
