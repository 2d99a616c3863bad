package cli

import (
	"bytes"
	"context"
	"encoding/json"
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
		Demo:      func(_ context.Context, o DemoOptions) (bool, error) { return o.Scenario == "good", nil },
		Scenarios: []string{"good", "wrong"},
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
		{"held", engine.Outcome{Phase: rollout.Paused, Held: true}, nil, []string{"run", "-f", good}, 4, "held at its deadline, undecided. Run it again with --hold"},
		{"interrupted", engine.Outcome{}, nil, []string{"run", "-f", good}, 1, "run it again to go on"},
		{"failed", engine.Outcome{}, errors.New("no room"), []string{"run", "-f", good}, 1, "no room"},
		{"promoted, and a request cut off", engine.Outcome{Phase: rollout.Promoted}, errors.New("1 request was cut off"), []string{"run", "-f", good}, 0, "1 request was cut off"},
		{"failed after the end, held", engine.Outcome{Phase: rollout.Promoted}, errors.New("no room"), []string{"run", "--hold", "-f", good}, 1, "no room"},
		{"bad file", engine.Outcome{}, nil, []string{"run", "-f", bad}, 2, "spec.ruting: unknown field: did you mean routing?"},
		{"no file", engine.Outcome{}, nil, []string{"run"}, 2, "-f"},
		{"missing file", engine.Outcome{}, nil, []string{"run", "-f", good + "x"}, 2, "no such file"},
		{"unknown flag", engine.Outcome{}, nil, []string{"run", "--wat"}, 2, "--wat"},
		{"too many words", engine.Outcome{}, nil, []string{"run", "x"}, 2, "x"},
		{"fault of the file, found late", engine.Outcome{}, Usage(errors.New("spec.x: no")), []string{"run", "-f", good}, 2, "spec.x: no"},
		{"unknown format", engine.Outcome{}, nil, []string{"run", "-f", good, "-o", "xml"}, 2, "want text or json"},
		{"unknown level", engine.Outcome{}, nil, []string{"run", "-f", good, "--log-level", "loud"}, 2, "want debug, info, warn or error"},
		{"unknown scenario", engine.Outcome{}, nil, []string{"demo", "--scenario", "x"}, 2, "want good, wrong"},
		{"server that is no address", engine.Outcome{}, nil, []string{"get", "--server", "x"}, 2, "http://127.0.0.1:7600"},
		{"two names", engine.Outcome{}, nil, []string{"get", "a", "b"}, 2, "one rollout"},
		{"unknown command", engine.Outcome{}, nil, []string{"rum"}, 2, "rum"},
		{"validate", engine.Outcome{}, nil, []string{"validate", good}, 0, ""},
		{"validate bad", engine.Outcome{}, nil, []string{"validate", good, bad}, 2, "spec.ruting"},
		{"demo as expected", engine.Outcome{}, nil, []string{"demo"}, 0, ""},
		{"demo not as expected", engine.Outcome{}, nil, []string{"demo", "--scenario", "wrong"}, 1, ""},
		{"a cluster and a server", engine.Outcome{}, nil, []string{"get", "--server", "http://127.0.0.1:1", "-n", "shop"}, 2, "keep one kind"},
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

// Every command that fails says so in one line, with no usage and no stack.
func TestOneLine(t *testing.T) {
	for _, args := range [][]string{{"run"}, {"rum"}, {"run", "--wat"}, {"watch", "--server", "http://127.0.0.1:1"}, {"completion", "x", "y"}, {"validate"}} {
		_, out, errOut := run(t, engine.Outcome{}, nil, args...)
		if out != "" || strings.Count(errOut, "\n") != 1 || !strings.HasPrefix(errOut, "haldane: ") {
			t.Errorf("%v prints %q and says %q, want one line on standard error alone", args, out, errOut)
		}
	}
}

func TestHelpNamesNoToken(t *testing.T) {
	t.Setenv(tokenVariable, "hunter2")
	for _, command := range []string{"run", "status", "promote"} {
		code, out, _ := run(t, engine.Outcome{}, nil, command, "--help")
		if code != 0 || strings.Contains(out, "hunter2") || !strings.Contains(out, tokenVariable) {
			t.Errorf("%s --help: exit %d\n%s", command, code, out)
		}
	}
}

func TestJSONOfRun(t *testing.T) {
	code, out, _ := run(t, engine.Outcome{Phase: rollout.RolledBack, Reason: "r"}, nil, "run", "-o", "json", "-f", write(t, valid))
	want := `{"outcome":{"phase":"RolledBack","held":false,"reason":"r","exitCode":3}}` + "\n"
	if code != 3 || out != want {
		t.Errorf("exit %d, printed %s, want %s", code, out, want)
	}
}

func TestJSONOfValidate(t *testing.T) {
	good, bad := write(t, valid), write(t, strings.Replace(valid, "routing", "ruting", 1))
	code, out, errOut := run(t, engine.Outcome{}, nil, "validate", "-o", "json", good, bad, good+"x")
	var got []finding
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if code != 2 || errOut != "" || len(got) != 3 || !got[0].Valid || got[1].Problems[0].Path != "spec.ruting" ||
		got[1].Problems[0].Line == 0 || !strings.Contains(got[2].Problems[0].Message, "no such file") {
		t.Errorf("exit %d, says %q, printed %s", code, errOut, out)
	}
}

func TestJSONOfVersion(t *testing.T) {
	_, out, _ := run(t, engine.Outcome{}, nil, "version", "-o", "json")
	var b build
	if err := json.Unmarshal([]byte(out), &b); err != nil || b.Version == "" || b.Go == "" {
		t.Errorf("%v, printed %s", err, out)
	}
	if _, out, _ := run(t, engine.Outcome{}, nil, "version"); !strings.HasPrefix(out, "haldane "+b.Version) {
		t.Errorf("printed %s", out)
	}
}
