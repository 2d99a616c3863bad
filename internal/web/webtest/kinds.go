package webtest

import (
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/experiment"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// Watched is Good with all that can have a say beside the evidence, some of it
// against going on, and a metric that is not corrected for users who stay.
func Watched() Scenario {
	s := Good()
	s.Name = "churn-watched"
	s.Show = func(st *engine.Status) {
		st.Watches = []engine.Watch{
			{Kind: engine.WatchCheck, Name: "golden-customer", State: engine.WatchPassing, Effect: rollout.SignalRollback, Rule: "3 failures in a row"},
			{Kind: engine.WatchGuardrail, Name: "gpu-memory", State: engine.WatchPassing, Effect: rollout.SignalRollback, Rule: "3 in a row outside", Value: to(41), Min: to(0), Max: to(70)},
			{Kind: engine.WatchGuardrail, Name: "queue", State: engine.WatchFailing, Effect: rollout.SignalRollback, Rule: "3 in a row outside", Value: to(130), Max: to(100),
				Says: "is at 130, above its max of 100; outside in 1 of 3 readings"},
			{Kind: engine.WatchAnomaly, Name: "cost", State: engine.WatchFailing, Effect: rollout.SignalRollback, DryRun: true, Rule: "evidence of 1000 to 1 that it has changed", Value: to(9.5),
				Says: "was at 4.2 before the rollout; evidence 1840 to 1"},
			{Kind: engine.WatchHook, Name: "change-board", State: engine.WatchUnknown, Effect: rollout.SignalHold, Rule: "must say yes before the promotion", Says: "is not asked now"},
			{Kind: engine.WatchSwitch, Name: "the flag churn-rollout", State: engine.WatchFailing, Effect: rollout.SignalHold, Rule: "run, hold or rollback", Says: "says hold"},
		}
		st.Signals = []rollout.Signal{{Name: "switch", Effect: rollout.SignalHold, Message: "the flag churn-rollout says hold"}}
		st.Waiting = "Held at 5%: switch: the flag churn-rollout says hold"
		if len(st.Verdict.Metrics) > 0 {
			st.Verdict.Metrics = append([]analysis.MetricVerdict(nil), st.Verdict.Metrics...)
			st.Verdict.Metrics[0].Uncorrected = true
		}
	}
	return s
}

// Long is Wrong in a process that stays after the end.
func Long() Scenario {
	s := Wrong()
	s.Name, s.Lasting = "churn-long", true
	return s
}

// Trial is an experiment with four arms, one of which is closed.
func Trial() Scenario {
	s := Good()
	s.Name = "recommender"
	large, broken := s.Canary, s.Canary
	large.Version, large.Median = "v3", 0.006
	broken.Version, broken.ErrorRate = "v4", 0.09
	s.Variants = []Variant{{"large", large}, {"broken", broken}}
	s.Show = func(st *engine.Status) {
		st.Strategy, st.End, st.Steps = rollout.StrategyExperiment, rollout.EndReport, st.Steps[:1]
		st.Experiment = &experiment.View{
			Confidence: 0.95, Unit: "share", MinEffect: 0.02, Thompson: true, Duration: 12 * time.Minute,
			Finding: experiment.Finding{Reason: "canary -1.20pp to +4.10pp against stable, large +0.40pp to +6.80pp against stable"},
			Arms: []experiment.ArmView{
				{Name: "stable", Version: "v1", Share: 0.24, N: 1803, Mean: to(0.112), Labelled: to(0.97), Best: 0.01},
				{Name: "canary", Version: "v2", Share: 0.31, N: 1894, Mean: to(0.127), Labelled: to(0.98), Best: 0.13, Verdict: analysis.Pass},
				{Name: "large", Version: "v3", Share: 0.45, N: 2310, Mean: to(0.148), Labelled: to(0.97), Best: 0.86, Verdict: analysis.Inconclusive},
				{Name: "broken", Version: "v4", Share: 0, N: 98, Mean: to(0.08), Closed: "errors: 9.1% of requests fail, and 0.4% of stable's"},
			},
			Pairs: []experiment.PairView{
				{Arm: "canary", Over: "stable", Estimate: to(0.015), Low: -0.012, High: 0.041, Users: to(0.006)},
				{Arm: "large", Over: "stable", Estimate: to(0.036), Low: 0.004, High: 0.068, Users: to(0.006)},
				{Arm: "large", Over: "canary", Estimate: to(0.021), Low: -0.009, High: 0.052},
				{Arm: "broken", Over: "stable", Estimate: to(-0.032), Low: -0.31, High: 0.24},
				{Arm: "broken", Over: "canary", Estimate: to(-0.047), Low: -0.33, High: 0.23}, {Arm: "broken", Over: "large", Estimate: to(-0.068), Low: -0.35, High: 0.21},
			},
		}
	}
	return s
}

// Toggled is Good by feature flag: how the model answers is not seen.
func Toggled() Scenario {
	s := Good()
	s.Name = "churn-flag"
	s.Show = func(st *engine.Status) { st.Links = map[string]string{"flag": "http://127.0.0.1:8016"} }
	return s
}

// BlueGreen is Good by a preview, a switch with a bake, and the promotion.
func BlueGreen() Scenario {
	s := Good()
	s.Name = "churn-blue"
	s.Show = func(st *engine.Status) {
		st.Strategy = rollout.StrategyBlueGreen
		st.Steps = []rollout.Step{{Preview: true, Shadow: traffic.Full, For: 10 * time.Minute}, {Weight: traffic.Percent(90), For: time.Hour}, {Weight: traffic.Full}}
	}
	return s
}

func to(x float64) *float64 { return &x }
