package workloadtest

import (
	"context"
	"sync"

	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
	"github.com/haldane-dev/haldane/internal/workload"
)

// Fake is a workload in memory whose roles are ready as soon as they are
// wanted. The zero Fake is ready. It is safe for concurrent use.
type Fake struct {
	Revisions map[rollout.Role]string
	// OnApply, if set, is called before a scale is stored; its error refuses
	// it. Set it before use.
	OnApply func(rollout.Scale) error
	// OnObserve, if set, may change what is reported. Set it before use.
	OnObserve func(context.Context, map[rollout.Role]rollout.Health) error

	mu      sync.Mutex
	scale   rollout.Scale
	applied []rollout.Scale
}

var _ workload.Workload = (*Fake)(nil)

// Observe reports every wanted role as ready.
func (f *Fake) Observe(ctx context.Context, _ workload.Target) (map[rollout.Role]rollout.Health, error) {
	s := f.Scale()
	out := map[rollout.Role]rollout.Health{}
	for role, wanted := range map[rollout.Role]bool{traffic.Stable: s.Stable, traffic.Canary: s.Canary} {
		h := rollout.Health{Ready: wanted}
		if wanted {
			h.Revision = f.Revisions[role]
		}
		out[role] = h
	}
	if f.OnObserve != nil {
		if err := f.OnObserve(ctx, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Apply stores s.
func (f *Fake) Apply(_ context.Context, _ workload.Target, s rollout.Scale) error {
	if f.OnApply != nil {
		if err := f.OnApply(s); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.scale = s
	if n := len(f.applied); n == 0 || f.applied[n-1] != s {
		f.applied = append(f.applied, s)
	}
	return nil
}

// Release wants nothing any more.
func (f *Fake) Release(context.Context, workload.Target) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.scale = rollout.Scale{}
	return nil
}

// Scale returns what is wanted now.
func (f *Fake) Scale() rollout.Scale {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.scale
}

// Applied returns every change of what was wanted, oldest first.
func (f *Fake) Applied() []rollout.Scale {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]rollout.Scale(nil), f.applied...)
}
