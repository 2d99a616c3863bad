package engine

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/store"
	"github.com/haldane-dev/haldane/internal/workload"
)

// countedStore counts what is saved.
type countedStore struct {
	store.Store
	saves *int
}

func (s countedStore) Save(ctx context.Context, id rollout.ID, st rollout.State, v store.Version) (store.Version, error) {
	*s.saves++
	return s.Store.Save(ctx, id, st, v)
}

// blindable is a workload that cannot be seen while blind.
type blindable struct {
	workload.Workload
	blind *atomic.Bool
}

func (b blindable) Observe(ctx context.Context, t workload.Target) (map[rollout.Role]rollout.Health, error) {
	if b.blind.Load() {
		return nil, errors.New("no answer")
	}
	return b.Workload.Observe(ctx, t)
}

// TestCountsWaitToBeSaved: blocks that decide nothing are saved once a minute,
// and what was not saved is collected once more, and once, after a crash.
func TestCountsWaitToBeSaved(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		saves := 0
		w.counts = time.Minute
		w.config = func(c *Config) { c.Store = countedStore{c.Store, &saves} }
		r := w.run()
		r.weight(5)
		r.order(rollout.Hold)
		time.Sleep(time.Minute) // what was begun is over
		before, block := saves, r.Status().Verdict.Block
		time.Sleep(10 * time.Minute)
		if n, blocks := saves-before, r.Status().Verdict.Block-block; n < 9 || n > 11 || blocks < 500 {
			t.Errorf("%d blocks were saved by %d Saves within 10 minutes, want one a minute", blocks, n)
		}
		time.Sleep(30 * time.Second)
		r.halt()
		if held := w.state().Verdict.Block; held >= r.State().Verdict.Block {
			t.Fatalf("block %d is saved already", held)
		}
		r = w.run()
		r.order(rollout.Resume)
		if o := r.outcome(); o.Phase != rollout.Promoted {
			t.Errorf("outcome %+v", o)
		}
		r.halt()
		w.exact()
	})
}

// TestCountsThatDecideAreSaved: what changes a decision is saved before it is
// applied, however long counts may wait.
func TestCountsThatDecideAreSaved(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.counts = 1000 * time.Hour
		w.bad.Store(50)
		r := w.run()
		if o := r.outcome(); o.Phase != rollout.RolledBack {
			t.Errorf("outcome %+v", o)
		}
		r.halt()
		if s := w.state(); s.Phase != rollout.RolledBack || s.Verdict.Decision != r.State().Verdict.Decision {
			t.Errorf("saved: %s, %s", s.Phase, s.Verdict.Decision)
		}
		w.exact()
	})
}

// TestUnseenWorkloadsAreLookedAtAgain: a lazy engine does not rest on an
// observation that has failed.
func TestUnseenWorkloadsAreLookedAtAgain(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		var blind atomic.Bool
		w.plan.Canary = w.plan.Stable // nothing to do
		w.config = func(c *Config) {
			c.Lazy = true
			c.Workload = blindable{c.Workload, &blind}
		}
		r := w.run()
		r.until("at rest", func(s Status) bool { return s.Phase == rollout.Idle && len(s.Warnings) == 0 })
		blind.Store(true)
		r.until("blind", func(s Status) bool { return len(s.Warnings) > 0 })
		blind.Store(false)
		at := time.Now()
		r.until("seeing", func(s Status) bool { return len(s.Warnings) == 0 })
		if late := time.Since(at); late > 10*time.Second {
			t.Errorf("it looked again after %s", late)
		}
		r.halt()
	})
}

// order hands in a command that has to be obeyed.
func (r *running) order(v rollout.Verb) {
	r.w.t.Helper()
	if reply, err := r.Submit(context.Background(), rollout.Command{Verb: v}); err != nil || !reply.Accepted {
		r.w.t.Fatalf("%s: %+v, %v", v, reply, err)
	}
}
