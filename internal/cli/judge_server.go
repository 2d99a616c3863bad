package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/haldane-dev/haldane/internal/judge"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// serverFlags say where a Prometheus server has the counts.
type serverFlags struct {
	address, exporter, stable, canary string
	from, to                          string
	series                            []string
	weight                            float64
	block                             time.Duration
}

func (s *serverFlags) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.address, "prometheus", "", "address of a Prometheus server that has the counts; $HALDANE_PROMETHEUS_TOKEN is sent as bearer")
	f.StringVar(&s.from, "from", "", "begin of the range: a time like 2026-03-01T12:00:00Z, Unix seconds, or how long ago, like 2h")
	f.StringVar(&s.to, "to", "0s", "end of the range, likewise")
	f.Lookup("to").DefValue = "now"
	f.DurationVar(&s.block, "block", 15*time.Second, "length of a block; no shorter than the server scrapes")
	f.StringVar(&s.exporter, "exporter", "haldane", "whose names the series have: haldane, istio, traefik, nginx, kserve, triton, vllm, seldon, bentoml, model, or custom with --series")
	f.StringVar(&s.stable, "stable", "", `label matchers of stable's series, like 'version="v1"' (default the exporter's own)`)
	f.StringVar(&s.canary, "canary", "", "label matchers of the canary's series")
	f.StringArrayVar(&s.series, "series", nil, `series of one part of a metric, like 'errors.bad=requests_total{code=~"5.."}'; once for each`)
	f.Float64Var(&s.weight, "weight", 0, "percent of traffic that the canary got, where the series do not tell")
}

// given names one of the flags about a server that was given, "" if none was.
func (s *serverFlags) given(c *cobra.Command) string {
	for _, name := range []string{"from", "to", "block", "exporter", "stable", "canary", "series", "weight"} {
		if c.Flags().Changed(name) {
			return name
		}
	}
	return ""
}

// judge reads the range and judges it as one rollout.
func (s *serverFlags) judge(ctx context.Context, p Program, plan rollout.Plan, out *verdicts) error {
	o, err := s.options(time.Now())
	if err != nil {
		return Usage(err)
	}
	o.Plan, o.Token = plan, os.Getenv("HALDANE_PROMETHEUS_TOKEN")
	rules, err := judge.NewRules(plan, out.only)
	if err != nil {
		return Usage(err)
	}
	var r judge.Rollout
	counted := false
	err = p.Recorded(ctx, o, func(b judge.Block) error {
		for _, x := range b.Metrics {
			counted = counted || x.Stable.N > 0 || len(x.Stable.Counts) > 0 || x.Stable.Native != nil || x.Pairs > 0
		}
		return r.Add(rules, b)
	})
	if err != nil {
		return err
	}
	if !counted {
		return Usage(errors.New("the server has no counts of stable in this range: check --stable, --series, --from and --to"))
	}
	return out.add(r.Result(rules, string(plan.Name)))
}

// options reads the flags; now is what times ago are counted from.
func (s *serverFlags) options(now time.Time) (RecordedOptions, error) {
	o := RecordedOptions{
		Address: s.address, Exporter: s.exporter, Stable: s.stable, Canary: s.canary,
		Weight: s.weight / 100, Block: s.block, Series: map[string]map[string]string{},
	}
	if s.from == "" {
		return o, errors.New("--prometheus needs --from: when the rollout began")
	}
	var err error
	if o.From, err = instant(s.from, now); err != nil {
		return o, fmt.Errorf("--from: %w", err)
	}
	if o.To, err = instant(s.to, now); err != nil {
		return o, fmt.Errorf("--to: %w", err)
	}
	for _, text := range s.series {
		name, selector, ok := strings.Cut(text, "=")
		metric, part, dotted := strings.Cut(name, ".")
		if !ok || !dotted || metric == "" || part == "" || selector == "" {
			return o, fmt.Errorf("--series is %q: write METRIC.PART=SELECTOR, like errors.total=requests_total", text)
		}
		if o.Series[metric] == nil {
			o.Series[metric] = map[string]string{}
		}
		o.Series[metric][part] = selector
	}
	return o, nil
}

// instant reads a time, Unix seconds, or a duration before now.
func instant(text string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	if sec, err := strconv.ParseFloat(text, 64); err == nil && sec > 0 && sec < 4e9 {
		return time.UnixMilli(int64(sec * 1000)), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fmt.Errorf("%q is no time: write 2026-03-01T12:00:00Z, Unix seconds, or how long ago, like 2h", text)
	}
	return t, nil
}
