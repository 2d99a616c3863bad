package app

import (
	"context"
	"fmt"
	"strings"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/cli"
	"github.com/haldane-dev/haldane/internal/judge"
	"github.com/haldane-dev/haldane/internal/metric/prometheus"
	"github.com/haldane-dev/haldane/internal/telemetry"
)

// Recorded gives take the blocks that a Prometheus server has of a range of time,
// in order. What the flags leave out comes from the exporter they name.
func Recorded(ctx context.Context, o cli.RecordedOptions, take func(judge.Block) error) error {
	opt := prometheus.Options{
		Address: o.Address, Stable: o.Stable, Canary: o.Canary, Weight: o.Weight,
		Series: map[string]prometheus.Series{}, From: o.From, To: o.To, Block: o.Block,
	}
	if o.Token != "" {
		opt.Token = func(context.Context) (string, error) { return o.Token, nil }
	}
	preset, err := presetNamed(o.Exporter)
	if err != nil {
		return cli.Usage(err)
	}
	preset.apply(&opt, o)
	for name, s := range o.Series {
		if opt.Series[name] == nil {
			opt.Series[name] = prometheus.Series{}
		}
		for part, selector := range s {
			opt.Series[name][part] = selector
		}
	}
	if err := opt.Check(o.Plan.Analysis.Metrics); err != nil {
		return cli.Usage(err)
	}
	return prometheus.Read(ctx, o.Plan.Analysis.Metrics, opt, func(b prometheus.Block) error {
		return take(judge.Block{
			T: float64(b.End.UnixMilli()) / 1000, Seconds: b.End.Sub(b.Start).Seconds(),
			Weight: b.Weight, Assigned: b.Assigned, Metrics: b.Metrics,
		})
	})
}

// presetNamed finds a preset by name; "custom" is one that knows nothing.
func presetNamed(name string) (known, error) {
	if p, ok := prometheus.PresetNamed(name); ok && name != "" {
		return known{p}, nil
	}
	names := []string{"custom"}
	for _, p := range prometheus.Presets() {
		names = append(names, p.Name)
	}
	return known{}, fmt.Errorf("--exporter is %q: write one of %s", name, strings.Join(names, ", "))
}

// known is an exporter whose names are known.
type known struct{ prometheus.Preset }

// apply fills in what the exporter knows by itself.
func (k known) apply(opt *prometheus.Options, o cli.RecordedOptions) {
	if k.Arm != "" {
		own := ""
		if k.Match != "" {
			opt.Match = fmt.Sprintf("%s=%q", k.Match, string(o.Plan.Name))
			own = "," + opt.Match
		}
		if opt.Stable == "" {
			opt.Stable = fmt.Sprintf("%s=%q", k.Arm, "stable") + own
		}
		if opt.Canary == "" {
			opt.Canary = fmt.Sprintf("%s=%q", k.Arm, "canary") + own
		}
	}
	if o.Weight == 0 {
		opt.Assigned = k.Weight
	}
	for _, m := range o.Plan.Analysis.Metrics {
		opt.Series[m.Name] = k.counts(m.Kind)
	}
}

// counts returns where the exporter counts a kind of metric: of several things
// the usual one. Outcomes are counted by maturity, and the plan does not tell which
// is meant.
func (k known) counts(kind analysis.Kind) prometheus.Series {
	if kind == analysis.Outcome {
		return prometheus.Series{}
	}
	for _, of := range []string{"class", "value", "confidence"} {
		if s := k.Of(prometheus.Counted{Kind: kind, Of: of}); s != nil {
			return s
		}
	}
	return prometheus.Series{}
}

// LatencyEdges returns what the gateway counts latencies by, in seconds.
func LatencyEdges() []float64 {
	var out []float64
	for _, e := range telemetry.DefaultEdges() {
		out = append(out, e.Seconds())
	}
	return out
}
