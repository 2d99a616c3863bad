package gauge

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/reading"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// longestAnswer is how long the gauges of a block may take together. Counts must
// not wait for them: they are what takes a bad candidate back.
const longestAnswer = 3 * time.Second

// ConditionGaugesRead is false while a gauge cannot be read.
const ConditionGaugesRead = "GaugesRead"

// Gauge is one level of the arms.
type Gauge struct {
	Name   string // of the metric
	Reader reading.Reader
	Every  time.Duration
}

// Config is that of New.
type Config struct {
	Source    metric.Source
	Gauges    []Gauge
	Name      string    // of the rollout
	Namespace string    // "" outside a cluster
	Pods      [2]string // regular expressions of the names of the pods of stable and canary; empty outside a cluster
}

// Source is a source with gauges. It implements metric.Source.
type Source struct {
	cfg Config

	mu      sync.Mutex
	missing map[string]string // why a gauge could not be read last, by name
}

var _ metric.Source = (*Source)(nil)

// New returns a source with gauges.
func New(c Config) *Source { return &Source{cfg: c, missing: map[string]string{}} }

// Collect implements metric.Source.
func (s *Source) Collect(ctx context.Context, q metric.Query, w metric.Window) (analysis.Sample, error) {
	counted := q
	counted.Metrics = slices.DeleteFunc(slices.Clone(q.Metrics), func(m metric.Metric) bool { return m.Kind == analysis.Gauge })
	sample, err := s.cfg.Source.Collect(ctx, counted, w)
	if err != nil || !sample.Start.Before(sample.End) || w.Weight <= 0 {
		return sample, err
	}
	ctx, cancel := context.WithTimeout(ctx, longestAnswer)
	defer cancel()
	var mu sync.Mutex
	var work sync.WaitGroup
	for _, g := range s.cfg.Gauges {
		wanted := slices.ContainsFunc(q.Metrics, func(m metric.Metric) bool { return m.Name == g.Name })
		if !wanted || !due(g.Every, sample.Start, sample.End) {
			continue
		}
		work.Go(func() {
			x, err := s.read(ctx, g, q, sample.End)
			s.note(g.Name, err)
			if err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if sample.Metrics == nil {
				sample.Metrics = map[string]analysis.Measure{}
			}
			sample.Metrics[g.Name] = x
		})
	}
	work.Wait()
	return sample, nil
}

// due reports whether a whole multiple of every lies in (start, end].
func due(every time.Duration, start, end time.Time) bool {
	return end.Truncate(every).After(start)
}

// read returns one reading of each arm, of the same time.
func (s *Source) read(ctx context.Context, g Gauge, q metric.Query, at time.Time) (analysis.Measure, error) {
	var values [2]reading.Value
	var errs [2]error
	var work sync.WaitGroup
	for arm, about := range []metric.Arm{q.Stable, q.Canary} {
		of := reading.Vars{
			Name: s.cfg.Name, Namespace: s.cfg.Namespace, Arm: traffic.Arm(arm).String(),
			Version: about.Version, Revision: about.Revision, Pods: s.cfg.Pods[arm],
		}
		work.Go(func() { values[arm], errs[arm] = g.Reader.Read(ctx, of, at) })
	}
	work.Wait()
	for arm, err := range errs {
		if err != nil {
			return analysis.Measure{}, fmt.Errorf("of %s: %w", traffic.Arm(arm), err)
		}
	}
	one := func(v reading.Value) analysis.Counts { return analysis.Counts{N: 1, Sum: v.Number} }
	return analysis.Measure{Stable: one(values[traffic.Stable]), Canary: one(values[traffic.Canary])}, nil
}

func (s *Source) note(name string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if delete(s.missing, name); err != nil {
		s.missing[name] = err.Error()
	}
}

// Warnings says which gauges could not be read last, and why.
func (s *Source) Warnings() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for name, why := range s.missing {
		out = append(out, fmt.Sprintf("metric %s cannot be read %s", name, why))
	}
	slices.Sort(out)
	return out
}

// Conditions implements cluster.Conditioner: those of the source it decorates, and
// whether all gauges are read.
func (s *Source) Conditions() []cluster.Condition {
	var out []cluster.Condition
	if c, ok := s.cfg.Source.(cluster.Conditioner); ok {
		out = c.Conditions()
	}
	mine := cluster.Condition{Type: ConditionGaugesRead, True: true, Reason: "Read"}
	if all := s.Warnings(); len(all) > 0 {
		mine.True, mine.Reason, mine.Message = false, "CannotBeRead", strings.Join(all, "; ")
	}
	return append(out, mine)
}
