package workload

import (
	"context"

	"github.com/haldane-dev/haldane/internal/rollout"
)

// Target names whose workloads are meant.
type Target struct {
	Rollout string
	// Sequence of the decision that wants this: it grows with every saved
	// decision. What several processes may write carries it, so that an older
	// decision is never written over a later one. 0 where nothing is written.
	Sequence uint64
}

// Workload starts, watches and ends the arms of one rollout.
// Implementations are safe for concurrent use.
type Workload interface {
	// Observe reports the health of both roles.
	Observe(ctx context.Context, t Target) (map[rollout.Role]rollout.Health, error)
	// Apply makes the roles in s run and the others end: the whole target,
	// idempotent. It returns without waiting for readiness.
	Apply(ctx context.Context, t Target, s rollout.Scale) error
	// Release ends what the workload started and nothing else. Idempotent.
	Release(ctx context.Context, t Target) error
}
