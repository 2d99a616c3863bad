package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/judge"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// offline runs a command that needs no traffic, with a plan that compares errors.
func offline(t *testing.T, p Program, args ...string) (code int, out, errOut string) {
	t.Helper()
	p.Plan = func(m *v1alpha1.ModelRollout) (rollout.Plan, error) {
		return rollout.Plan{Name: rollout.ID(m.Name), Analysis: analysis.Config{
			FalseRollback: .01, FalsePromotion: .05, MaxDuration: time.Hour, Interval: 15 * time.Second, SRM: .001,
			Metrics: []analysis.Metric{{Name: "errors", Kind: analysis.ErrorRate, MaxIncrease: .01, Tolerate: .5}},
		}}, nil
	}
	var stdout, stderr bytes.Buffer
	code = Main(t.Context(), args, &stdout, &stderr, p)
	return code, stdout.String(), stderr.String()
}

// recorded writes a record of twenty blocks for each share of canary failures.
func recorded(t *testing.T, canary ...int) string {
	t.Helper()
	var b bytes.Buffer
	for i := range 20 {
		for r, k := range canary {
			fmt.Fprintf(&b, `{"rollout":"r%d","t":%d,"weight":50,"metrics":{"errors":{"stable":{"n":1000,"k":10},"canary":{"n":1000,"k":%d}}}}`+"\n", r, 15*(i+1), k)
		}
	}
	name := filepath.Join(t.TempDir(), "counts.jsonl")
	if err := os.WriteFile(name, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestJudgePrintsVerdicts(t *testing.T) {
	file := write(t, valid)
	code, out, errOut := offline(t, Program{}, "judge", "-f", file, "--counts", recorded(t, 10, 40))
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if code != exitRolledBack || errOut != "" || len(lines) != 3 ||
		!strings.HasPrefix(lines[0], "r0: Pass reached at ") || !strings.HasPrefix(lines[1], "r1: Fail reached at ") ||
		lines[2] != "2 rollouts: 1 Fail, 1 Pass" {
		t.Errorf("code %d, %q, %q", code, out, errOut)
	}
}

// TestJudgeByAFileForACluster: the analysis is the same, whatever splits the traffic.
func TestJudgeByAFileForACluster(t *testing.T) {
	file := write(t, `apiVersion: haldane.dev/v1alpha1
kind: ModelRollout
metadata: {name: churn}
spec:
  workload: {name: churn}
  strategy: {canary: {}}
  routing: {gatewayAPI: {httpRoute: churn, adopt: true}}
  analysis:
    source: {prometheus: {address: "http://prometheus:9090", preset: traefik}}
    metrics: [{name: errors, errorRate: {}}]
`)
	code, out, errOut := offline(t, Program{}, "judge", "-f", file, "--counts", recorded(t, 40))
	if code != exitRolledBack || errOut != "" || !strings.HasPrefix(out, "r0: Fail reached at ") {
		t.Errorf("code %d, %q, %q", code, out, errOut)
	}
}

func TestJudgeExitCodes(t *testing.T) {
	file := write(t, valid)
	for name, c := range map[string]struct {
		canary []int
		only   string
		want   int
	}{
		"all pass":                 {[]int{10, 9}, "", exitOK},
		"one fails":                {[]int{10, 40}, "", exitRolledBack},
		"one is open":              {[]int{10, 17}, "", exitHeld},
		"none failed":              {[]int{10, 17}, "rollback", exitOK},
		"failed":                   {[]int{40}, "rollback", exitRolledBack},
		"worse is not yet a Pass":  {[]int{40}, "promotion", exitHeld},
		"as good passes by itself": {[]int{10}, "promotion", exitOK},
	} {
		args := []string{"judge", "-f", file, "--counts", recorded(t, c.canary...)}
		if c.only != "" {
			args = append(args, "--only", c.only)
		}
		if code, out, errOut := offline(t, Program{}, args...); code != c.want {
			t.Errorf("%s: code %d, want %d: %s%s", name, code, c.want, out, errOut)
		}
	}
}

func TestJudgeJSON(t *testing.T) {
	code, out, _ := offline(t, Program{}, "judge", "-f", write(t, valid), "--counts", recorded(t, 40, 10), "-o", "json")
	var got []string
	for line := range strings.Lines(out) {
		var r judge.Result
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		got = append(got, fmt.Sprintf("%s %s %s %v", r.Rollout, r.Verdict, r.Metric, r.Evidence["errors"].LogE > 4))
	}
	if diff := cmp.Diff([]string{"r0 Fail errors true", "r1 Pass errors false"}, got); diff != "" || code != exitRolledBack {
		t.Errorf("code %d (-want +got):\n%s", code, diff)
	}
}

func TestJudgeRefuses(t *testing.T) {
	file, good := write(t, valid), recorded(t, 10)
	bad := filepath.Join(t.TempDir(), "bad.jsonl")
	if err := os.WriteFile(bad, []byte(`{"rollout":"a","t":1,"weight":5,"metrics":{"errors":{"stable":{"n":1,"k":2}}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "other.jsonl")
	if err := os.WriteFile(other, []byte(`{"rollout":"a","t":1,"weight":5,"metrics":{"faults":{}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"judge needs a rollout":                      {"--counts", good},
		"judge needs one record":                     {"-f", file},
		"--weight is about a server: leave it out":   {"-f", file, "--counts", good, "--weight", "5"},
		"judge needs one record: ":                   {"-f", file, "--counts", good, "--prometheus", "http://127.0.0.1:1"},
		"cannot both read standard input":            {"-f", "-", "--counts", "-"},
		`--only: "both" is no side`:                  {"-f", file, "--counts", good, "--only", "both"},
		"no such file":                               {"-f", file, "--counts", good + "x"},
		bad + ":1: metrics.errors.stable.k: is 2 of": {"-f", file, "--counts", bad},
		"has no counts of errors, which the rollout compares; what it has beside and the rollout does not compare: faults": {"-f", file, "--counts", other},
		"is empty":                  {"-f", file, "--counts", os.DevNull},
		"--prometheus needs --from": {"-f", file, "--prometheus", "http://127.0.0.1:1"},
		`--from: "noon" is no time`: {"-f", file, "--prometheus", "http://127.0.0.1:1", "--from", "noon"},
		`--series is "errors"`:      {"-f", file, "--prometheus", "http://127.0.0.1:1", "--from", "2h", "--series", "errors"},
	} {
		code, out, errOut := offline(t, Program{}, append([]string{"judge"}, args...)...)
		if code != exitUsage || !strings.Contains(errOut, want) || strings.Contains(out, "reached") {
			t.Errorf("%v: code %d, %q, %q, want %q", args, code, out, errOut, want)
		}
	}
}

func TestJudgeFromAServer(t *testing.T) {
	var asked RecordedOptions
	p := Program{Recorded: func(_ context.Context, o RecordedOptions, take func(judge.Block) error) error {
		asked = o
		for i := range 20 {
			if err := take(judge.Block{T: float64(15 * (i + 1)), Seconds: 15, Weight: .5, Metrics: map[string]analysis.Measure{
				"errors": {Stable: analysis.Counts{N: 1000, K: 10}, Canary: analysis.Counts{N: 1000, K: 40}},
			}}); err != nil {
				return err
			}
		}
		return nil
	}}
	t.Setenv("HALDANE_PROMETHEUS_TOKEN", "secret")
	code, out, errOut := offline(t, p, "judge", "-f", write(t, valid), "--prometheus", "http://p", "--from", "2026-03-01T12:00:00Z", "--to", "1772370000.5",
		"--exporter", "custom", "--stable", "v=1", "--canary", "v=2", "--weight", "50", "--block", "30s",
		"--series", "errors.total=r", "--series", `errors.bad=r{code=~"5..",a="b=c"}`)
	if code != exitRolledBack || !strings.HasPrefix(out, "a: Fail reached") {
		t.Errorf("code %d, %q, %q", code, out, errOut)
	}
	asked.Plan = rollout.Plan{}
	want := RecordedOptions{
		Address: "http://p", Token: "secret", Exporter: "custom", Stable: "v=1", Canary: "v=2", Weight: .5, Block: 30 * time.Second,
		Series: map[string]map[string]string{"errors": {"total": "r", "bad": `r{code=~"5..",a="b=c"}`}},
		From:   time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), To: time.UnixMilli(1772370000500),
	}
	if diff := cmp.Diff(want, asked, cmp.Comparer(time.Time.Equal)); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	p.Recorded = func(context.Context, RecordedOptions, func(judge.Block) error) error { return nil }
	if code, _, errOut := offline(t, p, "judge", "-f", write(t, valid), "--prometheus", "http://p", "--from", "2h"); code != exitUsage || !strings.Contains(errOut, "no counts of stable") {
		t.Errorf("an empty range: code %d, %q", code, errOut)
	}
	p.Recorded = func(context.Context, RecordedOptions, func(judge.Block) error) error { return errors.New("is down") }
	if code, _, errOut := offline(t, p, "judge", "-f", write(t, valid), "--prometheus", "http://p", "--from", "2h"); code != exitFailed || !strings.Contains(errOut, "is down") {
		t.Errorf("a server that is down: code %d, %q", code, errOut)
	}
}

func TestInstants(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"2h": now.Add(-2 * time.Hour), "0s": now, "1772366400": now, "2026-03-01T13:00:00+01:00": now,
	} {
		if got, err := instant(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%s: %v, %v, want %v", text, got, err, want)
		}
	}
}
