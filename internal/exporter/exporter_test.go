package exporter_test

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/experiment"
	"github.com/haldane-dev/haldane/internal/exporter"
	"github.com/haldane-dev/haldane/internal/inference"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/telemetry"
	"github.com/haldane-dev/haldane/internal/traffic"
)

func serving() exporter.Serving {
	return exporter.Serving{Rollout: "churn", Versions: [traffic.NumArms]string{"v1", "v2"}}
}

// recorder has seen five requests, one of each kind.
func recorder(o telemetry.Options) *telemetry.Recorder {
	r := telemetry.New(o)
	yes := []inference.Prediction{{Class: "yes", HasClass: true, Confidence: 0.75, HasConfidence: true}}
	for _, x := range []telemetry.Exchange{
		{Arm: traffic.Stable, Latency: 2 * time.Millisecond, Readable: true, Read: true, Predictions: yes},
		{Arm: traffic.Canary, Latency: 4 * time.Millisecond, Readable: true, Read: true,
			Predictions: []inference.Prediction{{Value: 3, HasValue: true}}},
		{Arm: traffic.Canary, Failed: true, Status: 503},
		{Arm: traffic.Canary, Forced: true, Latency: time.Millisecond},
		{Arm: traffic.Canary, Warmup: true, Latency: time.Second},
	} {
		r.Observe(&x)
	}
	r.Assign(traffic.Choice{Arm: traffic.Canary}, &traffic.Split{Generation: 0, Canary: traffic.Percent(25)})
	r.ObservePair(telemetry.Pair{Comparable: true, Disagree: true})
	r.MirrorDropped()
	return r
}

func TestGateway(t *testing.T) {
	r := recorder(telemetry.Options{})
	c := exporter.Gateway(serving, r.Snapshot, telemetry.Bounds{})
	want := `
# HELP haldane_gateway_assigned_total Requests, or users where they stay on their arm, that chance sent to each arm, by the weight it did so at, or by who had each hundredth of an experiment with variants.
# TYPE haldane_gateway_assigned_total counter
haldane_gateway_assigned_total{arm="canary",rollout="churn",weight="0.25"} 1
haldane_gateway_assigned_total{arm="stable",rollout="churn",weight="0.25"} 0
# HELP haldane_gateway_pairs_disagree_total Comparable pairs with different predictions.
# TYPE haldane_gateway_pairs_disagree_total counter
haldane_gateway_pairs_disagree_total{rollout="churn"} 1
# HELP haldane_gateway_predictions_total Predictions read from answers, by class; an empty class where there is none.
# TYPE haldane_gateway_predictions_total counter
haldane_gateway_predictions_total{arm="canary",class="",rollout="churn",version="v2"} 1
haldane_gateway_predictions_total{arm="stable",class="",rollout="churn",version="v1"} 0
haldane_gateway_predictions_total{arm="stable",class="yes",rollout="churn",version="v1"} 1
# HELP haldane_gateway_requests_total Requests answered or failed, by how they got to the arm and how they ended.
# TYPE haldane_gateway_requests_total counter
haldane_gateway_requests_total{arm="canary",assignment="forced",result="answered",rollout="churn",version="v2"} 1
haldane_gateway_requests_total{arm="canary",assignment="forced",result="failed",rollout="churn",version="v2"} 0
haldane_gateway_requests_total{arm="canary",assignment="random",result="answered",rollout="churn",version="v2"} 1
haldane_gateway_requests_total{arm="canary",assignment="random",result="failed",rollout="churn",version="v2"} 1
haldane_gateway_requests_total{arm="canary",assignment="stale",result="answered",rollout="churn",version="v2"} 0
haldane_gateway_requests_total{arm="canary",assignment="stale",result="failed",rollout="churn",version="v2"} 0
haldane_gateway_requests_total{arm="stable",assignment="forced",result="answered",rollout="churn",version="v1"} 0
haldane_gateway_requests_total{arm="stable",assignment="forced",result="failed",rollout="churn",version="v1"} 0
haldane_gateway_requests_total{arm="stable",assignment="random",result="answered",rollout="churn",version="v1"} 1
haldane_gateway_requests_total{arm="stable",assignment="random",result="failed",rollout="churn",version="v1"} 0
haldane_gateway_requests_total{arm="stable",assignment="stale",result="answered",rollout="churn",version="v1"} 0
haldane_gateway_requests_total{arm="stable",assignment="stale",result="failed",rollout="churn",version="v1"} 0
# HELP haldane_gateway_warmup_requests_total Requests that warm a model up.
# TYPE haldane_gateway_warmup_requests_total counter
haldane_gateway_warmup_requests_total{arm="canary",rollout="churn",version="v2"} 1
haldane_gateway_warmup_requests_total{arm="stable",rollout="churn",version="v1"} 0
`
	if err := testutil.CollectAndCompare(c, strings.NewReader(want),
		"haldane_gateway_assigned_total", "haldane_gateway_pairs_disagree_total", "haldane_gateway_predictions_total",
		"haldane_gateway_requests_total", "haldane_gateway_warmup_requests_total"); err != nil {
		t.Error(err)
	}
	lint(t, c)
}

