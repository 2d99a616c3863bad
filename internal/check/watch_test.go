package check

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// TestHowChecksStand: from before the first request until after the end.
func TestHowChecksStand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := &arms{}
		first := x.check()
		first.Name, first.Running = "first", false
		once := x.check()
		once.Name, once.Failures, once.Effect = "once", 1, rollout.SignalWarn
		s := x.new(x.check(), first, once)
		defer s.Close()
		shown := func(a engine.About, want ...string) {
			t.Helper()
			for i, w := range s.Watches(a) {
				got := strings.Join([]string{string(w.State), string(w.Effect), w.Rule, w.Says}, "|")
				if got != want[i] || w.Kind != engine.WatchCheck {
					t.Errorf("%s %q, want %q", w.Name, got, want[i])
				}
			}
		}
		a := state(rollout.Initializing, 1)
		const never = "has not been sent yet"
		shown(a, "Unknown|Rollback|3 failures in a row|"+never, "Unknown||must pass before the first step|"+never, "Unknown|Warn|one failure|"+never)
		s.tick(a, start)
		s.tick(a, start)
		a = state(rollout.Progressing, 1)
		s.tick(a)
		shown(a, "Passing|Rollback|3 failures in a row|", "Passing||must pass before the first step|", "Passing|Warn|one failure|")
		x.set(false, true)
		time.Sleep(31 * time.Second)
		s.tick(a)
		s.tick(a)
		shown(a, "Failing|Rollback|3 failures in a row|failed (1 of 3 in a row): the candidate is wrong; stable passes",
			"Passing||must pass before the first step|", "Failing|Warn|one failure|failed once: the candidate is wrong; stable passes")
		x.mu.Lock()
		x.lost = true
		x.mu.Unlock()
		time.Sleep(31 * time.Second)
		s.tick(a)
		s.tick(a)
		if w := s.Watches(a)[0]; w.State != engine.WatchUnknown || !strings.Contains(w.Says, "cannot be sent") {
			t.Errorf("what cannot be sent: %+v", w)
		}
		if w := s.Watches(state(rollout.Initializing, 2))[0]; w.Says != never {
			t.Errorf("in the next attempt: %+v", w)
		}
	})
}
