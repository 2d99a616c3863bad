package demo

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/examples/churn"
	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/app"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
)

func TestEveryScenarioLoads(t *testing.T) {
	if want := []string{"good", "wrong", "slow", "errors", "drift"}; !slices.Equal(Scenarios(), want) {
		t.Errorf("scenarios %v, want %v", Scenarios(), want)
	}
	for _, s := range scenarios {
		m, err := s.load(`/a "strange" path\haldane`)
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		command := m.Spec.Endpoints.Canary.Command
		want := []string{`/a "strange" path\haldane`, "model", "--variant", s.name, "--listen", "{address}"}
		if !slices.Equal(command, want) {
			t.Errorf("%s: command %q, want %q", s.name, command, want)
		}
		p, err := app.Plan(m)
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		named := func(metric analysis.Metric) bool { return metric.Name == s.culprit }
		if s.culprit != "" && !slices.ContainsFunc(p.Analysis.Metrics, named) {
			t.Errorf("%s: no metric is named %s", s.name, s.culprit)
		}
		if !slices.Contains(churn.Variants(), s.name) {
			t.Errorf("no model is named %s", s.name)
		}
	}
	if _, err := find("none"); err == nil || !strings.Contains(err.Error(), "drift") {
		t.Errorf("unknown scenario: %v", err)
	}
}

func TestExpected(t *testing.T) {
	for _, c := range []struct {
		scenario string
		phase    rollout.Phase
		culprits []string
		want     bool
	}{
		{"good", rollout.Promoted, nil, true},
		{"good", rollout.RolledBack, []string{"latency"}, false},
		{"good", rollout.Paused, nil, false},
		{"wrong", rollout.RolledBack, []string{"accuracy"}, true},
		{"wrong", rollout.RolledBack, []string{"latency"}, false},
		{"wrong", rollout.Promoted, nil, false},
		{"slow", rollout.RolledBack, []string{"latency"}, true},
		{"errors", rollout.RolledBack, []string{"errors"}, true},
		{"errors", rollout.RolledBack, nil, false},
		{"drift", rollout.RolledBack, []string{"answers", "accuracy"}, true},
		{"drift", rollout.RolledBack, []string{"accuracy"}, false},
	} {
		s, err := find(c.scenario)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.expected(engine.Outcome{Phase: c.phase}, c.culprits); got != c.want {
			t.Errorf("%s ends %s for %v: expected %v, want %v", c.scenario, c.phase, c.culprits, got, c.want)
		}
	}
}

func TestReport(t *testing.T) {
	s, _ := find("wrong")
	begin := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	fail := analysis.Verdict{
		Decision: analysis.Fail, Culprits: []string{"accuracy"},
		Metrics: []analysis.MetricVerdict{{Name: "accuracy", Reason: "accuracy fell"}},
	}
	later := analysis.Verdict{Decision: analysis.Inconclusive, Metrics: []analysis.MetricVerdict{{Reason: "later"}}}
	var told story
	told.add(engine.Update{Event: &rollout.Event{At: begin, Message: "started"}})
	told.add(engine.Update{Block: &engine.Block{Verdict: fail}})
	told.add(engine.Update{Event: &rollout.Event{At: begin.Add(1500 * time.Millisecond), Message: "rolling back"}})
	told.add(engine.Update{Status: &engine.Status{Phase: rollout.RolledBack, Reason: "accuracy", Verdict: later}})
	o, ended := told.outcome()
	if !ended {
		t.Fatal("a rolled-back rollout has not ended")
	}
	var b strings.Builder
	write(&b, s, told, counts{Requests: 100, Labels: 80, Versions: map[string]int64{"v1": 93, "wrong": 7}}, o)
	want := `
Scenario wrong: a candidate that is quick, never fails, and is wrong more often.

What happened:
    0.0s  started
    1.5s  rolling back

Evidence at the last verdict:
  accuracy fell

100 requests, 0 of them failed; 7 answered by the candidate; 80 labels sent.
Ending: RolledBack: accuracy
As expected.
`
	if b.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", b.String(), want)
	}
}

func TestLabelsWaitUntilTheyAreDue(t *testing.T) {
	now := time.Now()
	l := &load{counts: counts{Versions: map[string]int64{}}}
	l.note("v1", false, label{ID: "a", due: now})
	l.note("good", false, label{ID: "b", due: now.Add(time.Hour)})
	l.note("good", true, label{ID: "c", due: now})
	if got := l.take(now); len(got) != 1 || got[0].ID != "a" {
		t.Errorf("due now: %v", got)
	}
	if got := l.take(now.Add(2 * time.Hour)); len(got) != 1 || got[0].ID != "b" {
		t.Errorf("due later: %v", got)
	}
	if c := l.seen(); c.Requests != 3 || c.Failed != 1 || c.Versions["good"] != 2 {
		t.Errorf("counts %+v", c)
	}
}