// TestHistograms: counts, sums and buckets are those of the requests.
func TestHistograms(t *testing.T) {
	bounds := telemetry.Bounds{Lower: 0, Upper: 64}
	r := recorder(telemetry.Options{Value: bounds})
	families := gather(t, exporter.Gateway(serving, r.Snapshot, bounds))
	for _, c := range []struct {
		name, arm string
		count     uint64
		sum       float64
		buckets   int
		below     float64 // the smallest bucket that holds everything has a bound of at least this …
		within    float64 // … and at most this
	}{
		{"haldane_gateway_request_duration_seconds", "canary", 1, 0.004, 82, 0.004, 0.004 * 1.2},
		{"haldane_gateway_confidence", "stable", 1, 0.75, 63, 0.75, 0.75 + 1.0/64},
		{"haldane_gateway_value", "canary", 1, 3, 63, 3, 4},
	} {
		h := families[c.name][c.arm].GetHistogram()
		if h.GetSampleCount() != c.count || h.GetSampleSum() != c.sum || len(h.GetBucket()) != c.buckets {
			t.Errorf("%s of %s: count %d, sum %g, %d buckets; want %d, %g, %d", c.name, c.arm,
				h.GetSampleCount(), h.GetSampleSum(), len(h.GetBucket()), c.count, c.sum, c.buckets)
		}
		for _, b := range h.GetBucket() {
			if b.GetCumulativeCount() == c.count {
				if b.GetUpperBound() < c.below || b.GetUpperBound() > c.within {
					t.Errorf("%s of %s: all within %g, want between %g and %g", c.name, c.arm, b.GetUpperBound(), c.below, c.within)
				}
				break
			}
		}
	}
}

// TestUsersWhoStay: groups of users are shown once there is one, all of them.
func TestUsersWhoStay(t *testing.T) {
	r := telemetry.New(telemetry.Options{Sticky: true})
	c := exporter.Gateway(serving, r.Snapshot, telemetry.Bounds{})
	if n := testutil.CollectAndCount(c, "haldane_gateway_group_requests_total"); n != 0 {
		t.Errorf("%d series of groups before there is any user", n)
	}
	r.Observe(&telemetry.Exchange{Arm: traffic.Canary, Keyed: true, Bucket: 750, Failed: true})
	r.Observe(&telemetry.Exchange{Arm: traffic.Stable, Half: 1})
	if n := testutil.CollectAndCount(c, "haldane_gateway_group_requests_total"); n != 2*telemetry.Groups {
		t.Errorf("%d series of groups of one arm, want %d", n, 2*telemetry.Groups)
	}
	families := gather(t, c)
	if n := testutil.CollectAndCount(c, "haldane_gateway_group_confidence"); n != 0 {
		t.Errorf("%d series of numbers that no answer had", n)
	}
	if got := families["haldane_gateway_group_requests_total"]["7"].GetCounter().GetValue(); got != 1 {
		t.Errorf("group 7 failed %g times, want once", got)
	}
	if got := families["haldane_gateway_half_requests_total"]["answered"].GetCounter().GetValue(); got != 1 {
		t.Errorf("the second half has %g answers, want 1", got)
	}
}

