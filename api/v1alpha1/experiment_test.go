package v1alpha1

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const experimentFile = `apiVersion: haldane.dev/v1alpha1
kind: ModelRollout
metadata: {name: ab}
spec:
  endpoints:
    stable: {version: v1, url: "http://127.0.0.1:9001"}
    canary: {version: v2, url: "http://127.0.0.1:9002"}
    variants:
      v3: {version: v3, url: "http://127.0.0.1:9003"}
  strategy:
    experiment:
      goal: {outcome: {}}
  routing: {gateway: {listen: "127.0.0.1:8080"}}
`

func TestExperimentDefaults(t *testing.T) {
	m, err := Load("f.yaml", strings.NewReader(experimentFile))
	if err != nil {
		t.Fatal(err)
	}
	x := m.Spec.Strategy.Experiment
	var arms []string
	sum := 0
	for _, a := range x.Arms {
		arms = append(arms, a.Name)
		sum += *a.Weight
	}
	if d := cmp.Diff([]string{"stable", "canary", "v3"}, arms); d != "" || sum != 100 || *x.Arms[0].Weight != 34 {
		t.Errorf("arms %v, weights that sum to %d", arms, sum)
	}
	if x.Then != "Report" || x.Allocation != "Fixed" || *x.Confidence != .95 || *x.Goal.MinEffect != .01 || x.Goal.Outcome.Missing != "unknown" {
		t.Errorf("%+v, goal %+v", x, x.Goal)
	}
	if m.Spec.Analysis.MaxDuration.Duration != x.MaxDuration.Duration {
		t.Errorf("metrics are judged for %s, the experiment takes %s", m.Spec.Analysis.MaxDuration, x.MaxDuration)
	}
}

