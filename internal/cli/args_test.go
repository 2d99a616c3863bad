package cli

import (
	"strings"
	"testing"

	"github.com/haldane-dev/haldane/internal/engine"
)

// TestArguments: what is wrong with a command line is said with what to write.
func TestArguments(t *testing.T) {
	for line, says := range map[string]string{
		"demoo":                   `unknown command "demoo": did you mean demo?`,
		"rollout":                 `unknown command "rollout": see haldane --help`,
		"import flager":           `unknown command "flager": did you mean flagger?`,
		"completion tcsh":         `unknown command "tcsh": did you mean bash`,
		"help nosuch":             `unknown command "nosuch": see haldane --help`,
		"help run fast":           `unknown command "fast"`,
		"run rollout.yaml":        "run takes no argument: if rollout.yaml is the rollout file, write -f rollout.yaml",
		"plan rollout.yaml":       "write -f rollout.yaml",
		"demo wrong":              `demo takes no argument, and "wrong" is one`,
		"status a b":              "status takes the name of one rollout: a, b are 2",
		"validate":                "validate needs a file, or several; - is standard input",
		"import argo":             "argo needs a file",
		"run --fiel x":            "unknown flag: --fiel: see haldane run --help",
		"run -x":                  "see haldane run --help",
		"wait --timeout 5":        `invalid argument "5" for "--timeout" flag: write a time like 90s, 10m or 2h`,
		"plan --rps ten":          `invalid argument "ten" for "--rps" flag: write a number, like 2.5`,
		"controller --workers 2x": "write a whole number",
		"run --hold=maybe":        "write true or false",
		"status -o yaml":          "want text or json",
		"run -f":                  "flag needs an argument",
		"run --report x.pdf":      ".xml (JUnit), .md or .json",
		"run --report none/x.md":  "there is no folder none: make it first",
	} {
		code, out, errOut := run(t, engine.Outcome{}, nil, strings.Fields(line)...)
		if code != 2 || out != "" || !strings.Contains(errOut, says) || strings.Count(errOut, "\n") != 1 {
			t.Errorf("%s: exit %d, printed %q, says %q, want %q", line, code, out, errOut, says)
		}
	}
	for line, says := range map[string]string{
		"help run":         "Carries out one rollout",
		"help import argo": "From a Rollout",
		"--version":        "haldane ",
		"-v":               "haldane ",
	} {
		code, out, errOut := run(t, engine.Outcome{}, nil, strings.Fields(line)...)
		if code != 0 || errOut != "" || !strings.Contains(out, says) {
			t.Errorf("%s: exit %d, printed %q, says %q, want %q", line, code, out, errOut, says)
		}
	}
}
