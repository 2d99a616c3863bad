package hook

import (
	"fmt"
	"strings"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
)

var _ engine.Watcher = (*Set)(nil)

// Watches implements engine.Watcher. Hooks that are only told something are left
// out.
func (s *Set) Watches(a engine.About) []engine.Watch {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []engine.Watch
	for _, h := range s.cfg.Hooks {
		if h.When == PostRollout || h.When == Event {
			continue
		}
		w := engine.Watch{Kind: engine.WatchHook, Name: h.Name, State: engine.WatchUnknown, Rule: h.rule(), Effect: h.effect()}
		switch q := s.question(h, a.State); {
		case q != nil && q.heard:
			w.State, w.Says = q.stands()
		case q != nil:
			w.Says = "is being asked"
		case confirmed(h, a.State):
			w.State, w.Says = engine.WatchPassing, "has said yes"
		default:
			w.Says = "is not asked now"
		}
		out = append(out, w)
	}
	return out
}

// question is what the hook is asked now, nil for nothing; s.mu is held.
func (s *Set) question(h Hook, st rollout.State) *question {
	for _, q := range s.asked {
		if q.hook.Name == h.Name {
			return q
		}
	}
	if s.about == (rollout.Judged{Revision: st.Plan.Canary.Hash, Attempt: st.Attempt}) {
		return s.polled[h.Name]
	}
	return nil
}

// stands is what the last reply comes to.
func (q *question) stands() (engine.WatchState, string) {
	calls := q.hook.When == Rollback
	switch {
	case !q.last.known:
		return engine.WatchUnknown, q.last.message
	case calls && q.last.yes:
		return engine.WatchFailing, "calls it back"
	case calls:
		return engine.WatchPassing, "does not call it back"
	case q.last.yes:
		return engine.WatchPassing, "says yes"
	}
	return engine.WatchFailing, strings.TrimSuffix("says no: "+q.last.message, ": ")
}

// confirmed reports whether the hook has said yes to the question that the rollout
// stands at.
func confirmed(h Hook, st rollout.State) bool {
	for _, k := range h.gates() {
		for _, id := range st.Confirmed {
			if strings.HasSuffix(id, fmt.Sprintf("/%s/%s", k, h.Name)) {
				return true
			}
		}
	}
	return false
}

// rule says when the hook counts.
func (h Hook) rule() string {
	switch h.When {
	case ConfirmRollout, PreRollout:
		return "must say yes before the first step"
	case ConfirmTrafficIncrease:
		return "must say yes before each step"
	case ConfirmPromotion:
		return "must say yes before the promotion"
	case Rollout:
		return fmt.Sprintf("%d noes in a row", h.Failures)
	}
	return "its yes"
}

// effect is what a hook does once it takes effect.
func (h Hook) effect() rollout.Effect {
	if h.When == Rollout || h.When == Rollback {
		return rollout.SignalRollback
	}
	return rollout.SignalHold
}
