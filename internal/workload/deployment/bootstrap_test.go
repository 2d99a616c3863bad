package deployment

import (
	"errors"
	"strings"
	"testing"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// The world checks at every tick that somebody answers behind every Service.
func TestBootstrapLeavesNoGap(t *testing.T) {
	w := bootstrapped(t, 3, nil)
	w.wantImages("churn-stable", 3, "churn:v1")
	w.wantImages("churn", 3, "churn:v1")
	w.wantImages("churn-canary", 0, "")
	stable := w.get("churn-stable")
	if len(stable.OwnerReferences) > 0 {
		t.Error("stable would be deleted with the rollout")
	}
	if _, copied := stable.Labels["argocd"]; copied {
		t.Error("stable carries the label of a GitOps tool, which would prune it")
	}
	if stable.Spec.Template.Labels["app"] != "churn" || stable.Spec.Template.Labels[cluster.LabelRole] != "stable" {
		t.Errorf("stable's pods have labels %v", stable.Spec.Template.Labels)
	}
	if len(stable.Spec.Selector.MatchLabels) != 2 || stable.Spec.Selector.MatchLabels["app"] != "" {
		t.Errorf("stable selects by the user's labels: %v", stable.Spec.Selector.MatchLabels)
	}
	if s := w.service("churn-stable"); s.Spec.Ports[0].Port != 80 || s.Spec.Ports[0].TargetPort.IntValue() != 9000 {
		t.Errorf("ports %+v are not those of the user's Service", s.Spec.Ports)
	}
	if w.state.Phase != rollout.Idle || w.state.Attempt != 0 {
		t.Errorf("%s, attempt %d: the first revision is taken as it is", w.state.Phase, w.state.Attempt)
	}
}

func TestBootstrapTakesTheReadyTemplate(t *testing.T) {
	w := newWorld(t, newCluster(t, model(2, "churn:v1"), userService()), nil)
	w.crashes["churn:bad"] = true
	w.image("churn:bad") // its pods never become ready: the old ones serve on
	for range 3 {
		w.round()
	}
	w.until("a candidate", func() bool { return w.state.Phase == rollout.Initializing })
	w.wantImages("churn-stable", 2, "churn:v1")
	w.until("rollback", w.phase(rollout.RolledBack))
}

func TestBootstrapWaits(t *testing.T) {
	d := newCluster(t, userService())
	w := newWorld(t, d, nil)
	w.broken = true
	waits := func(for_ string) {
		t.Helper()
		if err := w.tick(); err != nil || !strings.Contains(w.waiting, for_) {
			t.Fatalf("waits for %q, error %v, want %q", w.waiting, err, for_)
		}
	}
	waits("does not exist")
	w.pulls["churn:v1"] = true
	w.must(w.c.Create(t.Context(), model(2, "churn:v1")))
	w.round()
	w.round()
	waits("not found: churn:v1")
	waits("0 of 2 pods")
	w.pulls["churn:v1"] = false
	w.until("rest", w.atRest)
}

// Whatever dies, and whichever write fails, the next reconcile goes on.
func TestBootstrapSurvivesEveryFailure(t *testing.T) {
	for at := range 9 {
		w := newWorld(t, newCluster(t, model(2, "churn:v1"), userService()), nil)
		n := 0
		w.fail = func(string) error {
			n++
			if n-1 == at {
				w.restart()
				return errors.New("the API server is away")
			}
			return nil
		}
		w.until("rest", w.atRest)
		w.wantImages("churn-stable", 2, "churn:v1")
	}
}

func TestBootstrapRefusesWhatIsNotItsOwn(t *testing.T) {
	theirs := model(1, "other:v1")
	theirs.Name, theirs.UID = "churn-stable", "uid-theirs"
	w := newWorld(t, newCluster(t, model(1, "churn:v1"), theirs, userService()), nil)
	w.broken = true
	if err := w.tick(); err != nil || !strings.Contains(w.waiting, "was not made by Haldane") {
		t.Errorf("waits for %q, error %v", w.waiting, err)
	}
	claimed := model(1, "churn:v1")
	claimed.Annotations = map[string]string{cluster.AnnotationOwner: "alive"}
	w = newWorld(t, newCluster(t, claimed, userService()), nil)
	w.broken = true
	if err := w.tick(); !errors.Is(err, cluster.ErrClaimed) {
		t.Errorf("error %v, want ErrClaimed", err)
	}
}

func TestNothingEndsBeforeTheRouterConfirms(t *testing.T) {
	w := newWorld(t, newCluster(t, model(2, "churn:v1"), userService()), nil)
	w.lost = true
	for range 20 {
		if err := w.tick(); err != nil {
			t.Log(err)
		}
	}
	if n := w.get("churn").Status.AvailableReplicas; n != 2 {
		t.Errorf("the user's Deployment has %d pods: nobody knows where traffic goes", n)
	}
	w.lost = false
	w.until("rest", w.atRest)
}

func TestPortWithoutAService(t *testing.T) {
	w := newWorld(t, newCluster(t, model(1, "churn:v1")), func(s *v1alpha1.Spec) { s.Workload.Service = "none" })
	w.until("rest", w.atRest)
	if p := w.service("churn-stable").Spec.Ports; len(p) != 1 || p[0].Port != 9000 {
		t.Errorf("ports %+v, want the container's", p)
	}
}

// What nothing has changed costs no write.
func TestAtRestNothingIsWritten(t *testing.T) {
	w := bootstrapped(t, 2, nil)
	for range 3 {
		w.must(w.tick())
	}
	w.writes = nil
	for range 5 {
		w.must(w.tick())
	}
	if len(w.writes) > 0 {
		t.Errorf("at rest: %v", w.writes)
	}
}
