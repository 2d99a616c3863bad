package cli

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/experiment"
	"github.com/haldane-dev/haldane/internal/plan"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// planned runs `haldane plan` on a ladder of 5 and 50% that compares the metrics
// given, errors alone if there are none.
func planned(t *testing.T, metrics []analysis.Metric, args ...string) (code int, out, errOut string) {
	t.Helper()
	if metrics == nil {
		metrics = []analysis.Metric{{Name: "errors", Kind: analysis.ErrorRate, MaxRatio: 1.25, MaxIncrease: .001, Tolerate: .5}}
	}
	var stdout, stderr strings.Builder
	code = Main(t.Context(), append([]string{"plan", "-f", write(t, valid)}, args...), &stdout, &stderr, Program{
		LatencyEdges: []float64{.01, .02, .05, .1, .2, .5, 1},
		Plan: func(m *v1alpha1.ModelRollout) (rollout.Plan, error) {
			// The file's own metrics are errors and latency; the forecast asks it for maturities by index.
			for len(m.Spec.Analysis.Metrics) < len(metrics) {
				m.Spec.Analysis.Metrics = append(m.Spec.Analysis.Metrics, v1alpha1.Metric{})
			}
			return rollout.Plan{
				Name: "a", MaxDuration: 2 * time.Hour, Steps: []rollout.Step{{Weight: traffic.Percent(5)}, {Weight: traffic.Percent(50)}, {Weight: traffic.Percent(100)}},
				Analysis: analysis.Config{
					FalseRollback: .01, FalsePromotion: .05, MaxDuration: 2 * time.Hour, Interval: 15 * time.Second,
					Warmup: 90 * time.Second, Dispersion: true, Metrics: metrics,
				},
			}, nil
		},
	})
	return code, stdout.String(), stderr.String()
}

func TestPlanPrints(t *testing.T) {
	svg := filepath.Join(t.TempDir(), "plan.svg")
	code, out, errOut := planned(t, nil, "--rps", "100", "--error-rate", "1%", "--svg", svg)
	if code != exitOK || errOut != "" {
		t.Fatalf("code %d, %q", code, errOut)
	}
	for _, want := range []string{"a at 100 requests a second", "A healthy canary is promoted in about ", "STEP  TRAFFIC", "100% |", "TAKEN BACK"} {
		if !strings.Contains(out, want) {
			t.Errorf("%s\nlacks %q", out, want)
		}
	}
	if text, err := os.ReadFile(svg); err != nil || !strings.HasPrefix(string(text), "<svg ") {
		t.Errorf("%v, %.40q", err, text)
	}
}

func TestPlanRefusesWhatCannotBeDecided(t *testing.T) {
	code, out, errOut := planned(t, nil, "--rps", "0.5", "--error-rate", "1%")
	if code != exitUsage || !strings.Contains(out, "STEP") {
		t.Errorf("code %d, %q", code, out)
	}
	for _, want := range []string{"haldane: step ", "(maxDuration) with a probability of ", "haldane:   write maxDuration: "} {
		if !strings.Contains(errOut, want) {
			t.Errorf("%q lacks %q", errOut, want)
		}
	}
	code, _, errOut = planned(t, nil, "--rps", "0.5", "--error-rate", "1%", "--force")
	if code != exitOK || !strings.Contains(errOut, "haldane: warning: step ") {
		t.Errorf("forced: code %d, %q", code, errOut)
	}
}

