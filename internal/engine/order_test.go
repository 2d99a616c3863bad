package engine

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// abrupt is a state machine that ends the canary in the very decision that
// takes its traffic away. The real one takes two; the engine must not count on
// that.
func abrupt(s rollout.State, o rollout.Observation) rollout.Decision {
	s.Version, s.Phase, s.LastSeen = 1, rollout.Progressing, o.Now
	s.Want = rollout.Desired{Split: traffic.Split{Generation: 1, Canary: 500}, Scale: rollout.Scale{Stable: true, Canary: true}}
	d := rollout.Decision{}
	for _, c := range o.Commands {
		s.Reason = "told to end"
		d.Replies = append(d.Replies, rollout.Reply{ID: c.ID, Accepted: true})
	}
	if s.Reason != "" {
		s.Phase = rollout.RollingBack
		s.Want = rollout.Desired{Split: traffic.Split{Generation: 2}, Scale: rollout.Scale{Stable: true}}
	}
	d.State, d.Want = s, s.Want
	return d
}

// TestNoArmEndsTooEarly: the canary's process lives until its traffic is known
// to have been taken away, and until that is saved.
func TestNoArmEndsTooEarly(t *testing.T) {
	for _, obstacle := range []string{"router", "disk"} {
		t.Run(obstacle, func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				var broken atomic.Bool
				w.router.OnApply = func(traffic.Split) error {
					if broken.Load() {
						return errors.New("away")
					}
					return nil
				}
				w.config = func(c *Config) {
					c.Next = abrupt
					c.StageOf = func(rollout.State) analysis.Stage { return analysis.Stage{} }
				}
				r := w.run()
				r.weight(5)
				broken.Store(obstacle == "router")
				w.full.Store(obstacle == "disk")
				if _, err := r.Submit(context.Background(), rollout.Command{Verb: rollout.Abort}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(10 * time.Second)
				if !w.models.Scale().Canary {
					t.Error("the canary was ended")
				}
				broken.Store(false)
				w.full.Store(false)
				time.Sleep(10 * time.Second)
				if w.models.Scale().Canary {
					t.Error("the canary was not ended")
				}
				r.halt()
			})
		})
	}
}
