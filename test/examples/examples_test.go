package examples

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/internal/rollout"
)

// reads is what the answers of an example say, whichever its version.
type reads struct {
	classes []string // every one, but those that versions differ in
	numbers []string
}

// cases are the rollouts that are played: of every example the good candidate
// and at least one that must be taken back.
var cases = []struct {
	example, candidate string
	culprits           []string // at least one of these metrics must be named; none means that it is promoted
	reads              reads
}{
	{"plain", "good", nil, reads{yesNo, scored}},
	{"plain", "slow", []string{"latency"}, reads{yesNo, scored}},
	{"kserve-v1", "good", nil, reads{yesNo, scored}},
	{"kserve-v1", "drift", []string{"answers", "scores"}, reads{yesNo, scored}},
	{"mlflow", "good", nil, reads{yesNo, []string{"labels"}}},
	{"mlflow", "wrong", []string{"accuracy"}, reads{yesNo, []string{"labels"}}},
	{"openinference-grpc", "good", nil, reads{yesNo, scored}},
	{"openinference-grpc", "errors", []string{"errors"}, reads{yesNo, scored}},
	{"openai", "good", nil, reads{[]string{"stop"}, tokens}},
	{"openai", "slow", []string{"first-token"}, reads{[]string{"stop"}, tokens}},
	{"openai", "cut", []string{"errors"}, reads{[]string{"stop"}, tokens}},
	{"openai", "wordy", []string{"length", "endings"}, reads{[]string{"length", "stop"}, tokens}},
	{"custom-expression", "good", nil, reads{[]string{"leaves", "stays"}, []string{"value"}}},
	{"custom-expression", "drift", []string{"answers", "risk"}, reads{[]string{"leaves", "stays"}, []string{"value"}}},
	{"sticky-cohorts", "good", nil, reads{yesNo, scored}},
	{"sticky-cohorts", "drift", []string{"answers"}, reads{yesNo, scored}},
	{"blue-green", "good", nil, reads{yesNo, scored}},
	{"blue-green", "drift", []string{"agreement"}, reads{yesNo, scored}},
	{"shadow", "good", nil, reads{[]string{"stop"}, []string{"value"}}},
	{"shadow", "off", []string{"texts"}, reads{[]string{"stop"}, []string{"value"}}},
	{"shadow", "slow", []string{"times"}, reads{[]string{"stop"}, []string{"value"}}},
}

var (
	yesNo  = []string{"no", "yes"}
	scored = []string{"confidence", "value"}
	tokens = []string{"perToken", "ttft", "value"}
)

func TestExamples(t *testing.T) {
	takenBack := map[string]bool{}
	for _, c := range cases {
		again := takenBack[c.example]
		takenBack[c.example] = again || c.culprits != nil
		t.Run(c.example+"/"+c.candidate, func(t *testing.T) {
			if testing.Short() && (again || c.culprits == nil) {
				t.Skip("one rollback of each example will do")
			}
			t.Parallel()
			m := load(t, c.example, c.candidate)
			out, s := play(t, c.example, m, nil)
			want := rollout.Promoted
			if m.Spec.Strategy.Shadow != nil {
				want = rollout.Completed
			}
			if c.culprits != nil {
				want = rollout.RolledBack
			}
			if out.Phase != want || out.Held {
				t.Errorf("ended %+v, want %s; the last verdict: %s", out, want, s.reasons())
			}
			if c.culprits != nil && !names(s.culprits, c.culprits) {
				t.Errorf("taken back because of %v, want one of %v", s.culprits, c.culprits)
			}
			arms := []string{"stable", "canary"}
			if m.Spec.Strategy.Canary == nil && out.Phase != rollout.Promoted {
				arms = arms[:1] // no user saw the other
				if x := s.status.Totals["canary"]; x.Requests > 0 || x.Mirrored == 0 {
					t.Errorf("of the candidate users saw %d answers, and %d were copies; want copies alone", x.Requests, x.Mirrored)
				}
			}
			s.check(t, c.reads, arms...)
		})
	}
}

// names reports whether one of the metrics, or part of one, is among the culprits.
func names(culprits, metrics []string) bool {
	return slices.ContainsFunc(culprits, func(c string) bool {
		return slices.ContainsFunc(metrics, func(m string) bool {
			return c == m || strings.HasPrefix(c, m+" ") || strings.HasPrefix(c, m+".")
		})
	})
}

// reasons is what the last verdict says of every metric.
func (s *seen) reasons() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := []string{string(s.status.Verdict.Decision) + ": " + s.status.Verdict.Reason}
	for _, m := range s.status.Verdict.Metrics {
		lines = append(lines, m.Reason)
	}
	return strings.Join(lines, "\n")
}

// check compares what was read of the answers with what they say.
func (s *seen) check(t *testing.T, want reads, arms ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, arm := range arms {
		if x := s.status.Totals[arm]; x.Requests == 0 || x.Predicted == 0 || x.Unread > 0 {
			t.Errorf("%s: %d requests, %d predictions read, %d answers unread: want some, some and none",
				arm, x.Requests, x.Predicted, x.Unread)
		}
	}
	if d := cmp.Diff(want.classes, trueNames(s.classes)); d != "" {
		t.Errorf("classes (-want +got):\n%s", d)
	}
	if d := cmp.Diff(want.numbers, trueNames(s.numbers)); d != "" {
		t.Errorf("numbers (-want +got):\n%s", d)
	}
}

// TestEveryExampleIsPlayed notices an example that was added and is not run.
func TestEveryExampleIsPlayed(t *testing.T) {
	files, err := filepath.Glob("../../examples/*/rollout*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, f := range files {
		name := filepath.Base(filepath.Dir(f))
		if name == "guardrails" || name == "hooks" || name == "checks" || name == "experiment" || name == "feature-flag" {
			continue // not about clients of a model: its own test plays it
		}
		good, bad := false, false
		for _, c := range cases {
			good = good || c.example == name && c.culprits == nil
			bad = bad || c.example == name && c.culprits != nil
		}
		if !good || !bad {
			t.Errorf("%s: promoted in a test: %t, taken back in a test: %t; want both", f, good, bad)
		}
	}
}