func TestPlanJSON(t *testing.T) {
	code, out, _ := planned(t, nil, "--rps", "100", "--error-rate", "1%", "-o", "json")
	var r struct {
		RPS   float64
		Steps []plan.Step
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != exitOK {
		t.Fatalf("code %d, %v", code, err)
	}
	if r.RPS != 100 || len(r.Steps) != 3 || r.Steps[0].Metrics[0].Most.Probability < .95 {
		t.Errorf("%+v", r)
	}
}

// every is one metric of each kind that takes a baseline from a flag.
var every = []analysis.Metric{
	{Name: "errors", Kind: analysis.ErrorRate, MaxIncrease: .01, Tolerate: .5},
	{Name: "latency", Kind: analysis.Latency, Slower: []analysis.Slower{{Quantile: .5, Share: .5}}, Tolerate: .5},
	{Name: "answers", Kind: analysis.Drift, Max: .1, Tolerate: 1},
	{Name: "score", Kind: analysis.Mean, Upper: 1, MaxDecrease: .05, Tolerate: .5},
	{Name: "accuracy", Kind: analysis.Outcome, MaxIncrease: .05, Tolerate: .5},
}

func TestPlanTakesBaselinesFromFlags(t *testing.T) {
	code, out, errOut := planned(t, every, "--rps", "100", "--error-rate", "0.01", "--latency", "p50=60ms,p99=300ms",
		"--classes", "70%,30%", "--mean", "0.8±0.15", "--wrong-rate", "10%", "--labelled", "50%")
	if code != exitOK || strings.Contains(out, "Not foretold") {
		t.Errorf("code %d, %s%s", code, out, errOut)
	}
	for _, m := range every {
		if !strings.Contains(out, m.Name+" ") {
			t.Errorf("no %s in\n%s", m.Name, out)
		}
	}
	_, out, _ = planned(t, every, "--rps", "100", "--error-rate", "1%", "--bins", "0.2,0.3,0.5", "--mean", "0.8,0.15")
	if !strings.Contains(out, "Not foretold, for lack of a baseline: latency, accuracy.") || !strings.Contains(out, "of scores move") {
		t.Errorf("some flags:\n%s", out)
	}
}

// TestPlanTakesBaselinesFromARecord: what judge reads, and flags override.
func TestPlanTakesBaselinesFromARecord(t *testing.T) {
	var b strings.Builder
	for i := range 10 {
		fmt.Fprintf(&b, `{"rollout":"r","t":%d,"weight":50,"metrics":{"errors":{"stable":{"n":1000,"k":20},"canary":{"n":1000,"k":900}}}}`+"\n", 20*(i+1))
	}
	name := filepath.Join(t.TempDir(), "counts.jsonl")
	if err := os.WriteFile(name, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	_, recorded, errOut := planned(t, nil, "--baseline", name)
	_, told, _ := planned(t, nil, "--rps", "100", "--error-rate", "2%")
	if diff := cmp.Diff(told, recorded); diff != "" {
		t.Errorf("%s a record of the same (-told +recorded):\n%s", errOut, diff)
	}
	_, both, _ := planned(t, nil, "--baseline", name, "--rps", "50", "--error-rate", "1%")
	_, told, _ = planned(t, nil, "--rps", "50", "--error-rate", "1%")
	if diff := cmp.Diff(told, both); diff != "" {
		t.Errorf("flags over a record (-told +both):\n%s", diff)
	}
	if err := os.WriteFile(name, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errOut := planned(t, nil, "--baseline", name); code != exitUsage || !strings.Contains(errOut, "counts.jsonl:1: rollout: is missing") {
		t.Errorf("a bad record: code %d, %q", code, errOut)
	}
}

func TestPlanRefusesFlags(t *testing.T) {
	for want, args := range map[string][]string{
		"plan needs the rate of requests":                {},
		"--rps is -1: write how many":                    {"--rps", "-1"},
		"--rps is NaN":                                   {"--rps", "NaN"},
		"--rps is +Inf":                                  {"--rps", "Inf"},
		"write a percentage, like 1%":                    {"--rps", "10", "--error-rate", "1"},
		"there is a baseline for none of the metrics":    {"--rps", "10"},
		"read the baseline: ":                            {"--baseline", "missing.jsonl"},
		`invalid argument "2" for "--error-rate"`:        {"--rps", "10", "--error-rate", "2"},
		`--latency: "p50=fast" is no quantile`:           {"--rps", "10", "--latency", "p50=fast"},
		`--latency is "p50=9ms,p90=10ms"`:                {"--rps", "10", "--latency", "p50=9ms,p90=10ms"},
		"the shares 50%,40% sum to 90%":                  {"--rps", "10", "--classes", "50%,40%"},
		`--mean is "0.8": write a mean and a standard d`: {"--rps", "10", "--mean", "0.8"},
		`no mean called sales is compared here`:          {"--rps", "10", "--mean", "sales=3%"},
	} {
		if code, _, errOut := planned(t, every, args...); code != exitUsage || !strings.Contains(errOut, want) {
			t.Errorf("%v: code %d, %q, want %q", args, code, errOut, want)
		}
	}
	var out, errOut strings.Builder
	if code := Main(t.Context(), []string{"plan"}, &out, &errOut, Program{}); code != exitUsage || !strings.Contains(errOut.String(), "plan needs a rollout") {
		t.Errorf("no file: %d, %q", code, &errOut)
	}
}

func TestShareFlag(t *testing.T) {
	var s share
	if s.String() != "" || s.Set("1.5%") != nil || math.Abs(s.v-.015) > 1e-12 || s.String() != "1.5%" || s.Set("x") == nil {
		t.Errorf("%+v", s)
	}
}

// files are two of a kind: one for this machine and one for a cluster.
const (
	abTest = `apiVersion: haldane.dev/v1alpha1
kind: ModelRollout
metadata: {name: shop}
spec:
  endpoints:
    stable: {version: v1, url: "http://127.0.0.1:1"}
    canary: {version: v2, url: "http://127.0.0.1:2"}
    variants:
      large: {version: v3, url: "http://127.0.0.1:3"}
  strategy:
    experiment:
      arms: [{name: stable, weight: 40}, {name: canary, weight: 30}, {name: large, weight: 30}]
      goal: {GOAL}
      maxDuration: 48h
  routing: {gateway: {listen: "127.0.0.1:0"}}
`
	clusterFlag = `apiVersion: haldane.dev/v1alpha1
kind: ModelRollout
metadata: {name: shop}
spec:
  endpoints: {stable: {version: v1}, canary: {version: v2}}
  strategy: {canary: {}}
  routing:
    flag: {tokenFrom: {name: flag, key: token}, fleet: {replicas: 2}}
  analysis:
    source: {prometheus: {address: "http://prometheus:9090", preset: haldane}}
    maxDuration: 6h
    metrics:
    - {name: conversion, mean: {of: conversion, event: checkout, maxDecrease: 0.01, maturity: 20m}}
    - {name: failures, mean: {of: conversion, event: error, maxIncrease: 0.005, maturity: 5m}}
`
)

// foretold runs `haldane plan` on a file whose metrics are the given ones.
func foretold(t *testing.T, file string, change func(*rollout.Plan), args ...string) (code int, out, errOut string) {
	t.Helper()
	var stdout, stderr strings.Builder
	code = Main(t.Context(), append([]string{"plan", "-f", write(t, file)}, args...), &stdout, &stderr, Program{
		LatencyEdges: []float64{.01, .02, .05, .1, .2, .5, 1},
		Plan: func(m *v1alpha1.ModelRollout) (rollout.Plan, error) {
			p := rollout.Plan{
				Name: rollout.ID(m.Name), MaxDuration: 6 * time.Hour, Steps: []rollout.Step{{Weight: traffic.Percent(30)}, {Weight: traffic.Percent(100)}},
				Analysis: analysis.Config{FalseRollback: .01, FalsePromotion: .05, Interval: 15 * time.Second, Warmup: 90 * time.Second, Dispersion: true},
			}
			change(&p)
			return p, nil
		},
	})
	return code, stdout.String(), stderr.String()
}

// threeArms is the experiment of abTest with a goal.
func threeArms(g experiment.Goal) func(*rollout.Plan) {
	return func(p *rollout.Plan) {
		p.Steps = p.Steps[:1]
		p.Analysis.Metrics = []analysis.Metric{
			{Name: "errors", Kind: analysis.ErrorRate, MaxIncrease: .01, Tolerate: .5},
			{Name: "latency", Kind: analysis.Latency, Slower: []analysis.Slower{{Quantile: .5, Share: .5}}, Tolerate: .5},
		}
		p.Experiment = &experiment.Config{
			Arms: []experiment.Arm{{Name: "stable", Weight: 40}, {Name: "canary", Weight: 30}, {Name: "large", Weight: 30}},
			Goal: g, Confidence: .95, MaxDuration: 48 * time.Hour,
		}
	}
}

func TestPlanOfExperiments(t *testing.T) {
	outcome := experiment.Goal{Kind: analysis.Outcome, MinEffect: .02}
	sales := experiment.Goal{Kind: analysis.Mean, Upper: 1, Binary: true, MinEffect: .01}
	score := experiment.Goal{Kind: analysis.Mean, Upper: 5, MinEffect: .1}
	for name, tt := range map[string]struct {
		file string
		goal experiment.Goal
		args []string
		want string
	}{
		"labels":   {"outcome: {}", outcome, []string{"--wrong-rate", "30%", "--labelled", "50%"}, "The goal is at 70% today; what is worth having is 2pp more"},
		"sales":    {"mean: {of: conversion, event: checkout}, minEffect: 0.01", sales, []string{"--mean", "3%"}, "The goal is at 3% today"},
		"by name":  {"mean: {of: conversion, event: checkout}, minEffect: 0.01", sales, []string{"--mean", "goal=4%"}, "The goal is at 4% today"},
		"feedback": {"mean: {of: feedback, bounds: [0, 5]}, minEffect: 0.1", score, []string{"--mean", "3±1", "--labelled", "10%"}, "The goal is at 3 today; what is worth having is 0.1 more"},
	} {
		svg := filepath.Join(t.TempDir(), "plan.svg")
		file := strings.Replace(abTest, "{GOAL}", "{"+tt.file+"}", 1)
		code, out, errOut := foretold(t, file, threeArms(tt.goal), append(tt.args, "--rps", "10", "--error-rate", "1%", "--svg", svg)...)
		if code != exitOK || !strings.Contains(out, tt.want) || !strings.Contains(out, "Not foretold, for lack of a baseline: latency.") || !strings.Contains(out, "canary, large  30% each  errors") {
			t.Errorf("%s: code %d, %s\n%s", name, code, errOut, out)
		}
		if text, err := os.ReadFile(svg); err != nil || !strings.HasPrefix(string(text), "<svg ") {
			t.Errorf("%v, %.40q", err, text)
		}
	}
	file := strings.Replace(abTest, "{GOAL}", "{outcome: {}}", 1)
	code, out, errOut := foretold(t, file, threeArms(outcome), "--rps", "0.05", "--wrong-rate", "30%")
	if code != exitUsage || !strings.Contains(out, "BEST") || !strings.Contains(errOut, "haldane: an arm that is better than each other one by 2pp (minEffect) wins within 2 days (maxDuration)") || !strings.Contains(errOut, "haldane:   write maxDuration: ") {
		t.Errorf("too little traffic: code %d, %s\n%s", code, errOut, out)
	}
	code, _, errOut = foretold(t, file, threeArms(outcome), "--rps", "0.05", "--wrong-rate", "30%", "--force")
	if code != exitOK || !strings.Contains(errOut, "haldane: warning: an arm ") {
		t.Errorf("forced: code %d, %s", code, errOut)
	}
	code, _, errOut = foretold(t, file, threeArms(outcome), "--rps", "10")
	if code != exitUsage || !strings.Contains(errOut, "there is no baseline for the goal of shop: say what stable does today") {
		t.Errorf("no baseline: code %d, %s", code, errOut)
	}
	code, out, _ = foretold(t, file, threeArms(outcome), "--rps", "10", "--wrong-rate", "30%", "-o", "json")
	var r plan.Experiment
	if err := json.Unmarshal([]byte(out), &r); code != exitOK || err != nil || len(r.Arms) != 3 || r.Arms[1].Values != 3 || r.Unit != "share" {
		t.Errorf("code %d, %v, %+v", code, err, r.Arms)
	}
}

// TestPlanOfAnExperimentByARecord: the goal's baseline is in it too.
func TestPlanOfAnExperimentByARecord(t *testing.T) {
	var b strings.Builder
	for i := range 10 {
		fmt.Fprintf(&b, `{"rollout":"r","t":%d,"weight":50,"metrics":{"goal":{"stable":{"n":100,"sum":3,"sumsq":3},"canary":{"n":100,"sum":9,"sumsq":9}}}}`+"\n", 20*(i+1))
	}
	name := filepath.Join(t.TempDir(), "counts.jsonl")
	if err := os.WriteFile(name, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	file := strings.Replace(abTest, "{GOAL}", "{mean: {of: conversion, event: checkout}, minEffect: 0.01}", 1)
	sales := threeArms(experiment.Goal{Kind: analysis.Mean, Upper: 1, Binary: true, MinEffect: .01})
	_, recorded, errOut := foretold(t, file, sales, "--baseline", name)
	_, told, _ := foretold(t, file, sales, "--rps", "10", "--mean", "3%")
	if diff := cmp.Diff(told, recorded); diff != "" || told == "" {
		t.Errorf("%s a record of the same (-told +recorded):\n%s", errOut, diff)
	}
}

// TestPlanOfAFlagOnACluster: what the file says of maturities counts, and each mean
// has a baseline of its own.
func TestPlanOfAFlagOnACluster(t *testing.T) {
	metrics := func(p *rollout.Plan) {
		p.Split.Sticky.Header, p.Analysis.Sticky = "targetingKey", true
		p.Analysis.Metrics = []analysis.Metric{
			{Name: "conversion", Kind: analysis.Mean, Upper: 1, MaxDecrease: .01, Tolerate: .5, Late: true},
			{Name: "failures", Kind: analysis.Mean, Upper: 1, MaxIncrease: .005, Tolerate: .5, Late: true},
		}
	}
	code, out, errOut := foretold(t, clusterFlag, metrics, "--rps", "50", "--mean", "10%", "--mean", "failures=0.5%")
	if code != exitOK || !strings.Contains(out, "at least 9%") || !strings.Contains(out, "at most 1% ") {
		t.Errorf("code %d, %s\n%s", code, errOut, out)
	}
	_, out, _ = foretold(t, clusterFlag, metrics, "--rps", "50", "--mean", "10%", "--mean", "failures=0.5%", "-o", "json")
	var r plan.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil || r.Steps[0].Passes.Half < 20*60 {
		t.Errorf("%v: a canary passes after %s, before anything came back", err, r.Steps[0].Passes.Half)
	}
}
