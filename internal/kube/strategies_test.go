package kube

import (
	"slices"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/rollout"
)

func blueGreen() *v1alpha1.ModelRollout {
	m := document()
	m.Spec.Strategy = v1alpha1.Strategy{BlueGreen: &v1alpha1.BlueGreen{Approve: true}}
	m.Spec.Routing = v1alpha1.Routing{Gateway: &v1alpha1.Gateway{}}
	return m
}

func shadowed() *v1alpha1.ModelRollout {
	m := blueGreen()
	m.Spec.Strategy = v1alpha1.Strategy{Shadow: &v1alpha1.Shadow{}}
	m.Spec.Analysis.Source.Prometheus.Preset = "haldane"
	return m
}

// TestABlueGreenRollout: previewed at weight 0 until a person promotes, switched
// in one step, baked, and promoted.
func TestABlueGreenRollout(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.create(blueGreen())
		r := w.run()
		w.settle(r)
		w.offer(r, "b")
		s := w.until("previewed, and waits", phase(rollout.Paused))
		if split, _ := w.router.Current(); split.Canary != 0 || !split.Open || !w.models.Scale().Canary || s.Step != "2/4" {
			t.Errorf("before the switch: %+v at step %s", split, s.Step)
		}
		w.command(r, "go", rollout.Promote)
		w.until("switched", weight("90%"))
		at := time.Now()
		if x := w.models.Scale(); !x.Stable {
			t.Errorf("in the bake: %+v", x)
		}
		w.until("promoted", phase(rollout.Promoted))
		if baked := time.Since(at); baked < 5*time.Minute {
			t.Errorf("it baked for %s", baked)
		}
	})
}

func TestABlueGreenRolloutIsTakenBackFromTheBake(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.create(blueGreen())
		r := w.run()
		w.settle(r)
		w.worse(60)
		w.offer(r, "b")
		w.until("waits", phase(rollout.Paused))
		w.command(r, "go", rollout.Promote)
		w.until("taken back", phase(rollout.RolledBack))
		if split, _ := w.router.Current(); split.Canary != 0 || split.Open {
			t.Errorf("after that: %+v", split)
		}
	})
}

// TestAShadow ends Completed, and a wrong candidate RolledBack; nobody is sent
// to either.
func TestAShadow(t *testing.T) {
	for want, wrong := range map[rollout.Phase]int64{rollout.Completed: 1, rollout.RolledBack: 60} {
		t.Run(string(want), func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				w.create(shadowed())
				r := w.run()
				w.settle(r)
				w.worse(wrong)
				w.offer(r, "b")
				w.until("mirrored", func(s v1alpha1.ModelRolloutStatus) bool { return s.Weight.Mirror == "100%" && s.Weight.Wanted == "0%" })
				s := w.until("ended", func(s v1alpha1.ModelRolloutStatus) bool { return rollout.Phase(s.Phase).Terminal() })
				if s.Phase != string(want) || holds(s, v1alpha1.ConditionCompleted) != (want == rollout.Completed) || holds(s, v1alpha1.ConditionPromoted) {
					t.Errorf("ended %s: %s; conditions %v", s.Phase, s.Reason, s.Conditions)
				}
				w.until("scaled down", func(v1alpha1.ModelRolloutStatus) bool { return !w.models.Scale().Canary })
				if split, _ := w.router.Current(); split.Canary != 0 || split.Mirror != 0 {
					t.Errorf("after that: %+v", split)
				}
				if events := w.events(); !slices.Contains(events, string(want)) || slices.Contains(events, string(rollout.EventPromoting)) {
					t.Errorf("events %v", events)
				}
				if w.models.stable != "a" {
					t.Errorf("stable runs %s", w.models.stable)
				}
			})
		})
	}
}
