package engine

import (
	"slices"
	"time"

	"github.com/haldane-dev/haldane/internal/rollout"
)

// HoldKind says what keeps a paused rollout from going on.
type HoldKind string

// The kinds of hold, in order of priority: where two apply, the first is told.
const (
	HeldAtDeadline HoldKind = "deadline" // MaxDuration has passed undecided and the file says Hold
	HeldByPerson   HoldKind = "person"   // somebody's pause, until resume or promote
	HeldByStep     HoldKind = "step"     // a pause step of the plan
)

// Hold is who or what holds a paused rollout.
type Hold struct {
	Kind  HoldKind  `json:"kind"`
	By    string    `json:"by,omitempty"`   // who paused it, for HeldByPerson
	Since time.Time `json:"since,omitzero"` // when this hold began
	// Until is when a pause step ends by itself. Zero: it takes a person.
	Until time.Time `json:"until,omitzero"`
}

// holdOf returns what holds s, nil unless it is paused.
func holdOf(s rollout.State) *Hold {
	if s.Phase != rollout.Paused {
		return nil
	}
	switch {
	case s.Deadline:
		return &Hold{Kind: HeldAtDeadline, Since: s.PhaseBegan}
	case s.HeldBy != "":
		return &Hold{Kind: HeldByPerson, By: s.HeldBy, Since: s.PhaseBegan}
	}
	h := &Hold{Kind: HeldByStep, Since: s.StepBegan}
	if h.Since.IsZero() {
		h.Since = s.PhaseBegan
	}
	if s.Step < len(s.Plan.Steps) && !s.StepBegan.IsZero() {
		if p := s.Plan.Steps[s.Step].Pause; p != nil && p.For > 0 && !s.Approved {
			h.Until = s.StepBegan.Add(p.For)
		}
	}
	return h
}

// HeldAtDeadline reports whether the rollout is held, undecided, because its
// time is over.
func (s Status) HeldAtDeadline() bool { return s.Hold != nil && s.Hold.Kind == HeldAtDeadline }

// Held reports whether somebody or something holds the rollout: a person, a pause
// of the plan, the deadline, or somebody outside while there is something to hold.
func (s Status) Held() bool {
	if s.Hold != nil {
		return true
	}
	return (s.Phase == rollout.Initializing || s.Phase == rollout.Progressing) &&
		slices.ContainsFunc(s.Signals, func(x rollout.Signal) bool { return x.Effect == rollout.SignalHold })
}
