package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/feedback"
	"github.com/haldane-dev/haldane/internal/gateway"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

const document = `apiVersion: haldane.dev/v1alpha1
kind: ModelRollout
metadata: {name: churn}
spec:
  endpoints:
    stable: {version: v1, url: "http://127.0.0.1:9001"}
    canary: {version: v2, command: [serve, --port, "{port}"]}
  strategy:
    canary:
      steps: [{weight: 5, margin: 3}, {pause: {for: 10m}}, {shadow: {percent: 50}}, {weight: 100}]
  routing:
    gateway: {listen: "127.0.0.1:0"}
    stickyBy: {cookie: sid}
    never: [{header: {name: X-Internal}}]
  analysis:
    interval: 2s
    metrics:
    - {name: errors, errorRate: {maxIncrease: 0.5pp}, tolerate: 20%}
    - {name: latency, latency: {maxSlower: {p99: 25%, p50: 10ms}, maxOver: {250ms: 1pp}}}
    - {name: first-token, mean: {of: timeToFirstToken, bounds: [0, 2], maxIncrease: 0.05}}
    - {name: accuracy, outcome: {maxDecrease: 2pp, maturity: 1m, missing: negative}}
    - {name: agreement, pairs: {maxDisagreement: 2%}}
`

func parse(t *testing.T, text string) *v1alpha1.ModelRollout {
	t.Helper()
	m, err := v1alpha1.Load("f.yaml", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestPlan(t *testing.T) {
	m := parse(t, document)
	p, err := Plan(m)
	if err != nil {
		t.Fatal(err)
	}
	wantSteps := []rollout.Step{
		{Weight: 500, Factor: 3}, {Pause: &rollout.Pause{For: 10 * time.Minute}}, {Shadow: 5000}, {Weight: traffic.Full},
	}
	if d := cmp.Diff(wantSteps, p.Steps); d != "" {
		t.Errorf("steps (-want +got):\n%s", d)
	}
	wantMetrics := []analysis.Metric{
		{Name: "errors", Kind: analysis.ErrorRate, Tolerate: 0.2, MaxIncrease: 0.005},
		{Name: "latency", Kind: analysis.Latency, Tolerate: 0.5,
			Slower: []analysis.Slower{{Quantile: 0.5, By: 10 * time.Millisecond}, {Quantile: 0.99, Share: 0.25}},
			Over:   []analysis.Over{{Threshold: 250 * time.Millisecond, MaxIncrease: 0.01}}},
		{Name: "first-token", Kind: analysis.Mean, Tolerate: 0.5, Upper: 2, MaxIncrease: 0.05},
		{Name: "accuracy", Kind: analysis.Outcome, Tolerate: 0.5, MaxIncrease: 0.02},
		{Name: "agreement", Kind: analysis.Pairs, Tolerate: 1, Max: 0.02},
	}
	if d := cmp.Diff(wantMetrics, p.Analysis.Metrics); d != "" {
		t.Errorf("metrics (-want +got):\n%s", d)
	}
	wantSplit := traffic.Split{Salt: "churn", Compare: traffic.Compare{Tolerance: 0.01, Relative: 0.01}, Sticky: traffic.Sticky{Cookie: "sid"}, Always: []traffic.Match{},
		Never: []traffic.Match{{Header: &traffic.Field{Name: "X-Internal"}}}}
	if d := cmp.Diff(wantSplit, p.Split); d != "" {
		t.Errorf("split (-want +got):\n%s", d)
	}
	q := query(m, p)
	if q.Metrics[2].Of != "ttft" || !q.Metrics[3].Negative || q.Metrics[3].Maturity != time.Minute {
		t.Errorf("query: %+v", q)
	}
	if d := cmp.Diff(metric.Metric{Name: "errors", Kind: analysis.ErrorRate}, q.Metrics[0]); d != "" {
		t.Errorf("query of errors (-want +got):\n%s", d)
	}
}

// TestPlanAsksWhatTheHooksSay: by kind, whatever their order in the file.
func TestPlanAsksWhatTheHooksSay(t *testing.T) {
	p, err := Plan(parse(t, document))
	if err != nil || len(p.Confirm) > 0 {
		t.Errorf("without hooks the plan asks %v, %v", p.Confirm, err)
	}
	const url = `, url: "http://127.0.0.1:1"}`
	text := strings.Replace(document, "  routing:", "  hooks: [{when: confirmPromotion"+url+", {when: event"+url+", {when: rollback"+url+
		", {when: confirmTrafficIncrease"+url+", {name: smoke, when: preRollout"+url+", {when: confirmRollout"+url+"]\n  routing:", 1)
	if p, err = Plan(parse(t, text)); err != nil {
		t.Fatal(err)
	}
	want := []rollout.Confirm{
		{Kind: rollout.ConfirmStart, Name: "confirmRollout"}, {Kind: rollout.ConfirmStart, Name: "smoke"},
		{Kind: rollout.ConfirmStart, Name: "confirmTrafficIncrease"}, {Kind: rollout.ConfirmStep, Name: "confirmTrafficIncrease"},
		{Kind: rollout.ConfirmPromotion, Name: "confirmPromotion"},
	}
	if d := cmp.Diff(want, p.Confirm); d != "" {
		t.Errorf("questions:\n%s", d)
	}
}

// TestValueBounds: a drift of values brings their range as a mean does.
func TestValueBounds(t *testing.T) {
	text := strings.Replace(document, "metrics:\n", "metrics:\n    - {name: prices, drift: {of: value, max: 0.1, bounds: [10, 30]}}\n", 1)
	m := parse(t, text)
	if b, ok := valueBounds(m, "value"); !ok || b.Lower != 10 || b.Upper != 30 {
		t.Errorf("bounds of value: %+v, %v", b, ok)
	}
	if b, ok := valueBounds(m, "feedback"); ok {
		t.Errorf("bounds of feedback, which no metric is about: %+v", b)
	}
	p, err := Plan(m)
	if err != nil {
		t.Fatal(err)
	}
	if q := query(m, p).Metrics[0]; q.Kind != analysis.Drift || q.Of != "value" {
		t.Errorf("query %+v", q)
	}
}

// TestPredictionClass: only a class that the prediction ID names can be joined
// to a label, so only that one is noted.
func TestPredictionClass(t *testing.T) {
	e := gateway.PredictionEvent{
		Arm: traffic.Canary, Time: time.Unix(7, 0), Count: 1, Class: "yes", HasClass: true,
		PredictionID: "p", RequestID: "r", Forced: true, Mirrored: true,
	}
	want := feedback.Prediction{
		Arm: traffic.Canary, Time: e.Time, Count: 1, PredictionID: "p", RequestID: "r", Forced: true, Mirrored: true,
	}
	if d := cmp.Diff(want, prediction(e)); d != "" {
		t.Errorf("a class that is not in the ID (-want +got):\n%s", d)
	}
	e.InID, want.Class = true, "yes"
	if d := cmp.Diff(want, prediction(e)); d != "" {
		t.Errorf("a class that is in the ID (-want +got):\n%s", d)
	}
	e.Keyed, e.Bucket, want.Group = true, 9999, 100
	if d := cmp.Diff(want, prediction(e)); d != "" {
		t.Errorf("a user who stays (-want +got):\n%s", d)
	}
}

// TestPlanOfAWorkload: a file for a cluster, which names no versions, can be
// foretold all the same.
func TestPlanOfAWorkload(t *testing.T) {
	for _, name := range []string{"../../examples/experiment/cluster.yaml", "../../examples/feature-flag/cluster.yaml"} {
		m, err := v1alpha1.LoadAnyFile(name)
		if err != nil {
			t.Fatal(err)
		}
		p, err := Plan(m)
		if err != nil || len(p.Steps) == 0 || p.Analysis.Interval <= 0 || len(p.Analysis.Metrics) != len(m.Spec.Analysis.Metrics) {
			t.Errorf("%s: %v, %+v", name, err, p)
		}
		if e := p.Experiment; e != nil && (len(e.Arms) != 3 || e.Arms[2].Version != "v3" || e.Arms[1].Version != "canary") {
			t.Errorf("%s: arms %+v", name, e.Arms)
		}
	}
}

// A revision is a version of the model: probes are not part of it, the command is.
func TestRevisionHash(t *testing.T) {
	e := parse(t, document).Spec.Endpoints.Canary
	same, other := e, e
	same.Readiness = &v1alpha1.Probe{Path: "/ready"}
	other.Command = []string{"serve", "--fast"}
	if revision(e).Hash != revision(same).Hash {
		t.Error("another probe made another revision")
	}
	if revision(e).Hash == revision(other).Hash {
		t.Error("another command made no other revision")
	}
}

func TestCohortsFromAFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "beta.txt"), []byte("# testers\nann\n\n ben \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Cohorts([]v1alpha1.Cohort{{Name: "beta", File: "beta.txt"}, {Name: "inline", Keys: []string{"x"}}}, dir)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string][]string{"beta": {"ann", "ben"}, "inline": {"x"}}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	_, err = Cohorts([]v1alpha1.Cohort{{Name: "gone", File: "gone.txt"}}, dir)
	if err == nil || !strings.Contains(err.Error(), "spec.routing.cohorts[0].file") {
		t.Errorf("missing file: %v", err)
	}
}
