package rollout

import (
	"errors"
	"fmt"

	"github.com/haldane-dev/haldane/internal/traffic"
)

// The errors of Validate.
var (
	// ErrNewer means the state was written by a newer version of Haldane,
	// which may have meant more by it than this one can read.
	ErrNewer = errors.New("the state was written by a newer version of haldane: use that version, or a new state file")
	// ErrDamaged means the state contradicts itself.
	ErrDamaged = errors.New("the state is damaged")
)

// Validate reports whether Next can go on from a state that a store gave
// back. The zero State is valid. Errors wrap ErrNewer or ErrDamaged.
func (s State) Validate() error {
	if s.Version > StateVersion {
		return fmt.Errorf("state of format %d, this version reads up to %d: %w", s.Version, StateVersion, ErrNewer)
	}
	damaged := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
	}
	switch s.Phase {
	case "", Idle:
	case Initializing, Progressing, Paused, Promoting, Promoted, Completing, Completed, RollingBack, RolledBack:
		if s.Attempt < 1 || s.Plan.Canary.Hash == "" {
			return damaged("phase %s without an attempt at a revision", s.Phase)
		}
	default:
		return damaged("unknown phase %q", s.Phase)
	}
	switch e := s.Plan.End; e {
	case "", EndPromote, EndReport:
	default:
		return damaged("a plan that ends with %q", e)
	}
	switch w := s.Want.Split; {
	case s.Version < 0:
		return damaged("format %d", s.Version)
	case s.Step < 0 || s.Step > len(s.Plan.Steps):
		return damaged("step %d of %d", s.Step, len(s.Plan.Steps))
	case s.Excluded < 0:
		return damaged("%s excluded from the deadline", s.Excluded)
	case w.Canary < 0 || w.Canary > traffic.Full || w.Mirror < 0 || w.Mirror > traffic.Full:
		return damaged("wanted weight %s, mirror %s", w.Canary, w.Mirror)
	}
	if e := s.Plan.Experiment; e != nil {
		if n := len(e.Arms); n < traffic.NumArms || n > traffic.MaxArms {
			return damaged("an experiment of %d arms", n)
		}
		if x := s.Experiment; x != nil && len(x.Arms) != 0 && len(x.Arms) != len(e.Arms) {
			return damaged("evidence on %d arms of %d", len(x.Arms), len(e.Arms))
		}
	}
	for i, step := range s.Plan.Steps {
		if step.Weight < 0 || step.Weight > traffic.Full || step.Shadow < 0 || step.Shadow > traffic.Full {
			return damaged("step %d has weight %s, mirror %s", i, step.Weight, step.Shadow)
		}
		if step.For < 0 {
			return damaged("step %d takes %s at least", i, step.For)
		}
	}
	return nil
}