// TestSquares: means are judged by the sum of squares too.
func TestSquares(t *testing.T) {
	r := recorder(telemetry.Options{})
	for range 2 {
		r.Observe(&telemetry.Exchange{Arm: traffic.Canary, Stream: &inference.StreamResult{
			HasTTFT: true, TTFT: 500 * time.Millisecond, TimePerOutputToken: 250 * time.Millisecond,
		}})
	}
	families := gather(t, exporter.Gateway(serving, r.Snapshot, telemetry.Bounds{}))
	for _, c := range []struct {
		name, arm string
		want      float64
	}{
		{"confidence", "stable", 0.75 * 0.75},
		{"value", "canary", 9},
		{"time_to_first_token", "canary", 0.5},
		{"time_per_output_token", "canary", 0.125},
		{"time_per_output_token", "stable", 0},
	} {
		if got := families["haldane_gateway_"+c.name+"_squares_total"][c.arm].GetCounter().GetValue(); got != c.want {
			t.Errorf("%s of %s: %g, want %g", c.name, c.arm, got, c.want)
		}
	}
}

func to(x float64) *float64 { return &x }

func status() engine.Status {
	return engine.Status{
		Name: "churn", Mode: "local", Phase: rollout.Progressing, Attempt: 1, Step: 1, Steps: make([]rollout.Step, 4),
		Stable: rollout.Revision{Version: "v1"}, Canary: rollout.Revision{Version: "v2"},
		Wanted:   traffic.Split{Canary: traffic.Percent(25)},
		Observed: traffic.Observed{Level: traffic.Flowing, Canary: traffic.Percent(5)},
		Began:    time.Unix(1000, 0), PhaseBegan: time.Unix(1060, 0), Now: time.Unix(1090, 0), Warnings: []string{"a", "b"},
		Labels: map[string]engine.Coverage{"canary": {Predicted: 10, Labelled: 7, Wrong: 2}},
		Verdict: analysis.Verdict{Decision: analysis.Inconclusive, Metrics: []analysis.MetricVerdict{{
			Name: "errors", Decision: analysis.Pass, LogRollback: -1.5, RollbackThreshold: 5.3, LogPromotion: 3.25,
			PromotionThreshold: 3, StableN: 100, Stable: 0.01, Uncorrected: true,
		}}},
		Strategy: rollout.StrategyExperiment,
		Signals:  []rollout.Signal{{Name: "switch", Effect: rollout.SignalHold}, {Name: "cost", Effect: rollout.SignalWarn}},
		Watches: []engine.Watch{
			{Kind: engine.WatchGuardrail, Name: "queue", State: engine.WatchFailing, Value: to(120), Max: to(100)},
			{Kind: engine.WatchCheck, Name: "golden", State: engine.WatchPassing},
		},
		Experiment: &experiment.View{
			MinEffect: 0.05,
			Arms:      []experiment.ArmView{{Name: "stable", Version: "v1", Share: 0.5, N: 40, Mean: to(0.25)}, {Name: "large", Version: "v3", Share: 0.5, Closed: "it fails"}},
			Pairs: []experiment.PairView{
				{Arm: "large", Over: "stable", Estimate: to(0.125), Low: -0.25, High: 0.5}, {Arm: "other", Over: "stable", Low: -1, High: 1},
			},
		},
	}
}

