package app

import (
	"context"
	"sync"
	"time"

	"github.com/haldane-dev/haldane/internal/web"
)

// tailWithin bounds how long a slow watcher keeps the process.
const tailWithin = 2 * time.Second

// tails are the rollouts with an account of who watches them, so that the API
// closes only when everybody has been handed the last of what happened. It is
// safe for concurrent use.
type tails struct {
	web.Rollouts

	mu     sync.Mutex
	over   bool
	copies sync.WaitGroup // Add only under mu and before over
}

// Subscribe implements web.Rollouts. An update counts as handed over when it
// has been received: the channel holds none.
func (t *tails) Subscribe(ctx context.Context, name string) (<-chan web.Update, error) {
	updates, err := t.Rollouts.Subscribe(ctx, name)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return updates, nil
	}
	out := make(chan web.Update)
	t.copies.Go(func() {
		defer close(out)
		for u := range updates {
			select {
			case out <- u:
			case <-ctx.Done():
				return
			}
		}
	})
	return out, nil
}

// wait returns when all who watched have received everything, or limit has
// passed. The engine must have stopped.
func (t *tails) wait(limit time.Duration) {
	t.mu.Lock()
	t.over = true
	t.mu.Unlock()
	done := make(chan struct{})
	go func() { t.copies.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(limit):
	}
}
