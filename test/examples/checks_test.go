package examples

import (
	"context"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/app"
	"github.com/haldane-dev/haldane/internal/cli"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// TestChecks: without any client a good candidate is promoted, by load alone, and
// a wrong one is taken back before it has had a request that is no check.
func TestChecks(t *testing.T) {
	for candidate, want := range map[string]rollout.Phase{"good": rollout.Promoted, "wrong": rollout.RolledBack} {
		t.Run(candidate, func(t *testing.T) {
			t.Parallel()
			m, dir := checked(t, candidate)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			s := &seen{classes: map[string]bool{}, numbers: map[string]bool{}}
			out, err := app.Run(ctx, cli.RunOptions{
				Rollout: m, Dir: dir, State: filepath.Join(t.TempDir(), "state.db"), API: "127.0.0.1:0",
				Logger: slog.New(slog.DiscardHandler), Output: io.Discard, Update: s.update,
			})
			if err != nil || out.Phase != want {
				t.Fatalf("ended %+v, %v; the last verdict: %s", out, err, s.reasons())
			}
			requests := s.status.Totals["canary"].Requests
			caught := strings.Contains(out.Reason, `check golden: failed 2 times in a row: the candidate says predictions[0] is "yes", where "no" was expected`)
			if wrong := candidate == "wrong"; wrong != caught || wrong != (requests == 0) {
				t.Errorf("ended %+v after %d requests", out, requests)
			}
		})
	}
}

// checked is the rollout of examples/checks with the servers as they were built,
// and quick.
func checked(t *testing.T, candidate string) (m *v1alpha1.ModelRollout, dir string) {
	t.Helper()
	dir, err := filepath.Abs("../../examples/checks")
	if err != nil {
		t.Fatal(err)
	}
	if m, err = v1alpha1.LoadFile(filepath.Join(dir, "rollout.yaml")); err != nil {
		t.Fatal(err)
	}
	m.Spec.Routing.Gateway.Listen = "127.0.0.1:0"
	e := m.Spec.Endpoints
	e.Canary.Version = candidate
	for _, arm := range []*v1alpha1.Endpoint{&e.Stable, &e.Canary} {
		if want := []string{"go", "run", ".", "--variant"}; !slices.Equal(arm.Command[:4], want) || arm.Dir != "../mlflow" {
			t.Fatalf("the command is %q in %s", arm.Command, arm.Dir)
		}
		arm.Command = slices.Concat([]string{filepath.Join(programs, "mlflow"), "--variant", arm.Version}, arm.Command[5:])
		arm.Readiness.Interval = within(200 * time.Millisecond)
	}
	c, a := m.Spec.Strategy.Canary, &m.Spec.Analysis
	c.ScaleDownDelay, c.ReadyWithin = within(100*time.Millisecond), within(patience/2)
	a.Interval, a.Warmup, a.MaxDuration = within(200*time.Millisecond), within(400*time.Millisecond), within(patience)
	a.Load.Rate = 250
	for i := range a.Checks {
		a.Checks[i].Every, a.Checks[i].Timeout = within(200*time.Millisecond), within(30*time.Second)
		a.Checks[i].Expect = strings.ReplaceAll(a.Checks[i].Expect, `"2s"`, `"30s"`)
	}
	return m, dir
}
