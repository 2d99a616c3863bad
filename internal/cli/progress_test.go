package cli

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.Local)

// climbing is a rollout half way up.
func climbing(waiting string) *engine.Status {
	return &engine.Status{
		Name: "churn", Phase: rollout.Progressing, Waiting: waiting, Now: noon,
		Stable: rollout.Revision{Version: "v1"}, Canary: rollout.Revision{Version: "v2"},
		Step: 1, Steps: make([]rollout.Step, 3),
		Wanted: traffic.Split{Canary: traffic.Percent(50)}, Observed: traffic.Observed{Canary: traffic.Percent(50)},
		Verdict: analysis.Verdict{Decision: analysis.Inconclusive, Metrics: []analysis.MetricVerdict{{
			Name: "errors", Decision: analysis.Inconclusive, Reason: "too few", LogPromotion: 1.5, PromotionThreshold: 3, LogRollback: -1, RollbackThreshold: 4.6,
			StableN: 90, CanaryN: 80, Stable: 0.01, Canary: 0.015, Effect: analysis.Effect{Unit: "share"},
		}, {
			Name: "latency", LogPromotion: 9, PromotionThreshold: 3, RollbackThreshold: 4.6,
			StableN: 90, CanaryN: 80, Stable: 0.0042, Canary: 0.005, Effect: analysis.Effect{Unit: "seconds"},
		}}},
		Totals: map[string]engine.Totals{"stable": {Requests: 100, Errors: 1}, "canary": {Requests: 90, Errors: 2}},
	}
}

func TestPicture(t *testing.T) {
	got := picture(climbing("Waiting for evidence at 50%: errors 1% against 1.5%, and much more to be read"), 84, 20)
	want := []string{
		"Progressing  step 2/3  50% to v2  v1: 100 requests, 1 failed  v2: 90 requests, 2 fa…",
		"  errors   no worse █████░░░░░  50%   worse ░░░░░░░░░░   0%   1.5%, was 1%",
		"  latency  no worse ██████████ 100%   worse ░░░░░░░░░░   0%   5 ms, was 4.2 ms",
		"  Waiting for evidence at 50%: errors 1% against 1.5%, and much more to be read",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// Whatever the size of the terminal, the picture fits: the cursor goes back up by
// as many lines as were drawn.
func TestPictureFits(t *testing.T) {
	s := climbing(strings.Repeat("Waiting for Godot ", 20) + strings.Repeat("x", 300))
	s.Warnings = []string{"The machine's clock was set forward"}
	for width := 1; width < 200; width += 7 {
		for height := range 12 {
			got := picture(s, width, height)
			if len(got) > height {
				t.Errorf("%d lines in %d", len(got), height)
			}
			for _, line := range got {
				if n := len([]rune(line)); n > width || strings.ContainsAny(line, "\r\n") {
					t.Errorf("line of %d in %d columns: %q", n, width, line)
				}
			}
		}
	}
}

func TestWrap(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want []string
	}{
		{"  short", []string{"  short"}},
		{"  one two three", []string{"  one two", "  three"}},
		{"  one two  three", []string{"  one two ", "  three"}},
		{"  abcdefghijklm", []string{"  abcdefghijklm"}},
	} {
		if d := cmp.Diff(tc.want, wrap(tc.in, "  ", 10)); d != "" {
			t.Errorf("%q (-want +got):\n%s", tc.in, d)
		}
	}
}

// lines plays statuses, a second apart, and returns what a pipe gets.
func piped(t *testing.T, waiting ...string) string {
	t.Helper()
	var out bytes.Buffer
	p := newProgress(&out, text)
	for i, w := range waiting {
		s := climbing(w)
		s.Now = noon.Add(time.Duration(i) * time.Second)
		p.update(engine.Update{Status: s})
	}
	p.end()
	return out.String()
}

func TestWaitingInAPipe(t *testing.T) {
	var long []string
	for i := range 70 {
		long = append(long, fmt.Sprintf("Waiting for evidence after %d requests", i))
	}
	want := "12:00:05  Waiting      for evidence after 5 requests\n12:01:05  Waiting      for evidence after 65 requests\n"
	if got := piped(t, long...); got != want {
		t.Errorf("printed\n%swant\n%s", got, want)
	}
	if got := piped(t, "a", "b", "a", "b", "a", "b", "a", "b", "a", "b"); got != "" {
		t.Errorf("what does not last is printed: %s", got)
	}
}

func TestWarningsInAPipe(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&out, text)
	for _, warnings := range [][]string{{"disk full 1"}, {"disk full 2", "clock"}, {"clock"}, {"disk full 3"}} {
		s := climbing("")
		s.Warnings = warnings
		p.update(engine.Update{Status: s})
	}
	want := "12:00:00  Warning      disk full 1\n12:00:00  Warning      clock\n12:00:00  Warning      disk full 3\n"
	if out.String() != want {
		t.Errorf("printed\n%swant\n%s", out.String(), want)
	}
}