func TestRollouts(t *testing.T) {
	c := exporter.Rollouts(func() []engine.Status { return []engine.Status{status()} })
	lint(t, c)
	got := gather(t, c)
	value := func(name, label string) float64 {
		m, ok := got["haldane_rollout_"+name][label]
		if !ok {
			t.Errorf("%s has nothing for %q", name, label)
		}
		return m.GetGauge().GetValue()
	}
	for _, c := range []struct {
		name, label string
		want        float64
	}{
		{"info", "v2", 1}, {"phase", "Progressing", 1}, {"phase", "Paused", 0}, {"held", "churn", 1},
		{"step", "churn", 1}, {"steps", "churn", 4}, {"weight_wanted", "churn", 0.25}, {"weight_observed", "churn", 0.05},
		{"verdict", "Inconclusive", 1}, {"verdict", "Fail", 0}, {"metric_decision", "Pass", 1},
		{"evidence_rollback", "errors", -1.5}, {"evidence_rollback_bound", "errors", 5.3},
		{"evidence_promotion", "errors", 3.25}, {"evidence_promotion_bound", "errors", 3},
		{"estimate", "stable", 0.01}, {"trials", "canary", 0}, {"began_timestamp_seconds", "churn", 1000},
		{"phase_began_timestamp_seconds", "churn", 1060}, {"duration_seconds", "churn", 90},
		{"warnings", "churn", 2}, {"labels_mature", "canary", 10}, {"labels_received", "canary", 7}, {"labels_wrong", "canary", 2},
		{"strategy", "experiment", 1}, {"strategy", "canary", 0}, {"metric_uncorrected", "errors", 1},
		{"signals", "Hold", 1}, {"signals", "Rollback", 0}, {"watch", "Failing", 1}, {"watch", "Unknown", 0},
		{"watch_value", "queue", 120}, {"watch_max", "queue", 100}, {"arm_weight", "large", 0.5}, {"arm_closed", "large", 1}, {"arm_closed", "v1", 0},
		{"goal_trials", "stable", 40}, {"goal_mean", "stable", 0.25}, {"goal_effect_worth_having", "churn", 0.05},
		{"goal_difference", "large", 0.125}, {"goal_difference_low", "large", -0.25}, {"goal_difference_high", "large", 0.5},
	} {
		if x := value(c.name, c.label); x != c.want {
			t.Errorf("%s of %s is %g, want %g", c.name, c.label, x, c.want)
		}
	}
	for _, absent := range []struct{ name, label string }{{"estimate", "canary"}, {"deadline_timestamp_seconds", "churn"},
		{"watch_min", "queue"}, {"watch_value", "golden"}, {"goal_mean", "large"}, {"goal_difference", "other"}} {
		if _, ok := got["haldane_rollout_"+absent.name][absent.label]; ok {
			t.Errorf("%s of %s is shown though it is not known", absent.name, absent.label)
		}
	}
}

// TestDurationOfWhatHasEnded: it does not go on growing.
func TestDurationOfWhatHasEnded(t *testing.T) {
	s := status()
	s.Phase = rollout.RolledBack
	got := gather(t, exporter.Rollouts(func() []engine.Status { return []engine.Status{s} }))
	if x := got["haldane_rollout_duration_seconds"]["churn"].GetGauge().GetValue(); x != 60 {
		t.Errorf("it took %g s, want 60", x)
	}
}

// TestUnobservedWeightIsNotShown: 0 would say that the canary gets nothing.
func TestUnobservedWeightIsNotShown(t *testing.T) {
	s := status()
	s.Observed = traffic.Observed{Level: traffic.Unknown}
	got := gather(t, exporter.Rollouts(func() []engine.Status { return []engine.Status{s} }))
	if _, ok := got["haldane_rollout_weight_observed"]; ok {
		t.Error("a weight that was not observed is shown")
	}
}

func lint(t *testing.T, c prometheus.Collector) {
	t.Helper()
	problems, err := testutil.CollectAndLint(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}
