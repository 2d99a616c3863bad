package hook

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// TestHowHooksStand: what is asked, what it says, and what is only told is left
// out.
func TestHowHooksStand(t *testing.T) {
	in(t, 200, func(t *testing.T, s *server) {
		set := New(s.config(Hook{When: ConfirmRollout}, Hook{When: ConfirmTrafficIncrease}, Hook{When: Rollout}, Hook{When: Rollback},
			Hook{When: ConfirmPromotion}, Hook{When: Event}, Hook{When: PostRollout}))
		defer set.Close()
		asks := gate(rollout.ConfirmPromotion, "confirmPromotion")
		a := climbing(1)
		a.State.Confirmed = []string{"b/1/0/step/confirmTrafficIncrease"}
		turn := func() (out []string) {
			for range 2 {
				set.Answers(a, asks)
				set.Signals(a)
				synctest.Wait()
			}
			for _, w := range set.Watches(a) {
				if w.Kind != engine.WatchHook || w.Rule == "" || w.Effect == "" {
					t.Errorf("%+v", w)
				}
				out = append(out, strings.Join([]string{w.Name, string(w.State), w.Says}, ": "))
			}
			return out
		}
		want := []string{
			"confirmRollout: Unknown: is not asked now", "confirmTrafficIncrease: Passing: has said yes", "rollout: Passing: says yes",
			"rollback: Failing: calls it back", "confirmPromotion: Passing: says yes",
		}
		if d := cmp.Diff(want, turn()); d != "" {
			t.Errorf("all say 200 (-want +got)\n%s", d)
		}
		s.say(403)
		s.text = "closed"
		a = climbing(2)
		asks[0].ID = "b/2/0/promotion/confirmPromotion"
		want = []string{
			"confirmRollout: Unknown: is not asked now", "confirmTrafficIncrease: Unknown: is not asked now",
			"rollout: Failing: says no: 403 Forbidden: closed", "rollback: Passing: does not call it back",
			"confirmPromotion: Failing: says no: 403 Forbidden: closed",
		}
		if d := cmp.Diff(want, turn()); d != "" {
			t.Errorf("all say 403, in the next attempt (-want +got)\n%s", d)
		}
		s.say(0)
		time.Sleep(11 * time.Second)
		if got := turn(); got[2] != "rollout: Unknown: cannot be asked: ask hooks.shop: connection refused" {
			t.Errorf("nobody answers: %q", got)
		}
	})
}
