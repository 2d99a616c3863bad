package kube

import (
	"context"
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/workload"
)

func (w *world) workloadTarget() workload.Target { return workload.Target{Rollout: string(id)} }

// command creates a RolloutCommand.
func (w *world) command(r *running, called string, verb rollout.Verb, change ...func(*v1alpha1.RolloutCommandSpec)) {
	w.t.Helper()
	x := &v1alpha1.RolloutCommand{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: called, UID: types.UID(called), CreationTimestamp: metav1.Now()},
		Spec:       v1alpha1.RolloutCommandSpec{Rollout: name, Verb: string(verb), RequestedBy: "ann"},
	}
	for _, f := range change {
		f(&x.Spec)
	}
	if err := w.server.Create(context.Background(), x); err != nil {
		w.t.Fatal(err)
	}
	if r != nil {
		r.touch()
	}
}

// answered waits for the answer to a command.
func (w *world) answered(called string) v1alpha1.RolloutCommandStatus {
	w.t.Helper()
	for range 1000 {
		x := &v1alpha1.RolloutCommand{}
		if err := w.server.Get(context.Background(), client.ObjectKey{Namespace: ns, Name: called}, x); err != nil {
			w.t.Fatal(err)
		}
		if x.Status.Outcome != "" {
			return x.Status
		}
		time.Sleep(time.Second)
	}
	w.t.Fatalf("command %s was never answered", called)
	return v1alpha1.RolloutCommandStatus{}
}

func TestCommandsAreObeyedOnce(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.create(document())
		r := w.run()
		w.settle(r)
		w.command(r, "early", rollout.Promote)
		if s := w.answered("early"); s.Outcome != v1alpha1.CommandRejected || s.Message == "" || s.AnsweredAt == nil {
			t.Errorf("with nothing to promote: %+v", s)
		}
		w.offer(r, "b")
		w.until("at 10%", weight("10%"))
		w.command(r, "hold", rollout.Hold)
		if s := w.answered("hold"); s.Outcome != v1alpha1.CommandAccepted {
			t.Errorf("pause: %+v", s)
		}
		s := w.until("paused", phase(rollout.Paused))
		if !holds(s, v1alpha1.ConditionPaused) {
			t.Errorf("conditions %v", s.Conditions)
		}
		w.command(r, "other", rollout.Abort, func(s *v1alpha1.RolloutCommandSpec) { s.Revision = "another" })
		if s := w.answered("other"); s.Outcome != v1alpha1.CommandRejected {
			t.Errorf("abort of another revision: %+v", s)
		}
		w.command(r, "go", rollout.Resume)
		w.answered("go")
		w.until("promoted", phase(rollout.Promoted))
	})
}

// TestACommandSurvivesItsController: one that was obeyed by a controller that
// died before it could say so is answered by the next, and not obeyed again.
func TestACommandSurvivesItsController(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.create(document())
		r := w.run()
		w.settle(r)
		w.offer(r, "b")
		w.until("at 10%", weight("10%"))
		w.command(r, "hold", rollout.Hold)
		w.answered("hold")
		w.command(r, "go", rollout.Resume)
		w.answered("go")
		w.until("on its way", phase(rollout.Progressing))
		r.halt()
		x := &v1alpha1.RolloutCommand{}
		if err := w.server.Get(t.Context(), client.ObjectKey{Namespace: ns, Name: "hold"}, x); err != nil {
			t.Fatal(err)
		}
		x.Status = v1alpha1.RolloutCommandStatus{}
		if err := w.server.Status().Update(t.Context(), x); err != nil {
			t.Fatal(err)
		}
		w.run()
		if s := w.answered("hold"); s.Outcome != v1alpha1.CommandAccepted {
			t.Errorf("answer %+v", s)
		}
		if s := w.get().Status; s.Phase == string(rollout.Paused) {
			t.Error("it was obeyed again")
		}
	})
}

func TestTheFilePausesToo(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.create(document())
		r := w.run()
		w.settle(r)
		w.offer(r, "b")
		w.until("at 10%", weight("10%"))
		w.edit(r, func(m *v1alpha1.ModelRollout) { m.Spec.Paused = true })
		w.until("paused", phase(rollout.Paused))
		w.command(r, "go", rollout.Resume)
		w.answered("go")
		time.Sleep(10 * time.Minute)
		if s := w.get().Status; s.Phase != string(rollout.Paused) || s.Weight.Observed != "10%" {
			t.Errorf("after a resume against the file: %s at %s", s.Phase, s.Weight.Observed)
		}
		saves := w.saves()
		time.Sleep(10 * time.Minute)
		if n := w.saves() - saves; n > 70 { // one for each block
			t.Errorf("%d saves in ten minutes of a pause", n)
		}
		w.edit(r, func(m *v1alpha1.ModelRollout) { m.Spec.Paused = false })
		w.until("promoted", phase(rollout.Promoted))
	})
}

// edit changes the spec as a user does.
func (w *world) edit(r *running, change func(*v1alpha1.ModelRollout)) {
	w.t.Helper()
	// The controller may write the status between the two, as it may before any
	// person's edit: who edits reads again then.
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		m := w.get()
		change(m)
		m.Generation++
		return w.server.Update(context.Background(), m)
	})
	if err != nil {
		w.t.Fatal(err)
	}
	r.touch()
}

func (w *world) saves() int64 {
	w.t.Helper()
	s := &v1alpha1.RolloutState{}
	if err := w.server.Get(context.Background(), key, s); err != nil {
		w.t.Fatal(err)
	}
	return s.Version
}

func TestACommandForNobodyIsRejected(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.command(nil, "lost", rollout.Abort)
		w.run()
		if s := w.answered("lost"); s.Outcome != v1alpha1.CommandRejected {
			t.Errorf("answer %+v", s)
		}
	})
}

func TestOldCommandsAreRemoved(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.create(document())
		r := w.run()
		w.settle(r)
		w.command(r, "old", rollout.Promote)
		w.answered("old")
		time.Sleep(commandsKept + time.Hour)
		r.touch()
		time.Sleep(time.Second)
		var all v1alpha1.RolloutCommandList
		if err := w.server.List(t.Context(), &all); err != nil || len(all.Items) > 0 {
			t.Errorf("%d are left, %v", len(all.Items), err)
		}
	})
}

func TestEventNamesAreValid(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		j := &journal{client: w.server, about: key, uid: "u1"}
		for range 2 { // delivered twice, there once
			if err := j.emit(t.Context(), rollout.Event{ID: "x y/z", Kind: rollout.EventStep, Message: fmt.Sprintf("%01100d", 7)}); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(w.events()); n != 1 {
			t.Errorf("%d events", n)
		}
	})
}
