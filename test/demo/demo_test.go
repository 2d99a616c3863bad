package demo

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// limit is what the demo promises: every scenario ends by itself within it on
// two cores. The test gives it twice, since other tests run beside it.
const limit = 3 * time.Minute

func TestMain(m *testing.M) {
	code := func() int {
		folder, err := os.MkdirTemp("", "haldane-demo-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(folder)
		program = filepath.Join(folder, "haldane")
		out, err := exec.Command("go", "build", "-o", program, "github.com/haldane-dev/haldane/cmd/haldane").CombinedOutput()
		if err != nil {
			panic(string(out))
		}
		return m.Run()
	}()
	os.Exit(code)
}

var program string

// TestScenarios runs them one after the other: side by side they would
// compete for the two cores, and the models' latency is part of the evidence.
func TestScenarios(t *testing.T) {
	if testing.Short() {
		t.Skip("two minutes of real traffic")
	}
	for _, c := range []struct{ scenario, ending string }{
		{"good", `(?m)^Ending: Promoted: every metric is within its margin`},
		{"wrong", `(?m)^Ending: RolledBack: canary wrong predictions .* labelled canary predictions$`},
		{"slow", `(?m)^Ending: RolledBack: canary p\d+ .* canary requests$`},
		{"errors", `(?m)^Ending: RolledBack: canary errors .* canary requests$`},
		{"drift", `(?m)^Ending: RolledBack: canary answers class .* canary predictions$`},
	} {
		t.Run(c.scenario, func(t *testing.T) {
			out, code := play(t, c.scenario)
			if code != 0 || !strings.HasSuffix(strings.TrimSpace(out), "As expected.") {
				t.Errorf("exit %d, want 0 and a report that ends as expected:\n%s", code, out)
			}
			if !regexp.MustCompile(c.ending).MatchString(out) {
				t.Errorf("no ending like %s in:\n%s", c.ending, out)
			}
			for _, want := range []string{"Dashboard: http://127.0.0.1:", "What happened:", "Evidence at the last verdict:", "answered by the candidate"} {
				if !strings.Contains(out, want) {
					t.Errorf("no %q in:\n%s", want, out)
				}
			}
		})
	}
}

// play runs one scenario to its end and returns what it printed and its exit
// code.
func play(t *testing.T, scenario string) (string, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "demo", "--scenario", scenario, "--api", "127.0.0.1:0")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second
	cmd.Dir = t.TempDir()
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v\n%s", scenario, err, out)
	}
	return string(out), cmd.ProcessState.ExitCode()
}
