package app

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/gateway/ofrep"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
	"github.com/haldane-dev/haldane/internal/workload/elsewhere"
)

// Plan turns a validated file into the snapshot that a rollout runs by. Which
// versions a workload of a cluster has is not in its file: they are called by their
// arms.
func Plan(m *v1alpha1.ModelRollout) (rollout.Plan, error) {
	e := m.Spec.Endpoints
	if e == nil {
		return plan(m, rollout.Revision{Version: v1alpha1.ArmStable}, rollout.Revision{Version: v1alpha1.ArmCanary})
	}
	if m.Spec.Routing.Flag != nil {
		arms := elsewhere.ArmsOf(&m.Spec)
		return plan(m, arms[traffic.Stable].Revision, arms[traffic.Canary].Revision)
	}
	return plan(m, revision(e.Stable), candidate(e))
}

// plan is that of a validated file or custom resource and its two revisions.
func plan(m *v1alpha1.ModelRollout, stable, canary rollout.Revision) (rollout.Plan, error) {
	if m.Spec.Strategy.Experiment != nil {
		return experimentPlan(m, stable, canary)
	}
	l := compile(m.Spec.Strategy)
	cfg, err := analysisConfig(m.Spec.Analysis)
	if err != nil {
		return rollout.Plan{}, err
	}
	cfg.Sticky = sticky(m)
	cfg.PerRequest = !cfg.Sticky
	return rollout.Plan{
		Name:        rollout.ID(m.Name),
		Stable:      stable,
		Canary:      canary,
		Steps:       l.steps,
		Split:       splitTemplate(m),
		Analysis:    cfg,
		MaxDuration: m.Spec.Analysis.MaxDuration.Duration,
		OnDeadline:  rollout.OnDeadline(m.Spec.Analysis.OnDeadline),
		ReadyWithin: l.readyWithin,
		ScaleDown:   l.scaleDown,
		End:         l.end,
		Confirm:     confirm(m),
	}, nil
}

// revision hashes what makes an endpoint the version it is. Probes and grace
// periods may change without a new revision.
func revision(e v1alpha1.Endpoint) rollout.Revision {
	text, err := json.Marshal([]any{e.Version, e.URL, e.Command, e.Env, e.Dir})
	if err != nil {
		panic(err) // strings and maps of strings always marshal
	}
	sum := sha256.Sum256(text)
	return rollout.Revision{Version: e.Version, Hash: hex.EncodeToString(sum[:6])}
}

func steps(in []v1alpha1.Step) []rollout.Step {
	out := make([]rollout.Step, 0, len(in))
	for _, s := range in {
		var r rollout.Step
		switch {
		case s.Weight != nil:
			r.Weight, r.Factor = traffic.Percent(float64(*s.Weight)), s.Margin
		case s.Shadow != nil:
			r.Shadow = traffic.Percent(float64(s.Shadow.Percent))
		default:
			r.Pause = &rollout.Pause{}
			if s.Pause.For != nil {
				r.Pause.For = s.Pause.For.Duration
			}
		}
		out = append(out, r)
	}
	return out
}

func splitTemplate(m *v1alpha1.ModelRollout) traffic.Split {
	r := m.Spec.Routing
	s := traffic.Split{Salt: m.Name, Always: matches(r.Always), Never: matches(r.Never)}
	s.Compare = pairing(m.Spec.Analysis.Metrics)
	switch {
	case r.Flag != nil:
		s.Sticky.Header = ofrep.TargetingKey
	case r.StickyBy != nil:
		s.Sticky = traffic.Sticky(*r.StickyBy)
	}
	return s
}

// sticky reports whether users stay on their arm.
func sticky(m *v1alpha1.ModelRollout) bool {
	return m.Spec.Routing.StickyBy != nil || m.Spec.Routing.Flag != nil
}

func matches(in []v1alpha1.Match) []traffic.Match {
	out := make([]traffic.Match, 0, len(in))
	for _, m := range in {
		out = append(out, traffic.Match{
			Header: (*traffic.Field)(m.Header), Cookie: (*traffic.Field)(m.Cookie),
			Country: m.Country, Cohort: m.Cohort,
		})
	}
	return out
}

// Cohorts returns the keys of every cohort of the file, reading the lists that
// it names relative to dir. Empty lines and lines that begin with # are
// skipped.
func Cohorts(in []v1alpha1.Cohort, dir string) (map[string][]string, error) {
	out := make(map[string][]string, len(in))
	for i, c := range in {
		out[c.Name] = c.Keys
		if c.File == "" {
			continue
		}
		text, err := os.ReadFile(within(dir, c.File))
		if err != nil {
			return nil, fmt.Errorf("spec.routing.cohorts[%d].file: %w", i, err)
		}
		for line := range strings.Lines(string(text)) {
			if key := strings.TrimSpace(line); key != "" && key[0] != '#' {
				out[c.Name] = append(out[c.Name], key)
			}
		}
	}
	return out, nil
}

// within resolves a file's path relative to the rollout file's folder.
func within(dir, file string) string {
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(dir, file)
}

