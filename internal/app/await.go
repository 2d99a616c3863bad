package app

import (
	"context"
	"time"

	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
	"github.com/haldane-dev/haldane/internal/workload"
)

// openWithin bounds how long clients wait for models to start.
const openWithin = 30 * time.Second

// await returns when the models that this process starts and that are to answer
// requests are ready, or will not be, or have had their time. Clients wait in the
// listener's queue meanwhile. Answered at once, they would be told that there is
// no endpoint; and after a restart in the middle of a rollout that would be held
// against the arm that takes longer to start.
func (l *local) await(ctx context.Context) {
	roles := l.started()
	changed := l.workload.Changed()
	late := time.NewTimer(openWithin)
	defer late.Stop()
	for !l.settled(ctx, roles) {
		select {
		case <-changed:
		case <-ctx.Done():
			return
		case <-late.C:
			l.options.Logger.Warn("a model is not ready yet: requests to it will fail", "waited", openWithin)
			return
		}
	}
}

// toldWithin bounds how long a rollout that has ended waits for those who are to
// be told so.
const toldWithin = 15 * time.Second

// told returns when everybody has been told of the end, or has had their time.
// What is left over is told by the next run.
func (l *local) told(ctx context.Context) {
	late := time.NewTimer(toldWithin)
	defer late.Stop()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for l.engine.Untold() > 0 {
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		case <-late.C:
			l.options.Logger.Warn("not everybody could be told of the end: run it again to try again", "waited", toldWithin)
			return
		}
	}
}

// started returns the arms that carry traffic, by the saved decision, and that
// this process starts.
func (l *local) started() (roles []rollout.Role) {
	e := l.options.Rollout.Spec.Endpoints
	if len(e.Stable.Command) > 0 && l.decided.Canary < traffic.Full {
		roles = append(roles, traffic.Stable)
	}
	if len(e.Canary.Command) > 0 && l.decided.Canary > 0 {
		roles = append(roles, traffic.Canary)
	}
	return roles
}

// settled reports whether every role is ready or has failed for good.
func (l *local) settled(ctx context.Context, roles []rollout.Role) bool {
	health, err := l.workload.Observe(ctx, workload.Target{Rollout: string(l.plan.Name)})
	if err != nil {
		return true // only because ctx has ended
	}
	for _, r := range roles {
		if h := health[r]; !h.Ready && !h.Failed {
			return false
		}
	}
	return true
}
