package system

import (
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

const pipelines = "../../examples/pipelines/"

// script is one of the examples, with this haldane in its path.
func script(t *testing.T, server, name string, args ...string) *exec.Cmd {
	t.Helper()
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("there is no bash on this machine, which the scripts are for")
	}
	file, err := filepath.Abs(pipelines + name)
	if err != nil {
		t.Fatal(err)
	}
	c := command(t)
	c.Path, c.Args, c.Err = file, append([]string{file}, args...), nil
	c.Env = append(c.Env, "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"), "HALDANE_SERVER="+server)
	return c
}

// TestDecide: a merge lets what is no worse go on to its promotion, and whoever
// closes takes it back.
func TestDecide(t *testing.T) {
	for _, tc := range []struct {
		what string
		code int
	}{{"merged", 0}, {"closed", 3}} {
		t.Run(tc.what, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(document(at(newModel(t, 0)), at(newModel(t, 0))), "{weight: 50}", "{pause: {}}, {weight: 50}", 1)
			l := start(t, write(t, text), filepath.Join(t.TempDir(), "state.db"))
			l.listening()
			drive(t).to(l.gateway)
			if code, out, errOut := l.ask("wait", "--for=Paused", "--timeout", "90s"); code != 0 {
				t.Fatalf("wait: exit code %d, printed %q, said %q", code, out, errOut)
			}
			code, out, errOut := finish(t, script(t, l.dashboard, "decide.sh", tc.what, "strangers"))
			if code != tc.code {
				t.Errorf("decide.sh: exit code %d, want %d; it printed %q and said %q", code, tc.code, out, errOut)
			}
			if code, _ := l.outcome(); code != tc.code {
				t.Errorf("run: exit code %d, want %d", code, tc.code)
			}
		})
	}
	if code, _, errOut := finish(t, script(t, "", "decide.sh", "reopened")); code != 2 || !strings.Contains(errOut, "want merged or closed") {
		t.Errorf("exit code %d, said %q", code, errOut)
	}
}

// TestRolloutJob: the job ends as its rollout, and leaves both reports.
func TestRolloutJob(t *testing.T) {
	t.Parallel()
	text := strings.NewReplacer("maxDuration: 100s", "maxDuration: 500ms", "onDeadline: Hold", "onDeadline: Rollback").
		Replace(document(at(newModel(t, 0)), at(newModel(t, 0))))
	c := script(t, "", "rollout.sh", write(t, text), "--state", filepath.Join(t.TempDir(), "state.db"), "--api", "127.0.0.1:0")
	code, out, _ := finish(t, c)
	if code != 3 || !strings.Contains(out, "## strangers: ❌ v2 taken back") {
		t.Errorf("exit code %d, printed %s", code, out)
	}
	var doc struct {
		Failures int `xml:"failures,attr"`
	}
	junit, err := os.ReadFile(filepath.Join(c.Dir, "reports", "rollout.xml"))
	if err != nil || xml.Unmarshal(junit, &doc) != nil || doc.Failures == 0 {
		t.Errorf("%v: %s", err, junit)
	}
	if code, _, _ := finish(t, script(t, "", "rollout.sh", "gone.yaml")); code != 2 {
		t.Errorf("without a file: exit code %d, want 2", code)
	}
}

// TestApprovedJob: with APPROVE=yes a pause holds nothing up.
func TestApprovedJob(t *testing.T) {
	t.Parallel()
	text := strings.Replace(document(at(newModel(t, 0)), at(newModel(t, 0))), "{weight: 50}", "{pause: {}}, {weight: 50}", 1)
	dashboard, gateway := freeAddress(t), freeAddress(t)
	text = strings.Replace(text, "127.0.0.1:0", gateway, 1)
	c := script(t, "http://"+dashboard, "rollout.sh", write(t, text), "--state", filepath.Join(t.TempDir(), "state.db"), "--api", dashboard)
	c.Env = append(c.Env, "APPROVE=yes")
	drive(t).to("http://" + gateway)
	if code, out, errOut := finish(t, c); code != 0 || !strings.Contains(out, "✅ v2 promoted") || !strings.Contains(out, "approved by the pipeline") {
		t.Errorf("exit code %d, printed %s and said %s", code, out, errOut)
	}
}

// TestWorkflow: every command of the workflow is one that there is, with flags
// that there are, and every script is one that bash can read.
func TestWorkflow(t *testing.T) {
	text, err := os.ReadFile(pipelines + "github.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var workflow struct {
		Jobs map[string]struct {
			Steps []struct{ Name, Run string }
		}
	}
	if err := yaml.Unmarshal(text, &workflow); err != nil {
		t.Fatal(err)
	}
	calls := 0
	for job, j := range workflow.Jobs {
		for _, s := range j.Steps {
			if strings.Contains(s.Run, "${{") {
				t.Errorf("%s, %s: what a stranger can write is put into a script", job, s.Name)
			}
			c := exec.CommandContext(t.Context(), "bash", "-n", "-c", s.Run)
			if out, err := c.CombinedOutput(); err != nil {
				t.Errorf("%s, %s: %v: %s", job, s.Name, err, out)
			}
			for line := range strings.Lines(s.Run) {
				m := regexp.MustCompile(`^\s*haldane (\w+)(.*)`).FindStringSubmatch(line)
				if m == nil {
					continue
				}
				calls++
				_, help, _ := haldane(t, m[1], "--help")
				for _, flag := range regexp.MustCompile(`\s(--?[a-z]+)`).FindAllStringSubmatch(m[2], -1) {
					if !regexp.MustCompile(`(?m)^\s+(-\w, )?` + flag[1] + `\b|^\s+` + flag[1] + `,`).MatchString(help) {
						t.Errorf("%s: haldane %s has no flag %s", s.Name, m[1], flag[1])
					}
				}
			}
		}
	}
	if calls < 2 {
		t.Errorf("%d calls of haldane were found", calls)
	}
}