func analysisConfig(a v1alpha1.Analysis) (analysis.Config, error) {
	cfg := analysis.Config{
		FalseRollback:  float64(*a.FalseRollbackProbability),
		FalsePromotion: float64(*a.FalsePromotionProbability),
		Warmup:         a.Warmup.Duration,
		MaxDuration:    a.MaxDuration.Duration,
		Interval:       a.Interval.Duration,
		SRM:            float64(*a.Controls.SRM),
		Dispersion:     a.Controls.Dispersion == "auto",
	}
	for _, m := range a.Metrics {
		one, err := metricConfig(m)
		if err != nil {
			return cfg, fmt.Errorf("metric %s: %w", m.Name, err)
		}
		cfg.Metrics = append(cfg.Metrics, one)
	}
	return cfg, nil
}

func metricConfig(m v1alpha1.Metric) (analysis.Metric, error) {
	out := analysis.Metric{Name: m.Name, Weight: m.Weight, Tolerate: float64(*m.Tolerate)}
	switch {
	case m.ErrorRate != nil:
		out.Kind, out.MaxRatio = analysis.ErrorRate, m.ErrorRate.MaxRatio
		if m.ErrorRate.MaxIncrease != nil {
			out.MaxIncrease = float64(*m.ErrorRate.MaxIncrease)
		}
	case m.Latency != nil:
		return latencyConfig(out, m.Latency)
	case m.Drift != nil:
		out.Kind, out.Max = analysis.Drift, float64(m.Drift.Max)
	case m.Mean != nil:
		out.Kind, out.Lower, out.Upper = analysis.Mean, m.Mean.Bounds[0], m.Mean.Bounds[1]
		out.Late = m.Mean.Event != "" || m.Mean.Of == "feedback"
		if m.Mean.MaxDecrease != nil {
			out.MaxDecrease = *m.Mean.MaxDecrease
		} else {
			out.MaxIncrease = *m.Mean.MaxIncrease
		}
	case m.Outcome != nil:
		out.Kind, out.MaxIncrease = analysis.Outcome, float64(*m.Outcome.MaxDecrease)
	case m.Gauge != nil:
		out.Kind = analysis.Gauge
		g := m.Gauge
		out.MaxRatio, out.MaxIncrease, out.MinRatio, out.MaxDecrease = given(g.MaxRatio), given(g.MaxIncrease), given(g.MinRatio), given(g.MaxDecrease)
	case m.Pairs != nil:
		out.Kind, out.Max = analysis.Pairs, float64(m.Pairs.MaxDisagreement)
	}
	return out, nil
}

// given is a number that may be left out, 0 then.
func given(x *float64) float64 {
	if x == nil {
		return 0
	}
	return *x
}

// latencyConfig orders what the file holds as maps, so that equal files give
// equal plans.
func latencyConfig(out analysis.Metric, l *v1alpha1.Latency) (analysis.Metric, error) {
	out.Kind = analysis.Latency
	for name, s := range l.MaxSlower {
		q, err := v1alpha1.Quantile(name)
		if err != nil {
			return out, fmt.Errorf("maxSlower.%s: %w", name, err)
		}
		out.Slower = append(out.Slower, analysis.Slower{Quantile: q, Share: s.Share, By: s.By})
	}
	for name, p := range l.MaxOver {
		d, err := time.ParseDuration(name)
		if err != nil {
			return out, fmt.Errorf("maxOver.%s: %w", name, err)
		}
		out.Over = append(out.Over, analysis.Over{Threshold: d, MaxIncrease: float64(p)})
	}
	sort.Slice(out.Slower, func(i, j int) bool { return out.Slower[i].Quantile < out.Slower[j].Quantile })
	sort.Slice(out.Over, func(i, j int) bool { return out.Over[i].Threshold < out.Over[j].Threshold })
	return out, nil
}

// query says what the metric source is to count.
func query(m *v1alpha1.ModelRollout, p rollout.Plan) metric.Query {
	q := metric.Query{Rollout: string(p.Name), Revision: p.Canary.Hash}
	for i, s := range m.Spec.Analysis.Metrics {
		one := metric.Metric{Name: s.Name, Kind: p.Analysis.Metrics[i].Kind}
		switch {
		case s.Drift != nil:
			one.Of = s.Drift.Of
		case s.Pairs != nil:
			one.Of = s.Pairs.Of
		case s.Mean != nil:
			one.Of, one.Value = s.Mean.Of, s.Mean.Of == "feedback"
			if one.Of == "timeToFirstToken" {
				one.Of = "ttft" // the source's word
			}
			if s.Mean.Event != "" {
				one.Event, one.Maturity, one.Negative = s.Mean.Event, s.Mean.Maturity.Duration, s.Mean.Missing == "zero"
			}
		case s.Outcome != nil:
			one.Maturity, one.Negative = s.Outcome.Maturity.Duration, s.Outcome.Missing == "negative"
		}
		q.Metrics = append(q.Metrics, one)
	}
	if x := m.Spec.Strategy.Experiment; x != nil {
		q.Metrics = append(q.Metrics, goalMetric(x.Goal))
	}
	return q
}
