package app

import (
	"context"
	"fmt"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/guardrail"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/metric/gauge"
	"github.com/haldane-dev/haldane/internal/outbound"
	"github.com/haldane-dev/haldane/internal/reading"
	"github.com/haldane-dev/haldane/internal/reading/provider"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/stats"
)

// readings is how the numbers of a rollout are read that somebody else measures.
type readings struct {
	secrets secrets
	client  *outbound.Client // of addresses in from
	// own is the Prometheus that the counts come from, with the client that may ask
	// it; nil where there is none.
	own       *v1alpha1.Prometheus
	ownClient *outbound.Client
	// pods are regular expressions of the names of stable's and of the canary's
	// pods; empty on one machine.
	pods [2]string
	// now reads of the candidate's pods that have their turn alone; nil on one
	// machine.
	now func(reading.Reader) reading.Reader
}

// current is the reader of a valid file whose question is of now, not of what
// was before the candidate.
func (r readings) current(x v1alpha1.Reading) (reading.Reader, error) {
	out, err := r.reader(x)
	if err != nil || r.now == nil {
		return out, err
	}
	return r.now(out), nil
}

// clusterReadings are those of a rollout on a cluster.
func clusterReadings(r cluster.Rollout, to clients) readings {
	out := readings{secrets: clusterSecrets(r), client: to.urls, own: r.Spec.Analysis.Source.Prometheus, ownClient: to.sources}
	if w := r.Spec.Workload; w != nil {
		out.pods = [2]string{podNames(w.StableName, ""), podNames(w.Name, "")}
		out.now = func(x reading.Reader) reading.Reader { return thisCandidate{x, r} }
	}
	return out
}

// clients are those that all rollouts on a cluster share, by who may be asked.
type clients struct {
	urls    *outbound.Client // what users write
	sources *outbound.Client // the sources of counts
}

// secret is nil if there is none.
func (r readings) secret(s *v1alpha1.SecretFrom) provider.Secret {
	if s == nil {
		return nil
	}
	return func(ctx context.Context) ([]byte, error) { return r.secrets(ctx, *s) }
}

// reader is that of a valid file.
func (r readings) reader(x v1alpha1.Reading) (reading.Reader, error) {
	if x.From == nil {
		if r.own == nil {
			return nil, fmt.Errorf("query: there is no Prometheus that the counts come from")
		}
		c := provider.PrometheusConfig{Address: r.own.Address, Query: string(x.Query), HTTP: r.ownClient.HTTP()}
		if t := r.own.TokenFrom; t != nil {
			c.Token = r.secret(&v1alpha1.SecretFrom{Name: t.Name, Key: t.Key})
		}
		return provider.Prometheus(c)
	}
	to := r.client.HTTP()
	switch f := x.From; {
	case f.Prometheus != nil:
		return provider.Prometheus(provider.PrometheusConfig{
			Address: f.Prometheus.Address, Query: string(f.Prometheus.Query), Token: r.secret(f.Prometheus.TokenFrom), HTTP: to,
		})
	case f.JSON != nil:
		return provider.JSON(provider.JSONConfig{
			URL: f.JSON.URL, Path: f.JSON.Path, Header: texts(f.JSON.Headers), Token: r.secret(f.JSON.TokenFrom), HTTP: to,
		})
	case f.Datadog != nil:
		d := f.Datadog
		return provider.Datadog(provider.DatadogConfig{
			Address: d.Address, Query: string(d.Query), APIKey: r.secret(&d.APIKeyFrom), AppKey: r.secret(&d.AppKeyFrom),
			Window: d.Window.Duration, HTTP: to,
		})
	case f.InfluxDB != nil:
		i := f.InfluxDB
		return provider.InfluxDB(provider.InfluxConfig{
			Address: i.Address, Org: i.Org, Query: string(i.Query), Token: r.secret(i.TokenFrom), Window: i.Window.Duration, HTTP: to,
		})
	case f.CloudWatch != nil:
		c := f.CloudWatch
		dimensions := map[string]string{}
		for name, value := range c.Dimensions {
			dimensions[name] = string(value)
		}
		return provider.CloudWatch(provider.CloudWatchConfig{
			Region: c.Region, Address: c.Address, Namespace: c.Namespace, Metric: c.Metric, Dimensions: dimensions,
			Statistic: c.Statistic, Expression: string(c.Expression), Period: c.Period.Duration, Window: c.Window.Duration,
			AccessKey: r.secret(c.AccessKeyFrom), SecretKey: r.secret(c.SecretKeyFrom), SessionToken: r.secret(c.SessionTokenFrom), HTTP: to,
		})
	}
	return nil, fmt.Errorf("from names nobody")
}

