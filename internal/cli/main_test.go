package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
)

const valid = `apiVersion: haldane.dev/v1alpha1
kind: ModelRollout
metadata: {name: a}
spec:
  endpoints:
    stable: {version: v1, url: "http://127.0.0.1:1"}
    canary: {version: v2, url: "http://127.0.0.1:2"}
  strategy: {canary: {}}
  routing: {gateway: {listen: "127.0.0.1:0"}}
`

func write(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "rollout.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func run(t *testing.T, outcome engine.Outcome, failure error, args ...string) (code int, out, errOut string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = Main(t.Context(), args, &stdout, &stderr, Program{
		Run: func(_ context.Context, o RunOptions) (engine.Outcome, error) {
			if o.Rollout == nil || o.Dir == "" {
				t.Errorf("run got %+v", o)
			}
			return outcome, failure
		},
		Demo: func(_ context.Context, o DemoOptions) (bool, error) { return o.Scenario == "good", nil },
	})
	return code, stdout.String(), stderr.String()
}

func TestExitCodes(t *testing.T) {
	good, bad := write(t, valid), write(t, strings.Replace(valid, "routing", "ruting", 1))
	for _, tc := range []struct {
		name    string
		outcome engine.Outcome
		failure error
		args    []string
		code    int
		says    string // in the error output
	}{
		{"promoted", engine.Outcome{Phase: rollout.Promoted}, nil, []string{"run", "-f", good}, 0, ""},
		{"rolled back", engine.Outcome{Phase: rollout.RolledBack}, nil, []string{"run", "-f", good}, 3, ""},
		{"held", engine.Outcome{Phase: rollout.Paused, Held: true}, nil, []string{"run", "-f", good}, 4, ""},
		{"interrupted", engine.Outcome{}, nil, []string{"run", "-f", good}, 1, "run it again to go on"},
		{"failed", engine.Outcome{}, errors.New("no room"), []string{"run", "-f", good}, 1, "no room"},
		{"bad file", engine.Outcome{}, nil, []string{"run", "-f", bad}, 2, "spec.ruting: unknown field: did you mean routing?"},
		{"no file", engine.Outcome{}, nil, []string{"run"}, 2, "-f"},
		{"missing file", engine.Outcome{}, nil, []string{"run", "-f", good + "x"}, 2, "no such file"},
		{"unknown flag", engine.Outcome{}, nil, []string{"run", "--wat"}, 2, "--wat"},
		{"unknown command", engine.Outcome{}, nil, []string{"rum"}, 2, "rum"},
		{"validate", engine.Outcome{}, nil, []string{"validate", good}, 0, ""},
		{"validate bad", engine.Outcome{}, nil, []string{"validate", good, bad}, 2, "spec.ruting"},
		{"demo as expected", engine.Outcome{}, nil, []string{"demo"}, 0, ""},
		{"demo not as expected", engine.Outcome{}, nil, []string{"demo", "--scenario", "wrong"}, 1, ""},
		{"nobody answers", engine.Outcome{}, nil, []string{"status", "--server", "http://127.0.0.1:1"}, 1, "no haldane answers"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			code, _, errOut := run(t, tc.outcome, tc.failure, tc.args...)
			if code != tc.code || !strings.Contains(errOut, tc.says) {
				t.Errorf("exit %d, says %q; want exit %d with %q", code, errOut, tc.code, tc.says)
			}
			if tc.says == "" && errOut != "" {
				t.Errorf("says %q, want nothing", errOut)
			}
		})
	}
}

func TestJSONOfRun(t *testing.T) {
	code, out, _ := run(t, engine.Outcome{Phase: rollout.Promoted, Reason: "r"}, nil, "run", "-o", "json", "-f", write(t, valid))
	if code != 0 || !strings.Contains(out, `"Phase": "Promoted"`) {
		t.Errorf("exit %d, printed %s", code, out)
	}
}
