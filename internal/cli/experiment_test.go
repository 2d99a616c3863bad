package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/experiment"
	"github.com/haldane-dev/haldane/internal/rollout"
)

func trial() *engine.Status {
	s := climbing("Comparing")
	mean := .4
	s.Workloads = map[string]rollout.Health{"stable": {Ready: true}, "large": {Message: "loading"}}
	s.Totals = map[string]engine.Totals{"large": {Requests: 7, Errors: 1}}
	s.Experiment = &experiment.View{
		Confidence: .95, Unit: "share", MinEffect: .01,
		Arms: []experiment.ArmView{
			{Name: "stable", Version: "v1", Share: .5, N: 100, Mean: &mean}, {Name: "canary", Version: "v2", Share: .2},
			{Name: "large", Version: "v3", Share: .3},
		},
		Pairs: []experiment.PairView{{Arm: "canary", Over: "stable", Low: -1, High: 1}, {Arm: "large", Over: "stable", Low: -.1, High: .2}, {Arm: "large", Over: "canary", Low: -1, High: 1}},
	}
	return s
}

func TestWriteStatusOfAnExperiment(t *testing.T) {
	var out bytes.Buffer
	if err := writeStatus(&out, trial()); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{
		"churn: an experiment with 3 arms", "Large v3 loading; 7 requests, 1 failed",
		"ARM VERSION TRAFFIC COUNTED GOAL OVER STABLE METRICS", "stable v1 50% 100 40.0% - -",
		"large v3 30% 0 - -10.00pp to +20.00pp -", "large canary -100.00pp to +100.00pp", "with a confidence of 95%",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %q in\n%s", want, out.String())
		}
	}
	if strings.Contains(text, "is to replace") || strings.Contains(text, "Traffic 50%") {
		t.Errorf("it is shown as a rollout of two:\n%s", out.String())
	}
}

func TestHeadlineOfAnExperiment(t *testing.T) {
	got := headline(trial())
	if want := "stable 50%: 0 requests, 0 failed  canary 20%: 0 requests, 0 failed  large 30%: 7 requests, 1 failed"; !strings.HasSuffix(got, want) {
		t.Errorf("%s", got)
	}
}
