package router

import (
	"context"

	"github.com/haldane-dev/haldane/internal/traffic"
)

// Target names what is routed.
type Target struct {
	Rollout string
	// Sequence of the decision that wants this: it grows with every saved
	// decision. What several processes may write carries it, so that an older
	// decision is never written over a later one. 0 where nothing is written.
	Sequence uint64
}

// Router applies a split to one data plane. Implementations are safe for
// concurrent use, though calls for one target come one after another.
type Router interface {
	// Capabilities says what the data plane that serves the target can do.
	Capabilities(ctx context.Context, t Target) (traffic.Capabilities, error)
	// Apply makes s the split. It is idempotent and returns when the split is
	// stored, which is not yet when it is carried: Observe tells that.
	Apply(ctx context.Context, t Target, s traffic.Split) error
	// Observe reports what the data plane carries.
	Observe(ctx context.Context, t Target) (traffic.Observed, error)
	// Release puts back what was there before the first Apply. Idempotent.
	Release(ctx context.Context, t Target) error
}
