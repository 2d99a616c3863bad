package v1alpha1

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MaxMetrics bounds how many metrics one rollout compares.
const MaxMetrics = 32

func trim(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// splitListen checks an address to listen on and returns its port.
func splitListen(addr string) (int, error) {
	if addr == "" {
		return 0, fmt.Errorf("is missing")
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return 0, fmt.Errorf("is no address with a port")
	}
	n, err := strconv.Atoi(port)
	if err != nil || n < 0 || n > 65535 {
		return 0, fmt.Errorf("the port must be a number from 0 to 65535")
	}
	return n, nil
}

func (v *validator) analysis(s *Spec) {
	const path = "spec.analysis"
	a := &s.Analysis
	v.source(path+".source", &a.Source)
	v.guardrails(path+".guardrails", a.Guardrails)
	v.anomalies(path+".anomalies", a.Anomalies)
	v.checks(path+".checks", a.Checks)
	v.load(path+".load", s)
	v.probability(path+".falseRollbackProbability", float64(*a.FalseRollbackProbability), 0.2)
	v.probability(path+".falsePromotionProbability", float64(*a.FalsePromotionProbability), 0.5)
	if a.Interval.Duration < 100*time.Millisecond || a.Interval.Duration > 10*time.Minute {
		v.add(path+".interval", "is %s: write between 100ms and 10m", a.Interval)
	}
	if a.MaxDuration.Duration <= a.Warmup.Duration {
		v.add(path+".maxDuration", "is %s, no longer than the warmup of %s: nothing could be judged", a.MaxDuration, a.Warmup)
	}
	if a.OnDeadline != "Hold" && a.OnDeadline != "Rollback" {
		v.add(path+".onDeadline", "is %q: write Hold or Rollback (a deadline never promotes)", a.OnDeadline)
	}
	if d := a.Controls.Dispersion; d != "auto" && d != "off" {
		v.add(path+".controls.dispersion", "is %q: write auto or off", d)
	}
	if float64(*a.Controls.SRM) > 0.05 {
		v.add(path+".controls.srm", "is above 5%%: healthy rollouts would be held")
	}
	if len(a.Metrics) > MaxMetrics {
		v.add(path+".metrics", "has %d: at most %d are compared", len(a.Metrics), MaxMetrics)
	}
	v.metrics(path+".metrics", s)
}

func (v *validator) probability(path string, p, limit float64) {
	if p <= 0 || p > limit {
		v.add(path, "is %s: write above 0%% and at most %s", percentString(p), percentString(limit))
	}
}

func (v *validator) metrics(path string, s *Spec) {
	names := map[string]bool{}
	gate := false
	for i := range s.Analysis.Metrics {
		m, at := &s.Analysis.Metrics[i], fmt.Sprintf("%s[%d]", path, i)
		if !dnsLabel.MatchString(m.Name) || names[m.Name] {
			v.add(at+".name", "is %q: give each metric a name of its own, of lower-case letters, digits and dashes", m.Name)
		}
		names[m.Name] = true
		if m.Weight < 0 {
			v.add(at+".weight", "is negative")
		}
		if !v.one(at, map[string]bool{"errorRate": m.ErrorRate != nil, "latency": m.Latency != nil, "drift": m.Drift != nil,
			"mean": m.Mean != nil, "outcome": m.Outcome != nil, "pairs": m.Pairs != nil, "gauge": m.Gauge != nil},
			"errorRate", "latency", "drift", "mean", "outcome", "pairs", "gauge") {
			continue
		}
		gate = gate || m.Pairs == nil
		v.metric(at, m, s)
	}
	v.ranges(path, s.Analysis.Metrics)
	v.pairsOnce(path, s.Analysis.Metrics)
	if len(s.Analysis.Metrics) > 0 && !slices.ContainsFunc(s.Analysis.Metrics, func(m Metric) bool { return m.Gauge == nil }) {
		v.add(path, "compare gauges alone: add a metric that counts requests, such as {name: errors, errorRate: {}}")
	}
	if !gate && s.Strategy.Shadow == nil {
		v.add(path, "compare mirrored pairs alone: the weight steps need a metric of live traffic")
	}
}

func (v *validator) metric(path string, m *Metric, s *Spec) {
	switch {
	case m.ErrorRate != nil:
		v.errorRate(path+".errorRate", m.ErrorRate)
	case m.Latency != nil:
		v.latency(path+".latency", m.Latency)
	case m.Drift != nil:
		v.drift(path+".drift", m.Drift)
	case m.Mean != nil:
		v.mean(path+".mean", m.Mean, &s.Analysis)
	case m.Outcome != nil:
		v.outcome(path+".outcome", m.Outcome, s.Analysis)
	case m.Pairs != nil:
		v.pairs(path+".pairs", m.Pairs, s)
	case m.Gauge != nil:
		v.gauge(path+".gauge", m.Gauge)
	}
}

func (v *validator) of(path, of string, known ...string) {
	if !slices.Contains(known, of) {
		v.add(path, "is %q: write one of %s", of, strings.Join(known, ", "))
	}
}

func (v *validator) errorRate(path string, e *ErrorRate) {
	if e.MaxRatio != 0 && e.MaxRatio < 1 {
		v.add(path+".maxRatio", "is %s: below 1 a canary as good as stable would never pass", trim(e.MaxRatio))
	}
	if e.MaxRatio <= 1 && (e.MaxIncrease == nil || *e.MaxIncrease <= 0) {
		v.add(path, "leaves no margin: equality cannot be shown by any amount of traffic; write maxRatio above 1 or maxIncrease above 0pp")
	}
}

func (v *validator) latency(path string, l *Latency) {
	for name := range l.MaxSlower {
		if _, err := Quantile(name); err != nil {
			v.add(path+".maxSlower."+name, "%v", err)
		}
	}
	for name, p := range l.MaxOver {
		if d, err := time.ParseDuration(name); err != nil || d <= 0 {
			v.add(path+".maxOver."+name, "is no time: write it like 250ms")
		}
		if p <= 0 {
			v.add(path+".maxOver."+name, "leaves no margin: write above 0pp")
		}
	}
}

// Quantile reads the name of a latency quantile: p50 is 0.5, p99.9 is 0.999.
func Quantile(name string) (float64, error) {
	text, ok := strings.CutPrefix(name, "p")
	q, err := finite(text)
	if !ok || err != nil || q < 1 || q >= 100 {
		return 0, fmt.Errorf("is no quantile: write it like p50, p99 or p99.9")
	}
	return q / 100, nil
}

func (v *validator) outcome(path string, o *Outcome, a Analysis) {
	v.of(path+".missing", o.Missing, "unknown", "negative")
	if *o.MaxDecrease <= 0 {
		v.add(path+".maxDecrease", "leaves no margin: write above 0pp")
	}
	if a.Warmup.Duration+o.Maturity.Duration >= a.MaxDuration.Duration {
		v.add(path+".maturity", "is %s: labels would come after maxDuration (%s) has ended; lengthen that or shorten this", o.Maturity, a.MaxDuration)
	}
}
