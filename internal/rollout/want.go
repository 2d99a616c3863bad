package rollout

import (
	"reflect"

	"github.com/haldane-dev/haldane/internal/traffic"
)

// aim brings Want in line with the rest of the state, from which it follows
// entirely. The generation grows if, and only if, the split differs from the
// one that came in.
func (t *turn) aim() {
	split := t.s.split()
	split.Generation = t.from.Generation
	if !sameSplit(split, t.from) {
		split.Generation++
	}
	t.s.Want = Desired{Split: split, Scale: t.s.scale()}
}

// sameSplit compares two splits, generations aside.
func sameSplit(a, b traffic.Split) bool {
	a.Generation, b.Generation = 0, 0
	return reflect.DeepEqual(a, b)
}

// split returns the wanted split without its generation.
func (s State) split() traffic.Split {
	w := s.Plan.Split
	w.Canary, w.Mirror, w.Open = 0, 0, false
	if w.Salt == "" {
		w.Salt = string(s.Plan.Name)
	}
	switch s.Phase {
	case Idle, Initializing:
		if s.Serving != "" && !s.Leaving {
			return whole(w)
		}
		if s.Serving != "" {
			w.Canary = s.kept(0)
		}
	case Progressing, Paused:
		w.Open = s.step().Pause != nil
		if i := s.inForce(); i >= 0 {
			step := s.Plan.Steps[i]
			w.Canary, w.Mirror = step.Weight, step.Shadow
			w.Open = w.Open || step.Preview || step.Weight > 0
			s.deal(&w)
		}
	case Promoting:
		w.Canary = s.kept(traffic.Full)
		w.Open = s.Kept != nil
	case Completing, RollingBack:
		w.Canary = s.kept(0)
	case Promoted:
		return whole(w)
	}
	return w
}

// whole sends everything to the canary arm, matches or not: the other arm may
// end, and a never match would then lead nowhere.
func whole(w traffic.Split) traffic.Split {
	w.Canary, w.Always, w.Never = traffic.Full, nil, nil
	return w
}

// scale returns which arms should run, and how much of the canary arm.
func (s State) scale() Scale {
	x := Scale{Stable: true, Canary: true, Promoted: s.Serving != ""}
	switch s.Phase {
	case Idle:
		x.Canary = s.Serving != ""
		x.Draining = !x.Canary && !s.Ended
	case Completed, RolledBack:
		x.Canary = !s.Ended
	case Promoted:
		x.Stable, x.Promoted = !s.Ended, true
	}
	if x.Canary {
		x.Room, x.Revision = s.Room, s.Plan.Canary.Hash
		if s.Serving != "" {
			x.Revision = s.Serving
		}
	}
	return x
}
