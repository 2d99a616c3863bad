package app

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/web"
)

// ended is an engine that has stopped with updates not yet read.
type ended struct {
	web.Rollouts
	updates chan web.Update
}

func (e ended) Subscribe(context.Context, string) (<-chan web.Update, error) { return e.updates, nil }

func stopped(n int) *tails {
	e := ended{updates: make(chan web.Update, n)}
	for i := range n {
		e.updates <- web.Update{Block: &engine.Block{Block: int64(i)}}
	}
	close(e.updates)
	return &tails{Rollouts: e}
}

func TestWhoWatchesSeesTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tl := stopped(3)
		updates, err := tl.Subscribe(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		var got atomic.Int64
		go func() {
			for range updates {
				time.Sleep(100 * time.Millisecond)
				got.Add(1)
			}
		}()
		tl.wait(time.Minute)
		synctest.Wait()
		if got := got.Load(); got < 2 { // the last has been received, if not yet dealt with
			t.Errorf("wait came back after %d of 3 updates", got)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := got.Load(); got != 3 {
			t.Errorf("%d of 3 updates arrived", got)
		}
	})
}

func TestNobodyWhoDoesNotReadIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tl := stopped(3)
		ctx, cancel := context.WithCancel(t.Context())
		if _, err := tl.Subscribe(ctx, "a"); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		tl.wait(tailWithin)
		if d := time.Since(begun); d != tailWithin {
			t.Errorf("waited for %s, want %s", d, tailWithin)
		}
		cancel()
		synctest.Wait()
		late, err := tl.Subscribe(t.Context(), "a")
		if _, open := <-late; err != nil || !open {
			t.Errorf("a subscription after the end: %v, %v", open, err)
		}
		begun = time.Now()
		tl.wait(tailWithin)
		if d := time.Since(begun); d != 0 {
			t.Errorf("a watcher that has left is waited for: %s", d)
		}
	})
}
