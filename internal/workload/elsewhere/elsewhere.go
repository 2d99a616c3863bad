package elsewhere

import (
	"context"
	"sync"
	"time"

	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
	"github.com/haldane-dev/haldane/internal/workload"
)

// Workload is two revisions that are there.
type Workload struct {
	hashes [traffic.NumArms]string

	mu     sync.Mutex
	wanted [traffic.NumArms]bool
	since  [traffic.NumArms]time.Time
}

var _ workload.Workload = (*Workload)(nil)

// New returns the workload of two revisions.
func New(stable, canary rollout.Revision) *Workload {
	now := time.Now()
	return &Workload{hashes: [traffic.NumArms]string{stable.Hash, canary.Hash}, since: [traffic.NumArms]time.Time{now, now}}
}

// Observe implements workload.Workload.
func (w *Workload) Observe(ctx context.Context, _ workload.Target) (map[rollout.Role]rollout.Health, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	out := map[rollout.Role]rollout.Health{}
	for role := range rollout.Role(traffic.NumArms) {
		h := rollout.Health{Message: "not in use", Since: w.since[role]}
		if w.wanted[role] {
			h.Ready, h.Revision, h.Message = true, w.hashes[role], "runs elsewhere"
		}
		out[role] = h
	}
	return out, nil
}

// Apply implements workload.Workload. What is wanted is there at once.
func (w *Workload) Apply(ctx context.Context, _ workload.Target, s rollout.Scale) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	next := [traffic.NumArms]bool{traffic.Stable: s.Stable, traffic.Canary: s.Canary}
	for role := range next {
		if next[role] != w.wanted[role] {
			w.wanted[role], w.since[role] = next[role], time.Now()
		}
	}
	return nil
}

// Release implements workload.Workload. There is nothing to end.
func (w *Workload) Release(context.Context, workload.Target) error { return nil }

// URL is that of no server.
func (w *Workload) URL(rollout.Role) string { return "" }

// Changed never tells of anything: nothing changes by itself.
func (w *Workload) Changed() <-chan struct{} { return nil }
