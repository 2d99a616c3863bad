package kube

import (
	"context"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	statestore "github.com/haldane-dev/haldane/internal/store/kube"
)

// remove deletes the rollout as a user does.
func (w *world) remove(r *running) {
	w.t.Helper()
	if err := w.server.Delete(context.Background(), w.get()); err != nil {
		w.t.Fatal(err)
	}
	r.touch()
}

// gone waits until the rollout is no more and returns how long that took.
func (w *world) gone() time.Duration {
	w.t.Helper()
	began := time.Now()
	for range 3600 {
		err := w.server.Get(context.Background(), key, &v1alpha1.ModelRollout{})
		if apierrors.IsNotFound(err) {
			return time.Since(began)
		}
		time.Sleep(time.Second)
	}
	w.t.Fatalf("it is still there after an hour: %s", w.get().Status.Waiting)
	return 0
}

func TestDeletionPutsTheRoutesBack(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.create(document())
		r := w.run()
		w.settle(r)
		w.remove(r)
		if d := w.gone(); d > 10*time.Second {
			t.Errorf("it took %s", d)
		}
		if _, routed := w.router.Current(); routed || w.models.restored == 0 || w.models.released != 1 {
			t.Errorf("routed %v, restored %d times, released %d times", routed, w.models.restored, w.models.released)
		}
	})
}

func TestDeletionKeepsTheRoutes(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		m := document()
		m.Spec.OnDelete = v1alpha1.OnDeleteKeep
		w.create(m)
		r := w.run()
		w.settle(r)
		w.remove(r)
		w.gone()
		if _, routed := w.router.Current(); !routed || w.models.released != 0 {
			t.Errorf("routed %v, released %d times", routed, w.models.released)
		}
	})
}

// TestDeletionLeadsNobodyToAnUnjudgedVersion: while the candidate differs from
// stable the routes are not put back; ten minutes later the rollout is let go
// as it is, all traffic on stable.
func TestDeletionLeadsNobodyToAnUnjudgedVersion(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.create(document())
		r := w.run()
		w.settle(r)
		w.offer(r, "b")
		w.until("at 10%", weight("10%"))
		w.remove(r)
		time.Sleep(time.Minute)
		if s, _ := w.router.Current(); s.Canary != 0 {
			t.Errorf("a minute after its deletion the canary has %s", s.Canary)
		}
		if w.get().Status.Waiting == "" {
			t.Error("it does not say what it waits for")
		}
		if d := w.gone(); d < 8*time.Minute || d > 10*time.Minute {
			t.Errorf("it was let go after %s", d)
		}
		if s, routed := w.router.Current(); !routed || s.Canary != 0 || w.models.restored > 0 {
			t.Errorf("routed %v to the canary by %s, restored %d times", routed, s.Canary, w.models.restored)
		}
	})
}

func TestDeletionAfterTheEditIsUndone(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.create(document())
		r := w.run()
		w.settle(r)
		w.offer(r, "b")
		w.until("at 10%", weight("10%"))
		w.remove(r)
		time.Sleep(10 * time.Second)
		w.offer(r, "a")
		if d := w.gone(); d > time.Minute {
			t.Errorf("it took %s", d)
		}
		if w.models.released != 1 {
			t.Errorf("released %d times", w.models.released)
		}
	})
}

// TestDeletionGoesOnlyForward: a route that was put back is not taken over
// again because something after that has failed.
func TestDeletionGoesOnlyForward(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.create(document())
		r := w.run()
		w.settle(r)
		w.offer(r, "b")
		w.until("at 10%", weight("10%"))
		w.offer(r, "a")
		w.models.mu.Lock()
		w.models.stuck = 2
		w.models.mu.Unlock()
		w.remove(r)
		w.gone()
		if _, routed := w.router.Current(); routed || w.models.released != 1 {
			t.Errorf("routed %v, released %d times", routed, w.models.released)
		}
		if n := w.models.restored; n != 1 {
			t.Errorf("restored %d times", n)
		}
	})
}

// stale is a cache that has not heard yet that a rollout was let go.
type stale struct {
	client.Client
	known *v1alpha1.ModelRollout
}

func (b stale) Get(ctx context.Context, k client.ObjectKey, into client.Object, o ...client.GetOption) error {
	if m, ok := into.(*v1alpha1.ModelRollout); ok {
		b.known.DeepCopyInto(m)
		return nil
	}
	return b.Client.Get(ctx, k, into, o...)
}

// collecting is an API server whose garbage collector comes once a state was read.
type collecting struct{ client.WithWatch }

func (c collecting) Get(ctx context.Context, k client.ObjectKey, into client.Object, o ...client.GetOption) error {
	err := c.WithWatch.Get(ctx, k, into, o...)
	if s, ok := into.(*v1alpha1.RolloutState); ok && err == nil {
		return c.Delete(ctx, s.DeepCopy())
	}
	return err
}

