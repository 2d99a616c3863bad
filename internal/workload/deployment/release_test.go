package deployment

import (
	"errors"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/workload"
)

func (w *world) restored() {
	w.t.Helper()
	for range 20 {
		waiting, err := w.w.Restore(w.t.Context(), w.target())
		w.must(err)
		w.check()
		if waiting == "" {
			return
		}
		w.clock = w.clock.Add(propagation)
		w.round()
	}
	w.t.Fatal("it is never restored")
}

func (w *world) exists(name string) bool {
	w.t.Helper()
	var d appsv1.Deployment
	err := w.c.Get(w.t.Context(), w.w.key(name), &d)
	if err != nil && !apierrors.IsNotFound(err) {
		w.t.Fatal(err)
	}
	return err == nil
}

func (w *world) unmarked(name string) {
	w.t.Helper()
	d := w.get(name)
	for k := range d.Annotations {
		if strings.HasPrefix(k, marksOf) {
			w.t.Errorf("%s still carries %s", name, k)
		}
	}
	if d.Spec.Paused {
		w.t.Errorf("%s is still paused", name)
	}
}

func TestDeletionRestores(t *testing.T) {
	w := bootstrapped(t, 3, nil)
	w.restored()
	w.wantImages("churn-stable", 3, "churn:v1") // the routes still lead there
	if n := w.get("churn").Status.AvailableReplicas; n != 3 {
		t.Fatalf("%d pods of the user's own", n)
	}
	for range 2 {
		w.must(w.w.Release(t.Context(), w.target()))
	}
	w.round()
	w.unmarked("churn")
	if w.exists("churn-stable") {
		t.Error("stable is left behind")
	}
	w.wantImages("churn", 3, "churn:v1")
	if text, _ := w.notes.Get(t.Context(), noteStable); text != nil {
		t.Error("the template is remembered for ever")
	}
}

// TestDeletionWaitsForAPinnedService: one that leads to stable alone would lead
// nowhere.
func TestDeletionWaitsForAPinnedService(t *testing.T) {
	w := bootstrapped(t, 2, nil)
	s := w.service("churn")
	s.Spec.Selector[LabelWorkload], s.Spec.Selector[cluster.LabelRole] = "churn", "stable"
	w.must(w.c.Update(t.Context(), s))
	waiting := ""
	for range 5 {
		var err error
		waiting, err = w.w.Restore(t.Context(), w.target())
		w.must(err)
		w.clock = w.clock.Add(propagation)
		w.round()
	}
	const want = `kubectl -n shop patch service churn --type merge -p '{"spec":{"selector":{"haldane.dev/workload":null,"haldane.dev/role":null}}}'`
	if n := w.get("churn").Status.AvailableReplicas; n != 2 || !strings.Contains(waiting, want) {
		t.Fatalf("%d pods of the user's own, waiting for %q", n, waiting)
	}
	s = w.service("churn")
	delete(s.Spec.Selector, LabelWorkload)
	delete(s.Spec.Selector, cluster.LabelRole)
	w.must(w.c.Update(t.Context(), s))
	w.restored()
}

// TestDeletionPutsItsOwnRouteBack: with routing.replicas the Service is what the
// router writes, and nobody is asked to.
func TestDeletionPutsItsOwnRouteBack(t *testing.T) {
	w := bootstrapped(t, 2, func(s *v1alpha1.Spec) {
		s.Routing = v1alpha1.Routing{Replicas: &v1alpha1.Replicas{}}
	})
	s := w.service("churn")
	s.Spec.Selector = w.service("churn-stable").Spec.Selector
	w.must(w.c.Update(t.Context(), s))
	w.restored()
}

// TestReleaseIsFinished, whatever of it was done when it failed.
func TestReleaseIsFinished(t *testing.T) {
	w := bootstrapped(t, 2, nil)
	w.restored()
	w.must(w.c.Delete(t.Context(), w.get("churn-stable")))
	w.must(w.w.Release(t.Context(), w.target()))
	for _, name := range []string{"churn-stable", "churn-canary"} {
		if err := w.c.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, &corev1.Service{}); !apierrors.IsNotFound(err) {
			t.Errorf("Service %s is left behind (%v)", name, err)
		}
	}
}

func TestDeletionKeepsWhatIsUnjudged(t *testing.T) {
	w := bootstrapped(t, 2, nil)
	w.image("churn:v2")
	w.atStep(0)
	if _, err := w.w.Restore(t.Context(), w.target()); err == nil {
		t.Fatal("an unjudged template is put into service")
	}
	w.must(w.w.Release(t.Context(), w.target()))
	w.round()
	w.wantImages("churn-stable", 2, "churn:v1")
	w.wantImages("churn-canary", 1, "churn:v2") // the routes are as they were: some traffic still comes
	w.unmarked("churn")
	w.unmarked("churn-stable")
}

// TestDeletionOfEverything: what the user has deleted is not waited for.
func TestDeletionOfEverything(t *testing.T) {
	w := bootstrapped(t, 2, nil)
	w.must(w.c.Delete(t.Context(), w.get("churn")))
	if _, err := w.w.Restore(t.Context(), w.target()); !errors.Is(err, cluster.ErrGone) {
		t.Errorf("without the candidate: %v, want ErrGone", err)
	}
	w.must(w.c.Delete(t.Context(), w.get("churn-stable")))
	if _, _, err := w.w.Revisions(t.Context(), w.target()); !errors.Is(err, cluster.ErrGone) {
		t.Errorf("without either: %v, want ErrGone", err)
	}
}

func TestDeletionOfAPausedEditStaysPaused(t *testing.T) {
	w := bootstrapped(t, 2, nil)
	w.image("churn:v2")
	w.atStep(0)
	w.image("churn:v3")
	w.must(w.w.Release(t.Context(), w.target()))
	if !w.get("churn").Spec.Paused {
		t.Error("churn:v3 reaches users because the rollout was deleted")
	}
}

func TestKeepIsTakenUpAgain(t *testing.T) {
	w := bootstrapped(t, 2, func(s *v1alpha1.Spec) { s.OnDelete = v1alpha1.OnDeleteKeep })
	w.must(w.w.Release(t.Context(), w.target()))
	if !w.exists("churn-stable") {
		t.Fatal("stable, which serves, is gone")
	}
	w.state, w.notes = rollout.State{}, &notes{}
	w.restart()
	for range 5 {
		w.must(w.tick())
	}
	w.until("rest", w.atRest)
	w.wantImages("churn-stable", 2, "churn:v1")
}

func TestOldDecisionsAreNotWritten(t *testing.T) {
	w := bootstrapped(t, 2, nil)
	w.image("churn:v2")
	w.atStep(0)
	old := workload.Target{Rollout: namespace + "/churn", Sequence: 1}
	err := w.w.Apply(t.Context(), old, rollout.Scale{Stable: true})
	if !errors.Is(err, cluster.ErrStale) {
		t.Errorf("error %v, want ErrStale", err)
	}
	if n := *w.get("churn").Spec.Replicas; n != 1 {
		t.Errorf("a former leader has scaled the candidate to %d", n)
	}
}
