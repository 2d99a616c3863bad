package engine

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// door is one way into a port. At most one call is behind it at a time: a
// port that never comes back costs one timeout and one goroutine, not one of
// each at every tick.
type door struct {
	what string // "observe the router", for errors
	busy atomic.Bool
}

// call runs f with a time limit and comes back by then, whether f does or not.
func call[T any](ctx context.Context, d *door, limit time.Duration, f func(context.Context) (T, error)) (T, error) {
	var none T
	if !d.busy.CompareAndSwap(false, true) {
		return none, fmt.Errorf("%s: the call before has not come back yet", d.what)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	type answer struct {
		v   T
		err error
	}
	back := make(chan answer, 1)
	go func() {
		v, err := f(ctx)
		d.busy.Store(false)
		back <- answer{v, err}
	}()
	select {
	case a := <-back:
		if a.err != nil {
			return none, fmt.Errorf("%s: %w", d.what, a.err)
		}
		return a.v, nil
	case <-ctx.Done():
		if err := context.Cause(ctx); err != context.DeadlineExceeded {
			return none, fmt.Errorf("%s: %w", d.what, err)
		}
		return none, fmt.Errorf("%s: no answer within %s", d.what, limit)
	}
}
