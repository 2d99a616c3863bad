package kube

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/toggle"
)

// TestASwitchOnACluster holds the start, lets the rollout go on across a restart of
// the controller, and takes the candidate back.
func TestASwitchOnACluster(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		var mu sync.Mutex
		position, fails := toggle.Hold, error(nil)
		set := func(p toggle.Position, err error) {
			mu.Lock()
			defer mu.Unlock()
			position, fails = p, err
		}
		w.cfg.Adapters.Outside = func(cluster.Rollout) (Outside, error) {
			return Outside{Say: []engine.Outside{toggle.New(toggle.Config{
				What: "the flag churn", Every: 5 * time.Second, Timeout: time.Second, Hold: true, Logger: slog.New(slog.DiscardHandler),
				Read: func(context.Context) (toggle.Position, error) {
					mu.Lock()
					defer mu.Unlock()
					return position, fails
				},
			})}}, nil
		}
		w.create(document())
		run := w.run()
		w.settle(run)
		w.offer(run, "b")
		w.waits("the flag churn says hold")
		set(toggle.Run, nil)
		w.until("at 50%", weight("50%"))
		run.halt()
		set("", errors.New("connection refused"))
		run = w.run()
		w.waits("the flag churn cannot be read: connection refused")
		set(toggle.Rollback, nil)
		w.until("taken back", phase(rollout.RolledBack))
		run.halt()
	})
}
