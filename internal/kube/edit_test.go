package kube

import (
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/router"
)

// TestAnotherGoalIsMeasured: what is counted follows the strategy, too, of which
// the goal of an experiment is a part.
func TestAnotherGoalIsMeasured(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		var measured atomic.Pointer[string]
		w.cfg.Adapters.Source = func(r cluster.Rollout) (metric.Source, error) {
			measured.Store(&r.Spec.Strategy.Experiment.Goal.Mean.Of)
			return w.source, nil
		}
		w.create(compares(nil))
		r := w.run()
		w.settle(r)
		goal := func(of, event string) {
			w.edit(r, func(m *v1alpha1.ModelRollout) {
				m.Spec.Strategy.Experiment.Goal.Mean = &v1alpha1.GoalMean{Of: of, Event: event}
			})
			time.Sleep(time.Minute)
		}
		goal("conversion", "bought")
		if got := *measured.Load(); got != "conversion" {
			t.Errorf("the goal is conversion, and the source counts %s", got)
		}
		w.offer(r, "b")
		w.until("compared", weight("50%"))
		goal("confidence", "")
		if got := *measured.Load(); got != "conversion" {
			t.Errorf("an edit in mid-experiment made the source count %s", got)
		}
	})
}

// TestABadEditLeavesTheLastGoodOne: while an edit is refused, a candidate that
// comes is rolled out by the newest spec that was not, after a restart too.
func TestABadEditLeavesTheLastGoodOne(t *testing.T) {
	for name, restart := range map[string]bool{"at once": false, "after a restart": true} {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				w.create(compares(nil))
				r := w.run()
				w.settle(r)
				w.edit(r, func(m *v1alpha1.ModelRollout) { m.Spec.Strategy.Experiment.Then = "Promote" })
				time.Sleep(time.Minute)
				w.edit(r, func(m *v1alpha1.ModelRollout) { m.Spec.Workload.StableName = m.Spec.Workload.Name })
				if restart {
					r.halt()
					r = w.run()
				}
				time.Sleep(time.Minute)
				w.offer(r, "b")
				s := w.until("begun", func(s v1alpha1.ModelRolloutStatus) bool { return s.Phase == "Progressing" })
				if s.Step != "1/2" {
					t.Errorf("it promotes nothing, as it did before the edit: step %s", s.Step)
				}
			})
		})
	}
}

// behind is a router that says of itself that it lags behind.
type behind struct{ router.Router }

func (behind) Conditions() []cluster.Condition {
	return []cluster.Condition{{Type: "GatewayBehind", True: true, Reason: "NotAllCarryIt"}}
}

// TestConditionsGoWithWhoReportsThem: what a router said that is none any more does
// not stand for ever.
func TestConditionsGoWithWhoReportsThem(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.cfg.Adapters.Router = func(r cluster.Rollout) (router.Router, error) {
			if r.Spec.Routing.Replicas != nil {
				return behind{w.router}, nil
			}
			return w.router, nil
		}
		w.create(document())
		r := w.run()
		w.settle(r)
		if s := w.get().Status; !holds(s, "GatewayBehind") {
			t.Errorf("conditions %v", s.Conditions)
		}
		w.edit(r, func(m *v1alpha1.ModelRollout) {
			m.Spec.Routing = v1alpha1.Routing{Nginx: &v1alpha1.Nginx{Ingress: "churn"}}
		})
		time.Sleep(time.Minute)
		if s := w.get().Status; meta.FindStatusCondition(s.Conditions, "GatewayBehind") != nil || !holds(s, v1alpha1.ConditionReady) {
			t.Errorf("conditions %v", s.Conditions)
		}
	})
}
