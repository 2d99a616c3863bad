package kube

import (
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/utils/ptr"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/rollout"
)

func compares(change func(*v1alpha1.Experiment)) *v1alpha1.ModelRollout {
	m := document()
	x := &v1alpha1.Experiment{
		Goal:        v1alpha1.Goal{Mean: &v1alpha1.GoalMean{Of: "confidence"}, MinEffect: ptr.To(0.02)},
		MaxDuration: &v1alpha1.Duration{Duration: 6 * time.Hour},
	}
	if change != nil {
		change(x)
	}
	m.Spec.Strategy = v1alpha1.Strategy{Experiment: x}
	return m
}

// TestAnExperiment ends by a winner, by futility and by time, is told of on the
// way and at its end, and leaves stable where it was.
func TestAnExperiment(t *testing.T) {
	for name, tc := range map[string]struct {
		hits   int64
		change func(*v1alpha1.Experiment)
		want   string
	}{
		"a winner": {20, nil, "canary wins"},
		"futility": {1, nil, "no arm can be better than stable by 2pp"},
		"time":     {1, func(x *v1alpha1.Experiment) { x.MaxDuration.Duration, *x.Goal.MinEffect = 2*time.Hour, 0.0001 }, "no winner within 2h"},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				w.worse(tc.hits)
				w.create(compares(tc.change))
				r := w.run()
				w.settle(r)
				w.offer(r, "b")
				s := w.until("compared", weight("50%"))
				if !strings.Contains(s.Waiting, "Comparing stable 50%, canary 50%") {
					t.Errorf("waiting: %s", s.Waiting)
				}
				r.halt() // and goes on where it was
				w.run()
				s = w.until("ended", func(s v1alpha1.ModelRolloutStatus) bool { return rollout.Phase(s.Phase).Terminal() })
				if s.Phase != string(rollout.Completed) || !strings.Contains(s.Reason, tc.want) || !holds(s, v1alpha1.ConditionCompleted) {
					t.Errorf("%s: %s; conditions %v", s.Phase, s.Reason, s.Conditions)
				}
				w.until("scaled down", func(v1alpha1.ModelRolloutStatus) bool { return !w.models.Scale().Canary })
				if split, _ := w.router.Current(); split.Canary != 0 || w.models.stable != "a" {
					t.Errorf("after that: %+v, stable runs %s", split, w.models.stable)
				}
				if events := w.events(); slices.Contains(events, string(rollout.EventPromoting)) {
					t.Errorf("events %v", events)
				}
			})
		})
	}
}

// TestAWinnerIsPromoted, after its weight has followed the evidence.
func TestAWinnerIsPromoted(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.worse(5)
		w.create(compares(func(x *v1alpha1.Experiment) {
			x.Allocation, x.Then, x.Floor = "Thompson", "Promote", ptr.To(v1alpha1.Probability(0.05))
			x.AllocateEvery = &v1alpha1.Duration{Duration: 20 * time.Second}
			x.MinDuration = &v1alpha1.Duration{Duration: 30 * time.Minute}
		}))
		r := w.run()
		w.settle(r)
		w.offer(r, "b")
		s := w.until("more than half", func(s v1alpha1.ModelRolloutStatus) bool {
			return s.Weight.Wanted != "50%" && s.Weight.Wanted == s.Weight.Observed && s.Phase == string(rollout.Progressing) && s.Weight.Wanted > "50%"
		})
		if s.Weight.Wanted == "100%" {
			t.Errorf("wanted %s", s.Weight.Wanted)
		}
		s = w.until("promoted", phase(rollout.Promoted))
		if !strings.Contains(s.Reason, "canary") {
			t.Errorf("reason: %s", s.Reason)
		}
	})
}
