package rollout

import (
	"reflect"
	"slices"
	"time"

	"github.com/haldane-dev/haldane/internal/traffic"
)

// Next decides what should be true now. It is pure: equal inputs give equal
// decisions and neither input is modified, though the decision shares memory
// with both, so treat all three as read-only. Calling it again with the state
// it returned and the same observation returns the same state and no event.
//
// The order is part of the contract: evidence first, then a Fail, then a signal
// to take back, then what people ask for, then everything that moves by itself. So nobody can promote
// a candidate in the very call that brings its failure.
func Next(s State, o Observation) Decision {
	t := &turn{s: s, o: o, from: s.Want.Split}
	t.s.Version = StateVersion
	if t.s.Phase == "" {
		t.s.Phase = Idle
	}
	t.tick()
	t.aim()
	t.listen()
	t.obeyFail()
	t.obeySignals()
	t.obeyPeople()
	// Every pass ends a phase, a step or a wait, so the ladder bounds them.
	for range 2*len(t.s.Plan.Steps) + 2*len(o.Plan.Steps) + 16 {
		if !t.move() {
			break
		}
	}
	t.warn()
	t.countPeople()
	return t.decide(s)
}

// turn is the working copy of one call of Next.
type turn struct {
	s   State
	o   Observation
	now time.Time // never earlier than in any call before
	// from is the split that came in: the only one the observation can be about.
	from traffic.Split

	events  []Event
	replies []Reply
	asks    []Gate
	waiting string
}

// move makes at most one transition and reports whether it made one. When it
// did not, t.waiting says what for.
func (t *turn) move() bool {
	t.asks, t.waiting = nil, ""
	moved := false
	switch t.s.Phase {
	case Idle:
		moved = t.idle()
	case Initializing:
		moved = t.initialize()
	case Progressing, Paused:
		moved = t.climb()
	case Promoting:
		moved = t.promote()
	case Promoted:
		moved = t.promoted()
	case Completing:
		moved = t.completing()
	case Completed:
		moved = t.completed()
	case RollingBack:
		moved = t.rollBack()
	case RolledBack:
		moved = t.rolledBack()
	}
	if moved {
		t.aim()
	}
	return moved
}

// enter begins a phase.
func (t *turn) enter(p Phase, reason string) {
	t.s.Phase, t.s.PhaseBegan, t.s.Reason = p, t.now, reason
}

// carried reports whether the data plane carries what is wanted. What was
// observed before the split changed in this very call cannot tell.
func (t *turn) carried() bool {
	return t.s.Want.Split.Generation == t.from.Generation && t.o.Traffic.Carries(t.s.Want.Split)
}

// decide closes the turn: before is the state that came in.
func (t *turn) decide(before State) Decision {
	if len(t.events) > 0 {
		all := slices.Concat(before.Events, t.events)
		t.s.Events = all[max(0, len(all)-maxEvents):]
	}
	t.s.Sequence = before.Sequence
	if worthSaving(before, t.s) {
		t.s.Sequence++
	}
	return Decision{
		State:   t.s,
		Want:    t.s.Want,
		Asks:    t.asks,
		Events:  t.events,
		Replies: t.replies,
		Wake:    t.wake(),
		Waiting: t.waiting,
	}
}

// worthSaving reports whether b says more than a, the time of the last look
// aside.
func worthSaving(a, b State) bool {
	a.LastSeen, b.LastSeen = time.Time{}, time.Time{}
	return !reflect.DeepEqual(a, b)
}