// guardrails are those of a valid file, and its anomalies; nil if there are none.
func guardrails(m *v1alpha1.ModelRollout, by caller) (*guardrail.Set, error) {
	c := guardrail.Config{Name: m.Name, Namespace: m.Namespace, Pods: by.readings.pods[1], Logger: by.log}
	for i, g := range m.Spec.Analysis.Guardrails {
		r, err := by.readings.current(g.Reading)
		if err != nil {
			return nil, fmt.Errorf("spec.analysis.guardrails[%d]: %w", i, err)
		}
		l := guardrail.Limit{
			Name: g.Name, Reader: r, Min: g.Min, Max: g.Max, Failures: int(g.Failures), Of: int(g.Of), Every: g.Every.Duration,
			Effect: rollout.Effect(g.Effect), DryRun: g.DryRun, OnMissing: guardrail.Missing(g.OnMissing),
		}
		if g.Consecutive > 0 {
			l.Failures, l.Of = int(g.Consecutive), int(g.Consecutive)
		}
		c.Limits = append(c.Limits, l)
	}
	for i, a := range m.Spec.Analysis.Anomalies {
		r, err := by.readings.reader(a.Reading)
		past, ok := r.(reading.Past)
		if err == nil && !ok {
			err = fmt.Errorf("it does not tell what was")
		}
		if err != nil {
			return nil, fmt.Errorf("spec.analysis.anomalies[%d]: %w", i, err)
		}
		c.Anomalies = append(c.Anomalies, guardrail.Anomaly{
			Name: a.Name, Past: past, History: a.History.Duration, Every: a.Every.Duration, FalseAlarm: float64(*a.FalseAlarmProbability),
			Direction: map[string]stats.Direction{"Up": stats.Upward, "Down": stats.Downward}[a.Direction],
			Effect:    rollout.Effect(a.Effect), DryRun: a.DryRun, OnMissing: guardrail.Missing(a.OnMissing),
		})
	}
	if len(c.Limits)+len(c.Anomalies) == 0 {
		return nil, nil
	}
	return guardrail.New(c), nil
}

// gauged is a source with the gauges of a valid file, or the source itself if it
// has none.
func gauged(next metric.Source, m *v1alpha1.ModelRollout, by readings) (metric.Source, error) {
	var all []gauge.Gauge
	for i, x := range m.Spec.Analysis.Metrics {
		if x.Gauge == nil {
			continue
		}
		r, err := by.current(x.Gauge.Reading)
		if err != nil {
			return nil, fmt.Errorf("spec.analysis.metrics[%d].gauge: %w", i, err)
		}
		all = append(all, gauge.Gauge{Name: x.Name, Reader: r, Every: x.Gauge.Every.Duration})
	}
	if len(all) == 0 {
		return next, nil
	}
	return gauge.New(gauge.Config{Source: next, Gauges: all, Name: m.Name, Namespace: m.Namespace, Pods: by.pods}), nil
}

// warningsOf are those of a source that has any.
func warningsOf(s metric.Source) []string {
	if w, ok := s.(interface{ Warnings() []string }); ok {
		return w.Warnings()
	}
	return nil
}

// others makes who has a say beside the evidence, and adds to the source what
// somebody else measures.
func (l *local) others(counts metric.Source, mark string) (metric.Source, error) {
	o := &l.options
	to := outbound.New(outbound.Options{})
	numbers := readings{secrets: localSecrets(o.Dir), client: to}
	var err error
	l.outside, err = outside(o.Rollout, caller{
		dir:     o.Dir,
		secrets: localSecrets(o.Dir), arms: localArms(l.workload, o.Dir, variants(l.plan)...), front: l.front(mark), client: to,
		readings: numbers, link: l.links["dashboard"], log: o.Logger,
	})
	if err != nil {
		return nil, err
	}
	return gauged(counts, o.Rollout, numbers)
}
