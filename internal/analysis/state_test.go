package analysis

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// saved is a state that an older version wrote, and what that version made of the
// six blocks after it.
type saved struct {
	State json.RawMessage `json:"state"`
	Later Verdict         `json:"later"`
}

// TestOlderStatesGoOn loads a state of every earlier format: nothing of its
// evidence is lost, a block it had taken in changes nothing, and the blocks after
// it are judged as the version that wrote it would have.
func TestOlderStatesGoOn(t *testing.T) {
	files, err := filepath.Glob("testdata/state/v*.json")
	if err != nil || len(files) != stateVersion-1 {
		t.Fatalf("%d states of older formats, want %d (%v)", len(files), stateVersion-1, err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var old saved
		if err := json.Unmarshal(raw, &old); err != nil {
			t.Fatal(err)
		}
		var st State
		if err := json.Unmarshal(old.State, &st); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		cfg := tenMetrics()
		r := rng(2027)
		if again, _ := Step(cfg, st, tenMeasures(r, 29)); !cmp.Equal(asJSON(t, again), asJSON(t, st)) {
			t.Errorf("%s: a block taken in before changed the state", file)
		}
		r = rng(2027)
		var v Verdict
		for i := int64(30); i < 36; i++ {
			st, v = Step(cfg, st, tenMeasures(r, i))
		}
		if st.Version != stateVersion {
			t.Errorf("%s: after a block it is of format %d", file, st.Version)
		}
		for i, want := range old.Later.Metrics {
			got := v.Metrics[i]
			if want.Kind == Outcome || want.Kind == Mean {
				// Since format 2 these bet otherwise, on what they had.
				if got.LogRollback == 0 || got.LogPromotion == 0 || !close(got.LogRollback, want.LogRollback, .5) {
					t.Errorf("%s: %s went from %v to %v", file, want.Name, want.LogRollback, got.LogRollback)
				}
				want.LogRollback, want.LogPromotion, want.Decision = got.LogRollback, got.LogPromotion, got.Decision
			}
			// What the six blocks add is tempered a little less against a rollback and a
			// little more against a promotion than the version that wrote it did.
			if !close(got.LogRollback, want.LogRollback, .05) || !close(got.LogPromotion, want.LogPromotion, .05+.06*math.Abs(want.LogPromotion)) ||
				got.CanaryN != want.CanaryN || got.StableN != want.StableN || got.Decision != want.Decision {
				t.Errorf("%s: %s came to %s, %v and %v of %d; the version that wrote it to %s, %v and %v of %d", file, want.Name,
					got.Decision, got.LogRollback, got.LogPromotion, got.CanaryN,
					want.Decision, want.LogRollback, want.LogPromotion, want.CanaryN)
			}
			if want.CanaryN > 0 && !got.Effect.Always {
				t.Errorf("%s: %s has no interval", file, want.Name)
			}
		}
	}
}

func TestNewerStatesAreRefused(t *testing.T) {
	var st State
	err := json.Unmarshal([]byte(`{"version":99,"blocks":3}`), &st)
	if err == nil || !strings.Contains(err.Error(), "format 99") || !strings.Contains(err.Error(), "run a newer one") {
		t.Errorf("error %v", err)
	}
	if err := json.Unmarshal([]byte(`{"version":1,"blocks":"three"}`), &st); err == nil {
		t.Error("blocks that are no number were read")
	}
}