// TestDeletionIsOverForACacheThatIsBehind: a route that was put back is not taken
// over again by one who believes that the rollout waits for that.
func TestDeletionIsOverForACacheThatIsBehind(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.create(document())
		r := w.run()
		w.settle(r)
		w.offer(r, "b")
		w.until("at 10%", weight("10%"))
		w.remove(r)
		time.Sleep(10 * time.Second)
		known := w.get()
		w.offer(r, "a")
		w.gone()
		r.halt()

		w.cfg.Client, w.cfg.Reader = stale{w.server, known}, collecting{w.server}
		c := w.cfg
		c.States = statestore.New(w.server, w.cfg.Reader)
		if _, err := New(c).Reconcile(t.Context(), reconcile.Request{NamespacedName: key}); err != nil {
			t.Error(err)
		}
		if s, routed := w.router.Current(); routed {
			t.Errorf("it was taken over again: %+v", s)
		}
		if w.models.restored != 1 || w.models.released != 1 {
			t.Errorf("restored %d times, released %d times", w.models.restored, w.models.released)
		}
	})
}

// TestDeletionIsFinishedByAnotherProcess: it knows of the decisions that were
// written before from their state alone.
func TestDeletionIsFinishedByAnotherProcess(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.create(document())
		r := w.run()
		w.settle(r)
		w.offer(r, "b")
		w.until("at 10%", weight("10%"))
		w.remove(r)
		time.Sleep(10 * time.Second)
		r.halt()
		r = w.run()
		r.touch()
		w.offer(r, "a")
		if d := w.gone(); d > time.Minute {
			t.Errorf("it took %s", d)
		}
	})
}

// TestDeletionOfEverything: where the models are gone too nothing is put back,
// and a namespace that ends is not kept.
func TestDeletionOfEverything(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.create(document())
		r := w.run()
		w.settle(r)
		w.offer(r, "b")
		w.until("at 10%", weight("10%"))
		w.models.mu.Lock()
		w.models.gone = true
		w.models.mu.Unlock()
		w.remove(r)
		if d := w.gone(); d > 10*time.Second {
			t.Errorf("it took %s", d)
		}
	})
}

// TestDeletionInTheForeground: it ends what a rollout owns before the rollout
// itself, as Argo CD deletes. What was before is known even so.
func TestDeletionInTheForeground(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.create(document())
		r := w.run()
		w.settle(r)
		w.offer(r, "b")
		w.until("at 10%", weight("10%"))
		w.remove(r)
		var states v1alpha1.RolloutStateList
		if err := w.server.List(t.Context(), &states, client.InNamespace(ns)); err != nil || len(states.Items) != 1 {
			t.Fatalf("%d states, %v", len(states.Items), err)
		}
		for _, s := range states.Items {
			for _, owner := range s.OwnerReferences {
				if owner.UID == w.get().UID { // as the garbage collector does
					if err := w.server.Delete(t.Context(), &s); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		time.Sleep(10 * time.Second)
		if s, _ := w.router.Current(); s.Canary != 0 {
			t.Errorf("ten seconds after its deletion the canary has %s", s.Canary)
		}
		w.offer(r, "a")
		if d := w.gone(); d > time.Minute {
			t.Errorf("it took %s", d)
		}
		if _, routed := w.router.Current(); routed || w.models.released != 1 {
			t.Errorf("routed %v, released %d times", routed, w.models.released)
		}
	})
}

// TestNothingIsKeptOfWhatIsGone: neither its state nor a note.
func TestNothingIsKeptOfWhatIsGone(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.create(document())
		r := w.run()
		w.settle(r)
		if err := w.server.Get(t.Context(), key, &v1alpha1.RolloutState{}); err != nil {
			t.Fatal(err)
		}
		w.remove(r)
		w.gone()
		r.touch() // the watch of rollouts
		time.Sleep(10 * time.Second)
		if err := w.server.Get(t.Context(), key, &v1alpha1.RolloutState{}); !apierrors.IsNotFound(err) {
			t.Errorf("its state: %v", err)
		}
	})
}

// TestARefusedRolloutCanBeDeleted, and so can one that never began.
func TestARefusedRolloutCanBeDeleted(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		m := document()
		m.Spec.Workload.StableName = m.Spec.Workload.Name
		w.create(m)
		r := w.run()
		w.until("refused", func(s v1alpha1.ModelRolloutStatus) bool { return len(s.Conditions) > 0 })
		w.remove(r)
		w.gone()
	})
}

// TestANamesakeBeginsAnew.
func TestANamesakeBeginsAnew(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.create(document())
		r := w.run()
		w.settle(r)
		w.worse(60)
		w.offer(r, "b")
		w.until("taken back", phase("RolledBack"))
		w.edit(r, func(m *v1alpha1.ModelRollout) { m.Spec.OnDelete = v1alpha1.OnDeleteKeep })
		w.remove(r)
		w.gone()
		w.worse(1)
		again := document()
		again.UID = "u2"
		w.create(again)
		r.touch()
		w.until("promoted", phase("Promoted"))
	})
}
