package exporter

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// rollouts collects from statuses.
type rollouts struct {
	list  func() []engine.Status
	descs map[string]*prometheus.Desc
}

// Rollouts returns a collector of where every rollout stands.
func Rollouts(list func() []engine.Status) prometheus.Collector {
	r := &rollouts{list: list, descs: map[string]*prometheus.Desc{}}
	for _, d := range rolloutMetrics {
		labels := append([]string{"rollout"}, d.labels...)
		r.descs[d.name] = prometheus.NewDesc("haldane_rollout_"+d.name, d.help, labels, nil)
	}
	return r
}

var rolloutMetrics = []struct {
	name, help string
	labels     []string
}{
	{"info", "Always 1; the versions of both arms.", []string{"mode", "stable", "canary"}},
	{"strategy", "1 for the rollout's strategy, 0 for the others.", []string{"strategy"}},
	{"phase", "1 for the phase the rollout is in, 0 for the others.", []string{"phase"}},
	{"held", "1 while somebody or something holds the rollout.", nil},
	{"step", "The step it stands at, from 0.", nil},
	{"steps", "How many steps there are.", nil},
	{"attempt", "Which attempt at this revision, from 1.", nil},
	{"weight_wanted", "Share of random traffic that the canary should get.", nil},
	{"weight_observed", "Share of random traffic that the router carries to the canary.", nil},
	{"mirror_wanted", "Share of stable's traffic to be copied to the canary.", nil},
	{"verdict", "1 for the decision on the last block, 0 for the others.", []string{"decision"}},
	{"metric_decision", "1 for the decision on this metric, 0 for the others.", []string{"metric", "decision"}},
	{"evidence_rollback", "Natural logarithm of the evidence that the canary is worse than tolerated.", []string{"metric"}},
	{"evidence_rollback_bound", "The evidence_rollback at which the rollout is taken back for this metric alone.", []string{"metric"}},
	{"evidence_promotion", "Natural logarithm of the evidence that the canary is within its margin at this step.", []string{"metric"}},
	{"evidence_promotion_bound", "The evidence_promotion at which this metric lets the step pass.", []string{"metric"}},
	{"estimate", "What the metric is in each arm: a share, seconds or a value.", []string{"metric", "arm"}},
	{"trials", "How many trials count as evidence of the metric in each arm.", []string{"metric", "arm"}},
	{"began_timestamp_seconds", "When this attempt began.", nil},
	{"step_began_timestamp_seconds", "When this step began.", nil},
	{"phase_began_timestamp_seconds", "When this phase began.", nil},
	{"duration_seconds", "How long this attempt takes or took, pauses included.", nil},
	{"deadline_timestamp_seconds", "When the rollout's time is over.", nil},
	{"warnings", "How many standing conditions a person should know of.", nil},
	{"labels_mature", "Predictions of this revision that are old enough to have their label.", []string{"arm"}},
	{"labels_received", "Of labels_mature, those whose label came.", []string{"arm"}},
	{"labels_wrong", "Of labels_received, those that were wrong.", []string{"arm"}},
	{"metric_uncorrected", "1 where users stay on their arm and this metric is judged as if they did not, else 0.", []string{"metric"}},
	{"signals", "How many guardrails, anomalies, checks, hooks and switches act in this way now.", []string{"effect"}},
	{"watch", "1 for the state of what is watched beside the evidence, 0 for the others.", []string{"kind", "name", "state"}},
	{"watch_value", "The newest reading of a guardrail or an anomaly.", []string{"kind", "name"}},
	{"watch_min", "The least that a guardrail allows.", []string{"kind", "name"}},
	{"watch_max", "The most that a guardrail allows.", []string{"kind", "name"}},
	{"arm_weight", "Share of random traffic that an arm of an experiment should get.", []string{"arm", "version"}},
	{"arm_closed", "1 if an arm of an experiment has no more traffic, else 0.", []string{"arm", "version"}},
	{"goal_trials", "Values of an experiment's goal that count.", []string{"arm"}},
	{"goal_mean", "Mean of an experiment's goal: a share or a value.", []string{"arm"}},
	{"goal_difference", "Difference of two arms' goals, arm minus over.", []string{"arm", "over"}},
	{"goal_difference_low", "Lower end of that difference's interval.", []string{"arm", "over"}},
	{"goal_difference_high", "Upper end of that difference's interval.", []string{"arm", "over"}},
	{"goal_effect_worth_having", "The smallest difference of the goal that is worth having.", nil},
}

