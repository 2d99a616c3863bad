package kube

import (
	"context"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// offered is a world with a candidate at 10%, whose metrics may stay away for ten
// minutes.
func offered(w *world, then string) *running {
	m := document()
	m.Spec.Analysis.Source.Prometheus.Outage = &v1alpha1.Outage{After: &v1alpha1.Duration{Duration: 10 * time.Minute}, Then: then}
	w.create(m)
	r := w.run()
	w.settle(r)
	w.offer(r, "b")
	w.until("at 10%", weight("10%"))
	w.until("judged once", func(s v1alpha1.ModelRolloutStatus) bool { return holds(s, v1alpha1.ConditionSourceAvailable) })
	return r
}

func (w *world) away(is bool) {
	w.source.mu.Lock()
	defer w.source.mu.Unlock()
	if w.source.away = nil; is {
		w.source.away = context.DeadlineExceeded
	}
}

func TestAnOutageIsTakenBackAfterItsTime(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		offered(w, "Rollback")
		w.away(true)
		time.Sleep(9 * time.Minute)
		s := w.get().Status
		x := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionSourceAvailable)
		if s.Phase != string(rollout.Progressing) || x == nil || x.Status != "False" {
			t.Fatalf("after nine minutes: phase %s, condition %+v", s.Phase, x)
		}
		for _, want := range []string{"no counts from http://prometheus:9090", "taken back if that takes longer than 10m0s"} {
			if !strings.Contains(x.Message, want) {
				t.Errorf("condition %q does not say %q", x.Message, want)
			}
		}
		if !strings.Contains(s.Waiting, "nothing can be measured") || strings.Contains(s.Waiting, "\n") {
			t.Errorf("waiting: %q", s.Waiting)
		}
		time.Sleep(3 * time.Minute)
		s = w.get().Status
		if s.Phase != string(rollout.RolledBack) || !strings.Contains(s.Reason, "no counts from http://prometheus:9090 for 10m") {
			t.Errorf("after twelve minutes: phase %s, reason %q", s.Phase, s.Reason)
		}
	})
}

func TestOutagesDoNotAddUp(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.worse(1)
		offered(w, "Rollback")
		for range 3 {
			w.away(true)
			time.Sleep(6 * time.Minute)
			w.away(false)
			w.until("answered", func(s v1alpha1.ModelRolloutStatus) bool { return holds(s, v1alpha1.ConditionSourceAvailable) })
		}
		w.until("promoted", phase(rollout.Promoted))
	})
}

// TestAnOutageOutlastsTheController: it is as long as it is, whoever watches.
func TestAnOutageOutlastsTheController(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		r := offered(w, "Rollback")
		w.away(true)
		time.Sleep(6 * time.Minute)
		r.halt()
		w.run()
		time.Sleep(3 * time.Minute)
		if s := w.get().Status; s.Phase != string(rollout.Progressing) {
			t.Fatalf("after nine minutes: phase %s: %s", s.Phase, s.Reason)
		}
		time.Sleep(3 * time.Minute)
		if s := w.get().Status; s.Phase != string(rollout.RolledBack) {
			t.Errorf("after twelve minutes: phase %s: %s", s.Phase, s.Waiting)
		}
	})
}

// TestAnOldOutageIsForgotten: the next revision has all of its time.
func TestAnOldOutageIsForgotten(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		r := offered(w, "Rollback")
		w.away(true)
		w.until("taken back", func(s v1alpha1.ModelRolloutStatus) bool {
			return s.Phase == string(rollout.RolledBack) && !w.models.Scale().Canary
		})
		time.Sleep(time.Minute)
		r.halt()
		r = w.run()
		w.until("at rest", func(s v1alpha1.ModelRolloutStatus) bool { return holds(s, v1alpha1.ConditionReady) })
		w.offer(r, "c")
		w.until("at 10% again", weight("10%"))
		time.Sleep(5 * time.Minute)
		if s := w.get().Status; s.Phase != string(rollout.Progressing) {
			t.Fatalf("after five minutes: phase %s: %s", s.Phase, s.Reason)
		}
		w.away(false)
		w.until("promoted", phase(rollout.Promoted))
	})
}

// TestAnOutageHoldsForever: without leave to take it back it holds, and goes on
// when the metrics are back.
func TestAnOutageHoldsForever(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		offered(w, "Hold")
		w.away(true)
		time.Sleep(time.Hour)
		s := w.get().Status
		x := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionSourceAvailable)
		if s.Phase != string(rollout.Progressing) || s.Weight.Observed != "10%" || x == nil || !strings.Contains(x.Message, "holding for as long as that takes") {
			t.Errorf("after an hour: phase %s, weight %v, condition %+v", s.Phase, s.Weight, x)
		}
		w.away(false)
		w.until("promoted", phase(rollout.Promoted))
	})
}
