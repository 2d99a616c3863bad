package rollout

import (
	"fmt"

	"github.com/haldane-dev/haldane/internal/traffic"
)

// handOver gives the place of a promoted revision, which serves as the canary
// arm, back to the stable arm, so that the canary arm is free for the next
// candidate: it serves on until stable is ready, and its arm is not touched
// before its traffic has left. If its arm already runs something else, that is
// unjudged, and all traffic leaves at once. busy is false when there is
// nothing to hand over.
func (t *turn) handOver() (moved, busy bool) {
	switch {
	case t.s.Serving == "":
		return false, false
	case t.replaced():
		t.arrive()
		return true, true
	case !t.s.Leaving:
		serves := t.o.Workloads[canary]
		if t.ready(stable) && t.reachable(stable) || !serves.Ready || serves.Revision != t.s.Serving {
			t.s.Leaving = true
			if t.ready(stable) && serves.Revision == t.s.Serving {
				t.s.Kept = t.overhang(traffic.Full)
			}
			return true, true
		}
		if t.ready(stable) {
			t.waiting = fmt.Sprintf("Waiting until proxies know the pods of %s as stable; the version promoted before serves meanwhile", t.s.Plan.Stable)
			break
		}
		t.waiting = fmt.Sprintf("Waiting for %s to become ready as stable: it %s; the version promoted before serves meanwhile", t.s.Plan.Stable, t.unready(stable))
	case t.s.Kept != nil:
		left := t.overhang(*t.s.Kept)
		if t.o.Workloads[canary].Revision != t.s.Serving {
			left = nil
		}
		return t.giveUp(left), true
	case t.carried():
		t.s.Room = t.s.Plan.needs(0)
		t.s.Serving, t.s.Leaving = "", false
		t.s.Began, t.s.PhaseBegan = t.now, t.now
		return true, true
	default:
		t.waiting = fmt.Sprintf("Waiting for the router to send all traffic to %s", t.s.Plan.Stable)
	}
	return false, true
}