func TestExperimentRefusals(t *testing.T) {
	for name, tt := range map[string]struct{ old, new, path, want string }{
		"variants of a canary":      {"experiment:\n      goal: {outcome: {}}", "canary: {}", "spec.endpoints.variants", "experiment"},
		"a variant named canary":    {"v3: {", "canary: {", "spec.endpoints.variants.canary", "no name of a variant"},
		"a version twice":           {"version: v3", "version: v2", "spec.endpoints.variants.v3.version", "like canary's"},
		"a server twice":            {"9003", "9001", "spec.endpoints.variants.v3.url", "same server"},
		"an arm too few":            {"goal:", "arms: [{name: stable, weight: 50}, {name: canary, weight: 50}]\n      goal:", "spec.strategy.experiment.arms", "leave out the endpoint v3"},
		"an arm that is not":        {"goal:", "arms: [{name: stable}, {name: canary}, {name: v4}]\n      goal:", "spec.strategy.experiment.arms[2].name", "no endpoint"},
		"weights":                   {"goal:", "arms: [{name: stable, weight: 50}, {name: canary, weight: 30}, {name: v3, weight: 30}]\n      goal:", "spec.strategy.experiment.arms", "sum to 110"},
		"half the weights":          {"goal:", "arms: [{name: stable, weight: 50}, {name: canary, weight: 50}, {name: v3}]\n      goal:", "spec.strategy.experiment.arms", "one for each arm"},
		"always of the control":     {"goal:", "arms: [{name: stable, always: [{header: {name: x}}]}, {name: canary}, {name: v3}]\n      goal:", "spec.strategy.experiment.arms[0].always", "routing.never"},
		"always of nobody":          {"routing: {", "routing: {always: [{header: {name: x}}], ", "spec.routing.always", "at the arm"},
		"no goal":                   {"{outcome: {}}", "{}", "spec.strategy.experiment.goal", "needs one of"},
		"two goals":                 {"{outcome: {}}", "{outcome: {}, mean: {of: confidence}, minEffect: 0.1}", "spec.strategy.experiment.goal.mean", "contradicts"},
		"a mean without an effect":  {"{outcome: {}}", "{mean: {of: confidence}}", "spec.strategy.experiment.goal.minEffect", "missing"},
		"an effect of nothing":      {"{outcome: {}}", "{outcome: {}, minEffect: 0}", "spec.strategy.experiment.goal.minEffect", "above 0"},
		"an event without a name":   {"{outcome: {}}", "{mean: {of: conversion}, minEffect: 0.1}", "spec.strategy.experiment.goal.mean.event", "name of what happened"},
		"a value without bounds":    {"{outcome: {}}", "{mean: {of: feedback}, minEffect: 0.1}", "spec.strategy.experiment.goal.mean.bounds", "least and the greatest"},
		"an unknown mean":           {"{outcome: {}}", "{mean: {of: joy, bounds: [0, 1]}, minEffect: 0.1}", "spec.strategy.experiment.goal.mean.of", "joy"},
		"labels that come too late": {"goal: {outcome: {}}", "maxDuration: 20m\n      goal: {outcome: {}}", "spec.strategy.experiment.goal", "after maxDuration"},
		"confidence":                {"goal:", "confidence: 40%\n      goal:", "spec.strategy.experiment.confidence", "95%"},
		"no time":                   {"goal:", "minDuration: 2h\n      maxDuration: 1h\n      goal:", "spec.strategy.experiment.maxDuration", "minDuration"},
		"allocation":                {"goal:", "allocation: Greedy\n      goal:", "spec.strategy.experiment.allocation", "Thompson"},
		"a floor of fixed weights":  {"goal:", "floor: 5%\n      goal:", "spec.strategy.experiment.floor", "Thompson"},
		"too high a floor":          {"goal:", "allocation: Thompson\n      floor: 40%\n      goal:", "spec.strategy.experiment.floor", "3 arms"},
		"promotion of three":        {"goal:", "then: Promote\n      goal:", "spec.strategy.experiment.then", "of 3 arms"},
		"another time":              {"  routing:", "  analysis: {maxDuration: 1h}\n  routing:", "spec.analysis.maxDuration", "strategy.experiment.maxDuration"},
		"a rollback at the end":     {"  routing:", "  analysis: {onDeadline: Rollback}\n  routing:", "spec.analysis.onDeadline", "report"},
		"a metric named goal":       {"  routing:", "  analysis: {metrics: [{name: goal, errorRate: {}}]}\n  routing:", "spec.analysis.metrics[0].name", "another"},
		"a level of three arms":     {"  routing:", "  analysis: {metrics: [{name: e, errorRate: {}}, {name: a, gauge: {from: {json: {url: \"http://q/{{arm}}\", path: $.a}}, maxRatio: 2}}]}\n  routing:", "spec.analysis.metrics[1].gauge", "two arms"},
		"a question never asked":    {"  routing:", "  hooks: [{when: confirmPromotion, url: \"http://127.0.0.1:1\"}]\n  routing:", "spec.hooks[0].when", "never asks"},
	} {
		if !strings.Contains(experimentFile, tt.old) {
			t.Fatalf("%s: the file has no %q", name, tt.old)
		}
		_, err := Load("f.yaml", strings.NewReader(strings.Replace(experimentFile, tt.old, tt.new, 1)))
		if err == nil || !strings.Contains(err.Error(), tt.path) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want something of %s about %q", name, err, tt.path, tt.want)
		}
	}
}

// TestTheDocumentedExperiments reads the files of docs/experiments.md: the first is
// of one machine, the others of a cluster.
func TestTheDocumentedExperiments(t *testing.T) {
	text, err := os.ReadFile("../../docs/experiments.md")
	if err != nil {
		t.Fatal(err)
	}
	r, n := definition(t, "modelrollouts"), 0
	for _, block := range strings.Split(string(text), "```yaml\n")[1:] {
		file, _, _ := strings.Cut(block, "```")
		if !strings.HasPrefix(file, "apiVersion:") {
			continue // a part of one
		}
		if n++; n == 1 {
			_, err = Load("docs/experiments.md", strings.NewReader(file))
		} else {
			_, err = LoadCluster("docs/experiments.md", strings.NewReader(file))
			err = errors.Join(err, r.create(file))
		}
		if err != nil {
			t.Errorf("file %d: %v", n, err)
		}
	}
	if n < 2 {
		t.Errorf("docs/experiments.md has %d files", n)
	}
	const example = "../../examples/experiment/cluster.yaml"
	if text, err = os.ReadFile(example); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadCluster(example, strings.NewReader(string(text))); err != nil || r.create(string(text)) != nil {
		t.Errorf("%v; %v", err, r.create(string(text)))
	}
}
