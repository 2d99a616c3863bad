package object

import (
	"fmt"
	"sync"

	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/router"
)

// ConditionRouteRefused is true when the data plane says that it does not
// carry the route.
const ConditionRouteRefused = "RouteRefused"

// Refusal is what the data plane says against the route. The zero Refusal says
// nothing. It is safe for concurrent use.
type Refusal struct {
	mu  sync.Mutex
	why string
}

// Set records what it says now, "" for nothing.
func (r *Refusal) Set(why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.why = why
}

// Condition is RouteRefused.
func (r *Refusal) Condition() cluster.Condition {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.why == "" {
		return cluster.Condition{Type: ConditionRouteRefused, Reason: "NotRefused", Message: "The data plane says nothing against the route."}
	}
	return cluster.Condition{Type: ConditionRouteRefused, True: true, Blocks: true, Reason: "RefusedByDataPlane", Message: r.why}
}

// Check refuses a target that is another rollout's.
func Check(r cluster.Rollout, t router.Target) error {
	if t.Rollout != r.ID() {
		return fmt.Errorf("this router is of rollout %q, not %q", r.ID(), t.Rollout)
	}
	return nil
}
