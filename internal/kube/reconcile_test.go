package kube

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

func TestAGoodCandidateIsPromotedByCopy(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.create(document())
		r := w.run()
		w.settle(r)
		w.offer(r, "b")
		w.until("at 10%", weight("10%"))
		w.until("at 50%", weight("50%"))
		s := w.until("promoted", phase(rollout.Promoted))
		if !holds(s, v1alpha1.ConditionPromoted) {
			t.Error("promoted, and kubectl wait would not notice")
		}
		s = w.until("handed over", func(s v1alpha1.ModelRolloutStatus) bool {
			return s.Weight.Observed == "0%" && s.Weight.Wanted == "0%" && !w.models.Scale().Canary
		})
		if n, total, _ := strings.Cut(s.Step, "/"); n != total || n == "" {
			t.Errorf("after it was handed over it is at step %q", s.Step)
		}
		if s.Phase != string(rollout.Promoted) || !holds(s, v1alpha1.ConditionPromoted) || holds(s, v1alpha1.ConditionProgressing) {
			t.Errorf("after the handover: phase %s, conditions %v", s.Phase, s.Conditions)
		}
		if w.models.stable != "b" {
			t.Errorf("stable runs %s", w.models.stable)
		}
		events := w.events()
		for _, want := range []rollout.EventKind{rollout.EventStarted, rollout.EventStep, rollout.EventPromoted} {
			if !slices.Contains(events, string(want)) {
				t.Errorf("no event %s among %v", want, events)
			}
		}
		if s.ObservedGeneration != 1 {
			t.Errorf("observed generation %d", s.ObservedGeneration)
		}
	})
}

func TestABadCandidateIsTakenBackAndStaysOut(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.create(document())
		r := w.run()
		w.settle(r)
		w.worse(60)
		w.offer(r, "b")
		s := w.until("taken back", phase(rollout.RolledBack))
		if !holds(s, v1alpha1.ConditionRolledBack) || holds(s, v1alpha1.ConditionPromoted) {
			t.Errorf("conditions %v", s.Conditions)
		}
		w.until("scaled down", func(v1alpha1.ModelRolloutStatus) bool { return !w.models.Scale().Canary })
		r.touch()
		time.Sleep(time.Hour)
		if s := w.get().Status; s.Phase != string(rollout.RolledBack) {
			t.Errorf("an hour later: %s", s.Phase)
		}
		w.worse(1)
		w.offer(r, "a") // the edit undone
		w.until("idle", phase(rollout.Idle))
		w.offer(r, "c")
		w.until("promoted", phase(rollout.Promoted))
	})
}

// TestNothingIsAskedAtRest: a rollout at rest costs its metric server nothing.
func TestNothingIsAskedAtRest(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.create(document())
		r := w.run()
		w.settle(r)
		before := w.source.asked
		time.Sleep(24 * time.Hour)
		if w.source.asked != before {
			t.Errorf("asked %d times", w.source.asked-before)
		}
	})
}

// TestASlowSourceHoldsNobodyUp: while Prometheus takes its time an abort is
// obeyed at once.
func TestASlowSourceHoldsNobodyUp(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.create(document())
		r := w.run()
		w.settle(r)
		w.offer(r, "b")
		w.until("at 10%", weight("10%"))
		w.source.mu.Lock()
		w.source.slow = 25 * time.Second
		w.source.mu.Unlock()
		time.Sleep(30 * time.Second)
		w.command(r, "stop", rollout.Abort)
		began := time.Now()
		w.until("aborted", func(s v1alpha1.ModelRolloutStatus) bool { return s.Weight.Wanted == "0%" })
		if d := time.Since(began); d > 3*time.Second {
			t.Errorf("it took %s", d)
		}
	})
}

func TestAnOutageHolds(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.create(document())
		r := w.run()
		w.settle(r)
		w.offer(r, "b")
		w.until("at 10%", weight("10%"))
		w.source.mu.Lock()
		w.source.away = context.DeadlineExceeded
		w.source.mu.Unlock()
		time.Sleep(time.Hour)
		s := w.get().Status
		if s.Phase != string(rollout.Progressing) || s.Weight.Observed != "10%" || len(s.Warnings) == 0 {
			t.Errorf("after an hour: phase %s, weight %v, warnings %v", s.Phase, s.Weight, s.Warnings)
		}
		w.source.mu.Lock()
		w.source.away = nil
		w.source.mu.Unlock()
		w.until("promoted", phase(rollout.Promoted))
	})
}

// TestNothingHappensBeforePreparation: nothing is routed and nothing ends
// before stable can take traffic.
func TestNothingHappensBeforePreparation(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.models.waiting = "Waiting for churn-stable to become available"
		w.create(document())
		r := w.run()
		s := w.until("waiting", func(s v1alpha1.ModelRolloutStatus) bool { return s.Waiting == w.models.waiting })
		time.Sleep(time.Minute)
		if _, routed := w.router.Current(); routed || len(w.models.Applied()) > 0 {
			t.Errorf("routed %v, scaled %v", routed, w.models.Applied())
		}
		if holds(s, v1alpha1.ConditionReady) {
			t.Error("it is said to be ready")
		}
		w.models.mu.Lock()
		w.models.waiting = ""
		w.models.mu.Unlock()
		w.settle(r)
	})
}

// TestTheCandidateEndsAfterItsTraffic: at the beginning the user's Deployment
// carries everything, and it is not scaled down before the router is known to
// lead to stable.
func TestTheCandidateEndsAfterItsTraffic(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		accepted := false
		w.router.OnObserve = func(_ context.Context, o *traffic.Observed) error {
			if !accepted {
				o.Level = traffic.Written
			}
			return nil
		}
		if err := w.models.Fake.Apply(t.Context(), w.workloadTarget(), rollout.Scale{Canary: true}); err != nil {
			t.Fatal(err)
		}
		w.create(document())
		r := w.run()
		time.Sleep(10 * time.Minute)
		if s := w.models.Scale(); !s.Canary || !s.Stable {
			t.Fatalf("while the route is not accepted: %+v", s)
		}
		accepted = true
		r.touch()
		w.until("scaled down", func(v1alpha1.ModelRolloutStatus) bool { return !w.models.Scale().Canary })
	})
}

func TestABlockedRolloutDoesNotBegin(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.models.blocks = &cluster.Condition{Type: v1alpha1.ConditionReplicasContested, True: true, Reason: "Autoscaler", Message: "point it at churn-stable", Blocks: true}
		w.create(document())
		r := w.run()
		w.settle(r)
		w.offer(r, "b")
		time.Sleep(time.Hour)
		s := w.get().Status
		if s.Phase != string(rollout.Idle) || !holds(s, v1alpha1.ConditionReplicasContested) {
			t.Errorf("phase %s, conditions %v", s.Phase, s.Conditions)
		}
		w.models.mu.Lock()
		w.models.blocks = &cluster.Condition{Type: v1alpha1.ConditionReplicasContested}
		w.models.mu.Unlock()
		r.touch()
		w.until("promoted", phase(rollout.Promoted))
	})
}
