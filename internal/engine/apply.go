package engine

import (
	"context"
	"fmt"

	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/router"
	"github.com/haldane-dev/haldane/internal/traffic"
	"github.com/haldane-dev/haldane/internal/workload"
)

// Save before apply, with one exception. When the state cannot be saved (a
// full disk, mostly) nothing that gives the canary more is applied, ever: a
// crash would leave traffic on a version that nothing remembers approving. A
// split that only takes traffic away from the canary is applied all the same,
// because forgetting it in a crash brings back the split that was saved, which
// was approved, and the evidence against it comes back with the requests. The
// other way round a full disk would keep users on a model known to be bad. The
// processes are not touched until the state is saved: ending one is what an
// older state could not undo. Where nothing was ever decided, a first decision
// that gives the canary nothing is carried out too: stable must be served.

// apply brings the ports to what is wanted and reports whether the weights
// that the router carries were changed by it. Errors stand as troubles and
// are tried again at the next tick. splitOnly leaves the workloads alone.
func (e *Engine) apply(ctx context.Context, splitOnly bool) (moved bool) {
	if !e.wanted || ctx.Err() != nil {
		return false
	}
	from := e.applied
	moved, err := e.applySplit(ctx)
	if ctx.Err() != nil {
		return moved
	}
	e.trouble.of(e.doors.applyRouter.what, err)
	if splitOnly {
		return moved
	}
	scale := e.want.Scale
	if err != nil {
		// Traffic may still be on an arm that this would end. What it would
		// start can be started.
		now, known := e.scaleNow(from)
		if !known {
			return moved // the first tick knows more
		}
		scale = keep(now, scale)
	}
	err = e.applyScale(ctx, scale)
	if ctx.Err() == nil {
		e.trouble.of(e.doors.applyWorkload.what, err)
	}
	return moved
}

// scaleNow returns what runs: what was applied last or, in the first tick, what
// was observed. known is false before that.
func (e *Engine) scaleNow(applied *rollout.Desired) (now rollout.Scale, known bool) {
	if applied != nil {
		return applied.Scale, true
	}
	runs := func(r rollout.Role) bool { h := e.seen.health[r]; return h.Ready || h.Revision != "" }
	return rollout.Scale{Stable: runs(traffic.Stable), Canary: runs(traffic.Canary)}, e.seen.health != nil
}

// applySplit hands the split to the router at every tick, carried or not: that
// undoes a hand edit, and leads traffic to a process that was started again at
// another address.
func (e *Engine) applySplit(ctx context.Context) (moved bool, err error) {
	s := e.want.Split
	_, err = call(ctx, &e.doors.applyRouter, e.cfg.Timeout, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, e.cfg.Router.Apply(ctx, router.Target{Rollout: string(e.id), Sequence: e.state.Sequence}, s)
	})
	if err != nil {
		return false, fmt.Errorf("canary %s, mirror %s: %w", s.Canary, s.Mirror, err)
	}
	moved = e.applied == nil || !sameShares(e.applied.Split, s)
	next := rollout.Desired{Split: s}
	if e.applied != nil {
		next.Scale = e.applied.Scale
	}
	e.applied = &next
	return moved, nil
}

// applyScale is called at every tick: a process that somebody ended is started
// again.
func (e *Engine) applyScale(ctx context.Context, s rollout.Scale) error {
	_, err := call(ctx, &e.doors.applyWorkload, e.cfg.Timeout, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, e.cfg.Workload.Apply(ctx, workload.Target{Rollout: string(e.id), Sequence: e.state.Sequence}, s)
	})
	if err != nil {
		return err
	}
	if e.applied != nil {
		e.applied.Scale = s
	}
	return nil
}

// keep is scale to without ending any arm that runs now.
func keep(now, to rollout.Scale) rollout.Scale {
	to.Promoted = to.Promoted && (now.Promoted || !now.Stable)
	to.Stable = to.Stable || now.Stable
	to.Canary = to.Canary || now.Canary
	return to
}

func sameShares(a, b traffic.Split) bool { return a.Canary == b.Canary && a.Mirror == b.Mirror }
