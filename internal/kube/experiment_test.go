package kube

import (
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/experiment"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
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
				if want := []v1alpha1.ArmStatus{{Name: "stable", Share: "50%", Ready: true}, {Name: "canary", Share: "50%", Ready: true}}; !slices.Equal(s.Arms, want) {
					t.Errorf("arms: %+v", s.Arms)
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

// TestThreeArms: one arm that is edited is closed, its users go to the control,
// and the others are compared to the end.
func TestThreeArms(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.models.large = &rollout.Health{Ready: true}
		w.worse(2)
		m := compares(func(x *v1alpha1.Experiment) { x.MaxDuration.Duration, *x.Goal.MinEffect = 3*time.Hour, 0.0001 })
		m.Spec.Workload.Variants = map[string]v1alpha1.WorkloadVariant{"large": {Name: "churn-large"}}
		m.Spec.Routing = v1alpha1.Routing{Gateway: &v1alpha1.Gateway{}}
		m.Spec.Analysis.Source.Prometheus.Preset = "haldane"
		w.create(m)
		r := w.run()
		w.settle(r)
		w.offer(r, "b")
		shares := func(s v1alpha1.ModelRolloutStatus) (out []string) {
			for _, a := range s.Arms {
				out = append(out, a.Name+" "+a.Share)
			}
			return out
		}
		w.until("divided", func(s v1alpha1.ModelRolloutStatus) bool {
			return slices.Equal(shares(s), []string{"stable 40%", "canary 30%", "large 30%"}) && s.Weight.Observed == "30%"
		})
		w.models.mu.Lock()
		w.models.large = &rollout.Health{Failed: true, Message: "Deployment churn-large was edited"}
		w.models.mu.Unlock()
		s := w.until("closed", func(s v1alpha1.ModelRolloutStatus) bool { return len(s.Arms) == 3 && s.Arms[2].Closed != "" })
		if !slices.Equal(shares(s), []string{"stable 70%", "canary 30%", "large 0%"}) || !strings.Contains(s.Arms[2].Closed, "was edited") {
			t.Errorf("arms: %+v", s.Arms)
		}
		if s = w.until("ended", phase(rollout.Completed)); !strings.Contains(s.Reason, "against stable") && !strings.Contains(s.Reason, "wins") {
			t.Errorf("reason: %s", s.Reason)
		}
		if !slices.Contains(w.events(), string(rollout.EventClosed)) {
			t.Errorf("events %v", w.events())
		}
	})
}

// TestRoutersOfTwoArms: more are refused, and so is what one of them asks for and
// the router cannot do.
func TestRoutersOfTwoArms(t *testing.T) {
	p := rollout.Plan{Experiment: &experiment.Config{Arms: make([]experiment.Arm, 3)}}
	if got := lacking(traffic.Capabilities{Weights: true}, p); !strings.Contains(got, "more than two arms") {
		t.Errorf("%q", got)
	}
	p.Experiment.Arms[2].Always = []traffic.Match{{Country: []string{"NL"}}}
	if got := lacking(traffic.Capabilities{Weights: true, Variants: true}, p); got != "match countries" {
		t.Errorf("%q", got)
	}
}

// TestEveryArmWakesItsRollout: a change of any Deployment that is compared is seen
// at once.
func TestEveryArmWakesItsRollout(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		m := compares(nil)
		m.Spec.Workload.Variants = map[string]v1alpha1.WorkloadVariant{"large": {Name: "churn-large"}}
		w.create(m)
		c := New(w.cfg)
		for of, want := range map[string]int{"churn": 1, "churn-stable": 1, "churn-large": 1, "other": 0} {
			d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: of}}
			if got := c.ofDeployment(t.Context(), d); len(got) != want {
				t.Errorf("%s wakes %v, want %d", of, got, want)
			}
		}
	})
}
