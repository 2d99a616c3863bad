package deployment

import (
	"errors"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// atStep ticks until step k flows.
func (w *world) atStep(k int) {
	w.t.Helper()
	w.until("the step", func() bool { return w.state.Step == k && !w.state.StepBegan.IsZero() })
}

func TestEditBecomesTheCandidate(t *testing.T) {
	w := bootstrapped(t, 4, nil)
	w.image("churn:v2")
	w.atStep(0)
	if p := w.state.Plan; p.Stable.Version != "v1" || p.Canary.Version != "v2" {
		t.Errorf("%s against %s", p.Canary, p.Stable)
	}
	w.wantImages("churn-canary", 1, "churn:v2")
	w.wantImages("churn-stable", 4, "churn:v1")
	if !w.get("churn").Spec.Paused {
		t.Error("an edit would reach users unjudged: the candidate is not paused")
	}
	pin := w.service("churn-canary").Spec.Selector[appsv1.DefaultDeploymentUniqueLabelKey]
	if sets := w.setsOf("churn"); pin == "" || pin != hashOf(&sets[len(sets)-1]) && pin != hashOf(&sets[0]) {
		t.Errorf("the candidate's Service selects pod-template-hash %q", pin)
	}
}

func TestPromotionCopiesToStable(t *testing.T) {
	w := bootstrapped(t, 4, nil)
	w.image("churn:v2")
	w.atStep(0)
	w.verdict = analysis.Pass
	seen := map[traffic.Weight]int{}
	w.until("promotion", func() bool {
		seen[w.carried.Canary] = len(w.images("churn-canary"))
		return w.state.Phase == rollout.Promoted
	})
	if seen[2500] < 1 || seen[5000] < 2 || len(w.images("churn-canary")) != 4 {
		t.Errorf("pods at each weight: %v, then %d", seen, len(w.images("churn-canary")))
	}
	// The candidate holds everything until the new stable is ready.
	w.until("rest", w.atRest)
	w.wantImages("churn-stable", 4, "churn:v2")
	w.wantImages("churn", 4, "churn:v2")
	w.verdict = ""
	for range 5 {
		w.must(w.tick())
	}
	if w.state.Phase != rollout.Idle {
		t.Errorf("%s: what was promoted is a candidate again", w.state.Phase)
	}
	// And again: names, selectors and pins of the first time are in nobody's way.
	w.image("churn:v3")
	w.atStep(0)
	w.verdict = analysis.Pass
	w.until("rest", w.atRest)
	w.wantImages("churn-stable", 4, "churn:v3")
}

func TestPromotionRemovesWhatTheCandidateHasNot(t *testing.T) {
	w := newWorld(t, newCluster(t, userService()), nil)
	w.broken = true
	d := model(2, "churn:v1")
	d.Spec.Template.Spec.NodeSelector = map[string]string{"zone": "a", "gpu": "yes"}
	w.must(w.c.Create(t.Context(), d))
	w.until("rest", w.atRest)
	w.verdict = analysis.Pass
	w.edit("churn", func(d *appsv1.Deployment) {
		d.Spec.Template.Spec.NodeSelector = map[string]string{"zone": "b"}
		d.Spec.Template.Spec.Containers[0].Image = "churn:v2"
	})
	w.until("promotion", w.phase(rollout.Promoted))
	w.until("rest", w.atRest)
	if got := w.get("churn-stable").Spec.Template.Spec.NodeSelector; len(got) != 1 || got["zone"] != "b" {
		t.Errorf("stable's node selector is %v", got)
	}
}

func TestNewStableThatStallsLeavesTheCandidateServing(t *testing.T) {
	w := bootstrapped(t, 2, nil)
	w.image("churn:v2")
	w.atStep(0)
	w.verdict = analysis.Pass
	w.until("promotion", w.phase(rollout.Promoted))
	w.accelerators = 4 // there is no room for stable's new pods
	for range 15 {
		_ = w.tick()
	}
	if w.state.Serving == "" || w.carried.Canary == 0 {
		t.Fatalf("%s: %s of traffic is on the candidate, and stable never had room for it", w.state.Phase, w.carried.Canary)
	}
	w.accelerators = 0
	w.until("rest", w.atRest)
	w.wantImages("churn-stable", 2, "churn:v2")
}

func TestEditInMidRolloutReachesNobodyUnjudged(t *testing.T) {
	w := bootstrapped(t, 4, nil)
	w.image("churn:v2")
	w.atStep(0)
	w.verdict = analysis.Pass
	w.until("the second step", func() bool { return w.carried.Canary == 5000 && len(w.images("churn-canary")) == 2 })
	w.verdict = ""
	w.image("churn:v3")
	w.wantImages("churn-canary", 2, "churn:v2")
	w.until("traffic to leave", func() bool {
		for _, image := range w.images("churn-canary") {
			if w.carried.Canary > 0 && image != "churn:v2" {
				t.Fatalf("%s is served unjudged", image)
			}
		}
		return w.carried.Canary == 0 && w.state.Phase == rollout.Initializing
	})
	w.atStep(0)
	if w.state.Plan.Canary.Version != "v3" {
		t.Errorf("the candidate is %s", w.state.Plan.Canary)
	}
	w.wantImages("churn-canary", 1, "churn:v3")
}

func TestRejectedTemplateIsRemembered(t *testing.T) {
	w := bootstrapped(t, 2, nil)
	w.image("churn:v2")
	w.atStep(0)
	w.verdict = analysis.Fail
	w.until("rollback", w.phase(rollout.RolledBack))
	w.verdict = ""
	w.until("the candidate's end", func() bool { return w.get("churn").Status.Replicas == 0 })
	w.restart()
	for range 10 {
		w.must(w.tick())
	}
	if w.state.Phase != rollout.RolledBack || len(w.images("churn-canary")) > 0 {
		t.Fatalf("%s: the template is still in Git, and runs again by itself", w.state.Phase)
	}
	w.must(w.tick(rollout.Command{ID: "again", Verb: rollout.Retry}))
	w.atStep(0)
	if w.state.Attempt != 2 {
		t.Errorf("attempt %d", w.state.Attempt)
	}
	w.image("churn:v1") // equal to stable: nothing to roll out
	w.until("rest", w.atRest)
}

func TestCrashLoopEndsTheRolloutWithThePodsReason(t *testing.T) {
	w := bootstrapped(t, 2, nil)
	w.crashes["churn:v2"] = true
	w.image("churn:v2")
	w.until("rollback", w.phase(rollout.RolledBack))
	for _, word := range []string{"OOMKilled", "137", "loading weights", "container model"} {
		if !strings.Contains(w.state.Reason, word) {
			t.Errorf("the reason %q does not say %s", w.state.Reason, word)
		}
	}
}

func TestCrashLoopInMidRollout(t *testing.T) {
	w := bootstrapped(t, 2, nil)
	w.image("churn:v2")
	w.atStep(0)
	w.broken = true // its only pod is dead
	w.crashes["churn:v2"] = true
	w.until("rollback", w.phase(rollout.RolledBack))
	if !strings.Contains(w.state.Reason, "OOMKilled") {
		t.Errorf("reason %q", w.state.Reason)
	}
}

func TestProgressDeadlineEndsTheRollout(t *testing.T) {
	w := bootstrapped(t, 2, nil)
	w.pulls["churn:v2"] = true
	w.image("churn:v2")
	w.until("a start", func() bool { return w.get("churn").Status.Replicas > 0 })
	for range 3 {
		_ = w.tick()
	}
	if w.state.Phase != rollout.Initializing {
		t.Fatalf("%s: a registry that stumbles ends it at once", w.state.Phase)
	}
	w.late["churn"] = true
	w.until("rollback", w.phase(rollout.RolledBack))
	if !strings.Contains(w.state.Reason, "ImagePullBackOff") {
		t.Errorf("reason %q", w.state.Reason)
	}
}

func TestSizes(t *testing.T) {
	for _, c := range []struct {
		by, order      string
		count, all     int32
		room           traffic.Weight
		canary, stable int32
	}{
		{"Share", "Surge", 0, 10, 0, 1, 10},
		{"Share", "Surge", 0, 10, 500, 1, 10},
		{"Share", "Surge", 0, 10, 2500, 3, 10},
		{"Share", "Surge", 0, 10, 10000, 10, 10},
		{"Fixed", "Surge", 3, 10, 500, 3, 10},
		{"Fixed", "Surge", 3, 10, 10000, 10, 10},
		{"One", "Surge", 0, 10, 9000, 1, 10},
		{"One", "Surge", 0, 10, 10000, 10, 10},
		{"Share", "Swap", 0, 4, 2500, 1, 3},
		{"Share", "Swap", 0, 4, 7500, 3, 1},
		{"Share", "Swap", 0, 4, 10000, 3, 1},
		{"Share", "Swap", 0, 1, 10000, 1, 1}, // nothing to swap
	} {
		w := &Workload{}
		s := spec()
		s.Workload.Order, s.Workload.Replicas = c.order, &v1alpha1.CanaryReplicas{By: c.by, Count: c.count}
		w.r.Spec = s
		got := w.sizes(rollout.Scale{Stable: true, Canary: true, Room: c.room}, c.all)
		if got.canary != c.canary || got.stable != c.stable {
			t.Errorf("%s %s of %d with room for %s: %d and %d of stable, want %d and %d", c.order, c.by, c.all, c.room, got.canary, got.stable, c.canary, c.stable)
		}
		// What is sized for a share has room for it.
		if lack := w.short(got.canary, c.all, traffic.Canary); lack > traffic.Full-c.room {
			t.Errorf("%s %s of %d: %d pods, sized for %s, are short of %s", c.order, c.by, c.all, got.canary, c.room, lack)
		}
	}
}

func TestFixedAndOne(t *testing.T) {
	for by, n := range map[string]int{"Fixed": 2, "One": 1} {
		w := bootstrapped(t, 4, func(s *v1alpha1.Spec) {
			s.Workload.Replicas = &v1alpha1.CanaryReplicas{By: by}
			if by == "Fixed" {
				s.Workload.Replicas.Count = 2
			}
		})
		w.broken = true // the user's own choice of too few
		w.image("churn:v2")
		w.atStep(0)
		w.verdict = analysis.Pass
		w.until("half", func() bool { return w.carried.Canary == 5000 })
		w.wantImages("churn-canary", n, "churn:v2")
		w.until("promotion", func() bool { return w.carried.Canary == traffic.Full })
		w.broken = false
		w.wantImages("churn-canary", 4, "churn:v2")
		w.until("rest", w.atRest)
	}
}

// The candidate serves everything and stable is still what it was: an edit now
// must not take users back there.
func TestEditBeforeThePromotedTemplateIsCopied(t *testing.T) {
	w := bootstrapped(t, 2, nil)
	w.image("churn:v2")
	w.atStep(0)
	w.verdict = analysis.Pass
	w.until("promotion", w.phase(rollout.Promoted))
	w.verdict = ""
	w.image("churn:v3")
	w.until("the next candidate", func() bool {
		for _, image := range w.images("churn-stable") {
			if w.carried.Canary < traffic.Full && image != "churn:v2" {
				t.Fatalf("users are back on %s", image)
			}
		}
		return w.state.Plan.Canary.Version == "v3" && w.state.Phase == rollout.Progressing
	})
	w.wantImages("churn-stable", 2, "churn:v2")
	w.atStep(0)
	w.wantImages("churn-canary", 1, "churn:v3")
}

// Every other write fails, and the controller that failed dies: what users
// get is checked at every tick all the same.
func TestRolloutSurvivesFailingWrites(t *testing.T) {
	w := bootstrapped(t, 3, nil)
	n := 0
	w.fail = func(string) error {
		if n++; n%2 == 0 {
			return nil
		}
		w.restart()
		return errors.New("the API server is away")
	}
	w.image("churn:v2")
	w.atStep(0)
	w.verdict = analysis.Pass
	w.until("promotion", w.phase(rollout.Promoted))
	w.until("rest", w.atRest)
	w.wantImages("churn-stable", 3, "churn:v2")
	if n < 10 {
		t.Errorf("%d writes in all: the test tests nothing", n)
	}
}

// The user is faster than the write that puts the candidate out of reach.
func TestEditBetweenReadAndWrite(t *testing.T) {
	w := bootstrapped(t, 2, nil)
	w.image("churn:v2")
	w.until("a start", func() bool { return w.get("churn").Status.AvailableReplicas > 0 })
	edited := false
	w.fail = func(what string) error {
		if what == "patch churn" && !edited {
			edited = true
			w.image("churn:v3")
		}
		return nil
	}
	if err := w.tick(); !apierrors.IsConflict(err) {
		t.Fatalf("error %v, want a conflict", err)
	}
	w.atStep(0)
	if w.state.Plan.Canary.Version != "v3" {
		t.Errorf("the candidate is %s", w.state.Plan.Canary)
	}
	w.wantImages("churn-canary", 1, "churn:v3")
}

// TestHaldanesOwnPartIsNoDelayOfTheCandidate: pods that are available, and that
// Haldane has not led anything to yet, are not held against the version.
func TestHaldanesOwnPartIsNoDelayOfTheCandidate(t *testing.T) {
	w := bootstrapped(t, 2, nil)
	w.image("churn:v2")
	ours := false
	for range 50 {
		all, err := w.w.Observe(t.Context(), w.target())
		w.must(err)
		h := all[traffic.Canary]
		if ours = ours || h.Ours; h.Ours && (h.Ready || h.Failed || !strings.Contains(h.Message, "does not lead to them yet")) {
			t.Fatalf("%+v", h)
		}
		if h.Ready {
			break
		}
		w.must(w.tick())
	}
	if !ours {
		t.Error("it was never for Haldane to go on")
	}
}
