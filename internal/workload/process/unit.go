package process

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/haldane-dev/haldane/internal/rollout"
)

// unit is one role: its endpoint and what is known of it.
type unit struct {
	role     rollout.Role
	endpoint Endpoint
	pace     pace
	output   *lines
	changed  func()
	log      *slog.Logger

	mu     sync.Mutex
	url    string
	health rollout.Health
	cancel context.CancelFunc // nil while it is not wanted
	done   chan struct{}      // closed when the goroutine started last has ended; nil before the first
}

func (u *unit) observe() rollout.Health {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.health
}

// set changes the health and tells of it if it is another.
func (u *unit) set(f func(*rollout.Health)) {
	u.mu.Lock()
	before := u.health
	f(&u.health)
	if u.health.Ready != before.Ready || u.health.Since.IsZero() {
		u.health.Since = time.Now()
	}
	after := u.health
	u.mu.Unlock()
	if after != before {
		u.changed()
	}
}

// start makes the role wanted. It does nothing if it is.
func (u *unit) start() {
	u.mu.Lock()
	if u.cancel != nil {
		u.mu.Unlock()
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	before, done := u.done, make(chan struct{})
	u.cancel, u.done = cancel, done
	u.health = rollout.Health{Revision: u.endpoint.Hash, Message: "starting", Since: time.Now()}
	u.mu.Unlock()
	u.changed()
	go func() {
		defer close(done)
		if before != nil {
			<-before // its last command must be gone
		}
		if len(u.endpoint.Command) > 0 {
			u.supervise(ctx)
		} else {
			u.watch(ctx)
		}
	}()
}

// stop makes the role unwanted and returns a channel that is closed when it
// has ended.
func (u *unit) stop() <-chan struct{} {
	u.mu.Lock()
	if u.done == nil {
		u.done = make(chan struct{})
		close(u.done)
	}
	wanted, done := u.cancel != nil, u.done
	if wanted {
		u.cancel()
		u.cancel = nil
		u.health = rollout.Health{Message: "not running", Restarts: u.health.Restarts, Since: time.Now()}
		if len(u.endpoint.Command) == 0 {
			u.health.Message = "not in use"
		}
	}
	u.mu.Unlock()
	if wanted {
		u.changed()
	}
	return done
}

// watch probes a server that somebody else runs. It never counts as failed:
// it may come back.
func (u *unit) watch(ctx context.Context) {
	u.endpoint.Readiness.run(ctx, u.endpoint.URL, func(ok bool, err error) bool {
		u.report(ctx, ok, err)
		return true
	})
}

// report records what a readiness probe has found.
func (u *unit) report(ctx context.Context, ok bool, err error) {
	was := false
	u.set(func(h *rollout.Health) {
		if ctx.Err() != nil {
			return // it is not wanted any more, and says so
		}
		was = h.Ready
		h.Ready = ok
		if ok {
			h.Failed, h.Message = false, ""
			return
		}
		h.Message = fmt.Sprintf("not ready: %v", err)
	})
	switch {
	case ok && !was:
		u.log.Info("ready", "url", u.address())
	case !ok && was:
		u.log.Warn("no longer ready", "url", u.address(), "error", err)
	}
}

func (u *unit) address() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.url
}

// supervise keeps a command running until ctx ends.
func (u *unit) supervise(ctx context.Context) {
	short := 0 // ends in a row without a healthy stretch
	for {
		ready, err := u.once(ctx)
		if ctx.Err() != nil {
			return
		}
		if ready >= u.pace.healthy {
			short = 0
		}
		pause := min(u.pace.first<<min(short, 20), u.pace.most)
		short++
		hopeless := isNoProgram(err) || ready == 0 && short >= u.pace.hopeless
		u.log.Warn("the command ended", "error", err, "again in", pause)
		u.set(func(h *rollout.Health) {
			if ctx.Err() != nil {
				return
			}
			h.Ready, h.Restarts = false, h.Restarts+1
			h.Failed = h.Failed || hopeless
			h.Message = fmt.Sprintf("%v (tried %s; again in %s)", err, times(h.Restarts), pause)
		})
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// times says how often, for people.
func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
