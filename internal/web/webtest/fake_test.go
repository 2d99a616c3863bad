package webtest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// end advances a replay to its end.
func end(t *testing.T, s Scenario) *replay {
	t.Helper()
	r := newReplay(s, time.Unix(0, 0).UTC())
	for range 500 {
		if r.advance(); r.status.Phase.Terminal() {
			return r
		}
	}
	t.Fatalf("%s is %s at step %d after 500 blocks", s.Name, r.status.Phase, r.status.Step)
	return nil
}

func TestScenariosEndAsTheyShould(t *testing.T) {
	if r := end(t, Good()); r.status.Phase != rollout.Promoted {
		t.Errorf("good: %s, %s", r.status.Phase, r.status.Reason)
	}
	r := end(t, Wrong())
	if got := r.status.Verdict.Culprits; r.status.Phase != rollout.RolledBack || !cmp.Equal(got, []string{"accuracy"}) {
		t.Errorf("wrong: %s because of %v, want RolledBack because of accuracy", r.status.Phase, got)
	}
	if r.status.Wanted.Canary != 0 {
		t.Errorf("wrong: %s still wanted on the canary", r.status.Wanted.Canary)
	}
}

func TestAScenarioIsTheSameEachTime(t *testing.T) {
	a, b := end(t, Good()), end(t, Good())
	if d := cmp.Diff(a.blocks, b.blocks); d != "" {
		t.Errorf("blocks differ:\n%s", d)
	}
}
