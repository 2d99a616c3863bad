package deployment

import (
	"testing"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// swapping is a rollout on a cluster with an accelerator for each pod of stable
// and none to spare.
func swapping(t *testing.T, n int) *world {
	t.Helper()
	d := newCluster(t, model(int32(n), "churn:v1"), userService())
	w := newWorld(t, d, func(s *v1alpha1.Spec) { s.Workload.Order = "Swap" })
	w.until("rest", w.atRest) // bootstrap needs both sets for a moment
	w.accelerators = n
	return w
}

// The world checks at every tick that each arm has pods for its traffic, less
// the one that is between them.
func TestSwapPromotesWithoutASpareAccelerator(t *testing.T) {
	w := swapping(t, 4)
	w.image("churn:v2")
	w.atStep(0)
	w.wantImages("churn-stable", 3, "churn:v1")
	w.wantImages("churn-canary", 1, "churn:v2")
	w.verdict = analysis.Pass
	w.until("half", func() bool { return w.carried.Canary == 5000 })
	w.wantImages("churn-stable", 2, "churn:v1")
	w.until("rest", w.atRest)
	w.wantImages("churn-stable", 4, "churn:v2")
	if _, marked := w.get("churn-stable").Annotations[AnnotationReplicas]; marked {
		t.Error("stable is still marked as giving room")
	}
}

func TestSwapRollbackWaitsUntilStableCanCarry(t *testing.T) {
	w := swapping(t, 4)
	w.image("churn:v2")
	w.atStep(0)
	w.verdict = analysis.Pass
	w.until("half", func() bool { return w.carried.Canary == 5000 })
	w.verdict = analysis.Fail
	w.must(w.tick())
	if w.state.Phase != rollout.RollingBack || w.carried.Canary != 2500 {
		t.Fatalf("%s with %s on the candidate: want what stable has no room for, a quarter", w.state.Phase, w.carried.Canary)
	}
	w.until("rollback", w.phase(rollout.RolledBack))
	if w.carried.Canary != 0 {
		t.Errorf("%s on the candidate", w.carried.Canary)
	}
	w.until("all of stable", func() bool { return len(w.images("churn-stable")) == 4 })
}

func TestSwapOfASinglePodSurges(t *testing.T) {
	w := swapping(t, 1)
	w.accelerators = 2 // one pod of each arm
	w.image("churn:v2")
	w.atStep(0)
	w.verdict = analysis.Pass
	w.until("rest", w.atRest)
	w.wantImages("churn-stable", 1, "churn:v2")
}

func TestSurgeRollbackShiftsAtOnce(t *testing.T) {
	w := bootstrapped(t, 4, nil)
	w.image("churn:v2")
	w.atStep(0)
	w.verdict = analysis.Fail
	w.must(w.tick())
	if w.carried.Canary != 0 || len(w.images("churn-stable")) != 4 {
		t.Errorf("%s on the candidate, %d pods of stable", w.carried.Canary, len(w.images("churn-stable")))
	}
}