// Describe implements prometheus.Collector.
func (r *rollouts) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range r.descs {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (r *rollouts) Collect(ch chan<- prometheus.Metric) {
	for _, s := range r.list() {
		e := emitter{ch: ch, descs: r.descs, rollout: s.Name}
		where(e, s)
		duration(e, s)
		evidence(e, s)
		beside(e, s)
		trial(e, s.Experiment)
		for arm, c := range s.Labels {
			e.gauge("labels_mature", float64(c.Predicted), arm)
			e.gauge("labels_received", float64(c.Labelled), arm)
			e.gauge("labels_wrong", float64(c.Wrong), arm)
		}
	}
}

func where(e emitter, s engine.Status) {
	e.gauge("info", 1, s.Mode, s.Stable.Version, s.Canary.Version)
	for _, p := range rollout.Phases() {
		e.gauge("phase", truth(p == s.Phase), string(p))
	}
	for _, x := range rollout.Strategies() {
		e.gauge("strategy", truth(x == s.Strategy), string(x))
	}
	e.gauge("held", truth(s.Held()))
	e.gauge("step", float64(s.Step))
	e.gauge("steps", float64(len(s.Steps)))
	e.gauge("attempt", float64(s.Attempt))
	e.gauge("weight_wanted", s.Wanted.Canary.Share())
	e.gauge("mirror_wanted", s.Wanted.Mirror.Share())
	if s.Observed.Level != traffic.Unknown {
		e.gauge("weight_observed", s.Observed.Canary.Share())
	}
	e.gauge("warnings", float64(len(s.Warnings)))
	for name, at := range map[string]time.Time{"began": s.Began, "step_began": s.StepBegan, "phase_began": s.PhaseBegan, "deadline": s.Deadline} {
		if !at.IsZero() {
			e.gauge(name+"_timestamp_seconds", float64(at.UnixMilli())/1e3)
		}
	}
}

// duration is how long the attempt has taken, or took if it has ended.
func duration(e emitter, s engine.Status) {
	until := s.Now
	if s.Phase.Terminal() && !s.PhaseBegan.IsZero() {
		until = s.PhaseBegan
	}
	if !s.Began.IsZero() && !until.Before(s.Began) {
		e.gauge("duration_seconds", until.Sub(s.Began).Seconds())
	}
}

func evidence(e emitter, s engine.Status) {
	for _, d := range decisions {
		e.gauge("verdict", truth(s.Verdict.Decision == d), string(d))
	}
	for _, m := range s.Verdict.Metrics {
		for _, d := range decisions {
			e.gauge("metric_decision", truth(m.Decision == d), m.Name, string(d))
		}
		e.gauge("evidence_rollback", m.LogRollback, m.Name)
		e.gauge("evidence_rollback_bound", m.RollbackThreshold, m.Name)
		e.gauge("evidence_promotion", m.LogPromotion, m.Name)
		e.gauge("evidence_promotion_bound", m.PromotionThreshold, m.Name)
		e.gauge("metric_uncorrected", truth(m.Uncorrected), m.Name)
		e.gauge("trials", float64(m.StableN), m.Name, "stable")
		e.gauge("trials", float64(m.CanaryN), m.Name, "canary")
		if m.StableN > 0 {
			e.gauge("estimate", m.Stable, m.Name, "stable")
		}
		if m.CanaryN > 0 {
			e.gauge("estimate", m.Canary, m.Name, "canary")
		}
	}
}

var decisions = []analysis.Decision{analysis.Pass, analysis.Fail, analysis.Inconclusive, analysis.Invalid}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
