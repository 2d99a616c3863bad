package elsewhere

import (
	"context"
	"testing"

	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
	"github.com/haldane-dev/haldane/internal/workload"
)

func TestWhatIsWantedIsReady(t *testing.T) {
	w := New(rollout.Revision{Hash: "a"}, rollout.Revision{Hash: "b"})
	at := workload.Target{Rollout: "churn"}
	check := func(what string, stable, canary bool) {
		t.Helper()
		h, err := w.Observe(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		for role, want := range map[rollout.Role]bool{traffic.Stable: stable, traffic.Canary: canary} {
			x := h[role]
			if hash := map[bool]string{true: w.hashes[role]}[want]; x.Ready != want || x.Revision != hash || x.Message == "" || x.Failed {
				t.Errorf("%s: %s is %+v", what, role, x)
			}
		}
	}
	check("at first", false, false)
	for _, s := range []rollout.Scale{{Stable: true}, {Stable: true, Canary: true}, {Canary: true, Promoted: true}} {
		for range 2 {
			if err := w.Apply(t.Context(), at, s); err != nil {
				t.Fatal(err)
			}
		}
		check("applied", s.Stable, s.Canary)
	}
	if err := w.Release(t.Context(), at); err != nil {
		t.Error(err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.Observe(over, at); err == nil || w.Apply(over, at, rollout.Scale{}) == nil {
		t.Error("it goes on when its time is over")
	}
}
