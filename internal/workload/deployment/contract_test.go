package deployment

import (
	"context"
	"fmt"
	"sync"
	"testing"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
	"github.com/haldane-dev/haldane/internal/workload"
	"github.com/haldane-dev/haldane/internal/workload/workloadtest"
)

// shelled is a Workload with the part of the shell that prepares it, on a
// cluster whose controllers act after every call.
type shelled struct {
	mu sync.Mutex
	w  *world
}

func (s *shelled) Observe(ctx context.Context, t workload.Target) (map[rollout.Role]rollout.Health, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.w.round()
	return s.w.w.Observe(ctx, t)
}

func (s *shelled) Apply(ctx context.Context, t workload.Target, x rollout.Scale) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range 20 {
		waiting, err := s.w.w.Prepare(ctx, t)
		if err != nil {
			return err
		}
		if waiting == "" {
			// Twice: pods that are ready are put out of the reach of edits.
			for range 2 {
				if err := s.w.w.Apply(ctx, t, x); err != nil {
					return err
				}
				s.w.round()
				s.w.round()
			}
			return nil
		}
		s.w.clock = s.w.clock.Add(propagation)
		s.w.round()
	}
	return fmt.Errorf("it is never prepared")
}

func (s *shelled) Release(ctx context.Context, t workload.Target) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.w.Release(ctx, t)
}

func TestContract(t *testing.T) {
	workloadtest.Run(t, func(t *testing.T) workloadtest.Harness {
		w := newWorld(t, newCluster(t, model(1, "churn:v1"), userService()), nil)
		w.w.spec().Pair = nil
		// The copy in service is of v1, and the user has gone on.
		for waiting := "not begun"; waiting != ""; w.round() {
			var err error
			w.clock = w.clock.Add(propagation)
			waiting, err = w.w.Prepare(t.Context(), w.target())
			w.must(err)
		}
		w.must(w.w.Apply(t.Context(), w.target(), rollout.Scale{Stable: true}))
		w.round()
		w.image("churn:v2")
		w.round()
		stable, canary, err := w.w.Revisions(t.Context(), w.target())
		w.must(err)
		w.edit("churn-stable", func(d *appsv1.Deployment) { delete(d.Annotations, "haldane.dev/owner") })
		return workloadtest.Harness{
			Workload: &shelled{w: w}, Target: w.target(), Copies: true,
			Revisions: map[rollout.Role]string{traffic.Stable: stable.Hash, traffic.Canary: canary.Hash},
		}
	})
}
