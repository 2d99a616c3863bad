package rollout

import (
	"fmt"

	"github.com/haldane-dev/haldane/internal/traffic"
)

// Traffic goes only where there is room for it. Going up, the canary arm is
// sized for the next step before its weight is wanted; going back, as much
// stays on the candidate as stable has no room for, for a limited time, and
// the arm shrinks only after its traffic has. A workload that reports no
// Health.Short has room for everything, and nothing here ever waits.

// needs returns the share of traffic that step k gives the candidate, the end
// of the ladder being all of it.
func (p Plan) needs(k int) traffic.Weight {
	switch e := p.Experiment; {
	case k == 0 && e != nil && e.Thompson:
		return traffic.Percent(100 * (1 - e.Floor)) // as much as it may come to
	case k >= len(p.Steps) && p.reports():
		return 0
	case k >= len(p.Steps) || p.Steps[k].full():
		return traffic.Full
	}
	return max(p.Steps[k].Weight, p.Steps[k].Shadow)
}

// kept returns the canary's weight: w, or what waits for room.
func (s State) kept(w traffic.Weight) traffic.Weight {
	if s.Kept != nil {
		return *s.Kept
	}
	return w
}

// roomFor reports whether the candidate has room for a share w. If not, it is
// made from now on.
func (t *turn) roomFor(w traffic.Weight) bool {
	if w > t.s.Room {
		t.s.Room = w
		t.aim()
	}
	if t.o.Workloads[canary].Short <= traffic.Full-w {
		return true
	}
	t.waiting = fmt.Sprintf("Waiting for %s to have room for %s of the traffic%s", t.s.Plan.Canary, w, t.message(canary))
	return false
}

// overhang returns how much of the canary's weight w has to stay there because
// stable has no room for it yet; nil if nothing has to, or can.
func (t *turn) overhang(w traffic.Weight) *traffic.Weight {
	serves := t.o.Workloads[canary]
	if w = min(w, t.o.Workloads[stable].Short); w <= 0 || !serves.Ready || serves.Failed {
		return nil
	}
	return &w
}

// giveUp wants what the canary still keeps on stable as far as there is room,
// and lets the arm shrink to what it is known to carry. moved reports whether
// less is kept now.
func (t *turn) giveUp(w *traffic.Weight) (moved bool) {
	if t.carried() && t.s.Room > *t.s.Kept {
		t.s.Room = *t.s.Kept
		t.aim()
	}
	if w != nil && *w >= *t.s.Kept {
		t.waiting = fmt.Sprintf("Waiting for %s to have room for the last %s of the traffic%s", t.s.Plan.Stable, *t.s.Kept, t.message(stable))
		return false
	}
	t.s.Kept = w
	return true
}
