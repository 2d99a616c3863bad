package report_test

import (
	"strings"
	"testing"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/experiment"
	"github.com/haldane-dev/haldane/internal/report"
	"github.com/haldane-dev/haldane/internal/rollout"
)

func f(x float64) *float64 { return &x }

func compared() *experiment.View {
	return &experiment.View{
		Confidence: .95, Unit: "share", MinEffect: .01,
		Arms: []experiment.ArmView{
			{Name: "stable", Version: "v1", Share: .34, N: 1000, Mean: f(.4), Labelled: f(.5)},
			{Name: "canary", Version: "v2", N: 10, Closed: "errors | 9%"},
			{Name: "v3", Version: "v3", Share: .66, N: 900, Mean: f(.45), Verdict: "Pass"},
		},
		Pairs: []experiment.PairView{
			{Arm: "canary", Over: "stable", Low: -1, High: 1},
			{Arm: "v3", Over: "stable", Estimate: f(.05), Low: .01, High: .09},
			{Arm: "v3", Over: "canary", Low: -1, High: 1},
		},
	}
}

func TestExperimentInMarkdown(t *testing.T) {
	r := report.New(report.Source{Status: engine.Status{
		Name: "abn", Phase: rollout.Completed, Reason: "v3 wins", Experiment: compared(),
		Steps: []rollout.Step{{Weight: 3300}},
	}})
	var b strings.Builder
	if err := report.WriteMarkdown(&b, r); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| stable | v1 | 34% | 1000 (50%) | 40.0% | - | - |",
		`| canary | v2 | 0% | 10 | - | -100.00pp to +100.00pp | closed: errors \| 9% |`,
		"| v3 | v3 | 66% | 900 | 45.0% | +5.00pp (+1.00pp to +9.00pp) | Pass |",
		"| v3 | canary | -100.00pp to +100.00pp |",
		"with a confidence of 95%; a difference of 1.00pp is worth having.",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("there is no %q in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "canary served") {
		t.Error("an experiment has a ladder")
	}
}

func TestExperimentOfTwoHasNoFurtherPairs(t *testing.T) {
	x := compared()
	x.Arms, x.Pairs = x.Arms[:2], x.Pairs[:1]
	if got := report.ExperimentPairs(x); got != nil {
		t.Errorf("%v", got)
	}
	x.Unit = "value"
	if got := report.ExperimentRule(x); !strings.Contains(got, "a difference of 0.01 is") {
		t.Error(got)
	}
}
