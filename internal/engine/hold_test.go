package engine

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

func submit(t *testing.T, r *running, c rollout.Command) {
	t.Helper()
	reply, err := r.Submit(context.Background(), c)
	if err != nil || !reply.Accepted {
		t.Fatalf("%s: %+v, %v", c.Verb, reply, err)
	}
}

// TestHoldSaysWho: a pause step, a timed one and a person each hold a rollout
// in their own name, and nothing does while it goes on.
func TestHoldSaysWho(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.plan.Steps = []rollout.Step{
			{Weight: traffic.Percent(5)}, {Pause: &rollout.Pause{}},
			{Weight: traffic.Percent(25)}, {Pause: &rollout.Pause{For: 10 * time.Minute}},
			{Weight: traffic.Percent(50)}, {Weight: traffic.Full},
		}
		r := w.run()
		if s := r.weight(5); s.Hold != nil || s.Attempt != 1 {
			t.Errorf("attempt %d is held by %+v while it progresses", s.Attempt, s.Hold)
		}
		s := r.until("at its pause", func(s Status) bool { return s.Phase == rollout.Paused })
		if h := s.Hold; h == nil || h.Kind != HeldByStep || h.By != "" || h.Since.IsZero() || !h.Until.IsZero() {
			t.Errorf("at a pause step: %+v", s.Hold)
		}
		submit(t, r, rollout.Command{Verb: rollout.Hold, By: "ann"})
		s = r.until("paused by a person", func(s Status) bool { return s.Hold != nil && s.Hold.Kind == HeldByPerson })
		if h := s.Hold; h.By != "ann" || h.Since.IsZero() {
			t.Errorf("paused by a person at a pause step: %+v", h)
		}
		submit(t, r, rollout.Command{Verb: rollout.Promote, By: "ann"})
		s = r.until("at its timed pause", func(s Status) bool { return s.Step == 3 && s.Hold != nil && !s.Hold.Until.IsZero() })
		if h := s.Hold; h.Kind != HeldByStep || h.Until.Sub(h.Since) != 10*time.Minute {
			t.Errorf("at a timed pause: %+v", h)
		}
		if s.HeldAtDeadline() {
			t.Error("a pause step is said to be the deadline")
		}
		if r.outcome(); r.Status().Hold != nil {
			t.Errorf("the end is held by %+v", r.Status().Hold)
		}
		r.halt()
	})
}

// TestHoldAtTheDeadline: it is told by a field of its own, also in JSON, and
// once somebody gives it more time it is told no more.
func TestHoldAtTheDeadline(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.plan.MaxDuration = time.Minute
		w.plan.Steps = []rollout.Step{{Weight: traffic.Percent(0.01)}, {Weight: traffic.Full}} // no request in a minute
		r := w.run()
		r.outcome()
		s := r.Status()
		if !s.HeldAtDeadline() || s.Hold.Since.IsZero() {
			t.Errorf("at its deadline: %+v", s.Hold)
		}
		text, err := json.Marshal(s)
		if err != nil || !strings.Contains(string(text), `"hold":{"kind":"deadline",`) {
			t.Errorf("JSON: %s, %v", text, err)
		}
		submit(t, r, rollout.Command{Verb: rollout.Promote, By: "ann"})
		r.until("going on", func(s Status) bool { return s.Phase == rollout.Progressing && s.Hold == nil })
		r.halt()
	})
}