func TestEventsInAPipe(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&out, text)
	p.addresses(Addresses{Gateway: "http://g", Dashboard: "http://d", Preview: "http://p"})
	p.update(engine.Update{Event: &rollout.Event{At: noon, Kind: rollout.EventStep, Message: "Step 1 of 3"}})
	p.outcome(engine.Outcome{Phase: rollout.Promoted})
	want := "Gateway    http://g\nDashboard  http://d\nPreview    http://p\n12:00:00  Step         Step 1 of 3\n"
	if out.String() != want {
		t.Errorf("printed\n%swant\n%s", out.String(), want)
	}
}

func TestJSONLines(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&out, jsons)
	p.addresses(Addresses{Gateway: "http://g", Dashboard: "http://d"})
	p.found(rollout.State{}, true)
	p.update(engine.Update{Event: &rollout.Event{Kind: rollout.EventStep, Message: "a < b"}})
	p.update(engine.Update{Block: &engine.Block{Block: 7}})
	p.update(engine.Update{Status: climbing("")})
	p.outcome(engine.Outcome{Phase: rollout.Paused, Held: true})
	got := strings.Split(strings.TrimSpace(out.String()), "\n")
	starts := []string{`{"addresses":{"gateway":"http://g",`, `{"event":{`, `{"block":{"block":7,`, `{"status":{"name":"churn"`,
		`{"outcome":{"phase":"Paused","held":true,"exitCode":4}}`}
	if len(got) != len(starts) {
		t.Fatalf("printed %d lines, want %d:\n%s", len(got), len(starts), out.String())
	}
	for i, start := range starts {
		if !strings.HasPrefix(got[i], start) {
			t.Errorf("line %d is %s, want %s…", i, got[i], start)
		}
	}
	if !strings.Contains(got[1], "a < b") {
		t.Errorf("escaped for HTML: %s", got[1])
	}
}

func TestWhatAnEarlierRunLeft(t *testing.T) {
	at := noon.Format("2006-01-02 15:04:05")
	s := rollout.State{PhaseBegan: noon, Reason: "errors rose.", Step: 1}
	s.Plan.Canary, s.Plan.Steps = rollout.Revision{Version: "v2"}, make([]rollout.Step, 3)
	s.Want.Split.Canary = traffic.Percent(25)
	for _, tc := range []struct {
		phase    rollout.Phase
		deadline bool
		over     bool
		want     string
	}{
		{rollout.Promoted, false, true, "v2 was promoted at " + at + ": nothing to do. Name it as stable, and the next version as canary, in the file"},
		{rollout.RolledBack, false, true, "v2 was taken back at " + at + ": errors rose. Run it again with --retry, or name another version as canary in the file"},
		{rollout.RolledBack, false, false, "v2 was taken back at " + at + ": errors rose"},
		{rollout.Paused, true, true, "v2 is held at 25% since its deadline, " + at + ". " + whenHeld},
		{rollout.Paused, false, false, "Going on from the saved state: v2 at step 2 of 3, with 25% of the requests"},
		{rollout.Idle, false, false, "Going on from the saved state"},
	} {
		s.Phase, s.Deadline = tc.phase, tc.deadline
		if got := sentenceOf(s, tc.over); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.phase, got, tc.want)
		}
	}
}
