package cli

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/experiment"
	"github.com/haldane-dev/haldane/internal/judge"
	"github.com/haldane-dev/haldane/internal/plan"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// share is a flag between 0 and 1, written as in the rollout file.
type share struct {
	v   float64
	set bool
}

// String implements pflag.Value.
func (s *share) String() string {
	if !s.set {
		return ""
	}
	return strconv.FormatFloat(100*s.v, 'g', 6, 64) + "%"
}

// Type implements pflag.Value.
func (s *share) Type() string { return "share" }

// Set implements pflag.Value.
func (s *share) Set(text string) error {
	var p v1alpha1.Probability
	if err := p.UnmarshalJSON([]byte(text)); err != nil {
		return err
	}
	s.v, s.set = float64(p), true
	return nil
}

// baselineFlags say what the version in service does.
type baselineFlags struct {
	record                          string
	rps, dispersion                 float64
	errors, wrong, labelled, differ share
	latency, classes, bins          string
	means                           []string
}

func (b *baselineFlags) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.Float64Var(&b.rps, "rps", 0, "requests a second, of both versions together")
	f.Var(&b.errors, "error-rate", "share of requests that fail today, like 1%")
	f.StringVar(&b.latency, "latency", "", "latency today, like p50=50ms,p99=200ms")
	f.Var(&b.wrong, "wrong-rate", "share of labelled predictions that are wrong today")
	f.Var(&b.labelled, "labelled", "share of predictions that get a label, or a value of feedback (default 100%)")
	f.StringVar(&b.classes, "classes", "", "shares of the classes predicted today, like 70%,30%")
	f.StringVar(&b.bins, "bins", "", "shares of the bins of a score, in order, like 10%,20%,40%,20%,10%")
	f.StringArrayVar(&b.means, "mean", nil, "mean and standard deviation of the value compared, like 0.8±0.15 or 0.8,0.15; of a conversion its share, like 3%. NAME=… is of that metric alone, goal=… of an experiment's goal; may be repeated")
	f.Var(&b.differ, "disagreement", "share of mirrored pairs that are expected to differ")
	f.Float64Var(&b.dispersion, "dispersion", 1, "how many times more than independent requests the counts vary, for requests that fail in bursts")
	f.StringVar(&b.record, "baseline", "", "a record as judge reads it, to take all of this from its stable arm; flags override it")
}

// read puts the baseline together: the record first, then what the flags say.
func (b *baselineFlags) read(c *cobra.Command, p Program, m *v1alpha1.ModelRollout, r rollout.Plan) (plan.Baseline, error) {
	base := plan.Baseline{RPS: b.rps, Dispersion: b.dispersion, Habits: map[string]plan.Habit{}}
	if c.Flags().Changed("rps") && (!(b.rps > 0) || math.IsInf(b.rps, 1)) {
		return base, Usage(fmt.Errorf("--rps is %g: write how many requests a second there are, more than 0", b.rps))
	}
	all, err := compared(m, r)
	if err != nil {
		return base, err
	}
	if err := b.named(all); err != nil {
		return base, Usage(err)
	}
	if b.record != "" {
		if err := b.recorded(c, r, all, &base); err != nil {
			return base, err
		}
	}
	if base.RPS <= 0 {
		return base, Usage(errors.New("plan needs the rate of requests: give it with --rps, or a record with --baseline"))
	}
	for _, x := range all {
		h, known := base.Habits[x.Name]
		h.Binary = x.binary
		set, err := b.habit(p, x, &h)
		if err != nil {
			return base, Usage(err)
		}
		h.Maturity = x.maturity
		if set || known {
			base.Habits[x.Name] = h
		}
	}
	return base, nil
}

// comparison is a metric of the file, or the goal of its experiment.
type comparison struct {
	analysis.Metric
	maturity time.Duration // how long what comes back later is waited for
	binary   bool          // of a conversion
	some     bool          // only some predictions bring a value
}

// compared returns what a plan compares, with what the file says of it.
func compared(m *v1alpha1.ModelRollout, r rollout.Plan) ([]comparison, error) {
	if len(m.Spec.Analysis.Metrics) < len(r.Analysis.Metrics) {
		return nil, fmt.Errorf("the plan has %d metrics and the file %d", len(r.Analysis.Metrics), len(m.Spec.Analysis.Metrics))
	}
	var out []comparison
	for i, metric := range r.Analysis.Metrics {
		x := comparison{Metric: metric}
		switch in := m.Spec.Analysis.Metrics[i]; {
		case in.Outcome != nil:
			x.maturity, x.some = in.Outcome.Maturity.Duration, in.Outcome.Missing != "negative"
		case in.Mean != nil:
			x.binary, x.some = in.Mean.Of == "conversion", later(in.Mean.Of) && in.Mean.Missing == "unknown"
			if in.Mean.Maturity != nil {
				x.maturity = in.Mean.Maturity.Duration
			}
		}
		out = append(out, x)
	}
	if e := r.Experiment; e != nil {
		g := m.Spec.Strategy.Experiment.Goal
		x := comparison{
			Metric: analysis.Metric{Name: experiment.GoalMetric, Kind: e.Goal.Kind, Lower: e.Goal.Lower, Upper: e.Goal.Upper}, binary: e.Goal.Binary,
			some: g.Outcome != nil && g.Outcome.Missing != "negative" || g.Mean != nil && later(g.Mean.Of) && g.Mean.Missing == "unknown",
		}
		out = append(out, x)
	}
	return out, nil
}

// later reports whether a mean is of values that come after the answer, if at all.
func later(of string) bool { return of == "event" || of == "feedback" }

// named refuses means of metrics that are not compared.
func (b *baselineFlags) named(all []comparison) error {
	for _, text := range b.means {
		name, _, ok := strings.Cut(text, "=")
		if ok && !slices.ContainsFunc(all, func(x comparison) bool { return x.Name == name && x.Kind == analysis.Mean }) {
			return fmt.Errorf("--mean is %q: no mean called %s is compared here", text, name)
		}
	}
	return nil
}

// mean is what the flags say of a mean, "" if nothing: of it alone, or of all.
func (b *baselineFlags) mean(name string) string {
	out := ""
	for _, text := range b.means {
		of, value, ok := strings.Cut(text, "=")
		switch {
		case ok && of == name:
			return value
		case !ok:
			out = text
		}
	}
	return out
}

// recorded takes the baseline from the stable arm of a record.
func (b *baselineFlags) recorded(c *cobra.Command, r rollout.Plan, all []comparison, base *plan.Baseline) error {
	f, err := os.Open(b.record)
	if err != nil {
		return Usage(fmt.Errorf("read the baseline: %w", err))
	}
	defer f.Close()
	r.Analysis.Metrics = nil
	for _, x := range all {
		r.Analysis.Metrics = append(r.Analysis.Metrics, x.Metric)
	}
	t, err := judge.Sum(c.Context(), b.record, f, r)
	if l := (*judge.LineError)(nil); errors.As(err, &l) {
		return Usage(err)
	}
	if err != nil {
		return err
	}
	rps, habits := plan.FromCounts(r.Analysis.Metrics, t.Metrics, t.Seconds)
	if base.RPS <= 0 {
		base.RPS = rps
	}
	base.Habits = habits
	return nil
}

// habit reads what the flags say of a metric's kind, and whether they do.
func (b *baselineFlags) habit(p Program, m comparison, h *plan.Habit) (set bool, err error) {
	rate := func(s share) {
		if s.set {
			h.Rate, set = s.v, true
		}
	}
	switch m.Kind {
	case analysis.ErrorRate:
		rate(b.errors)
	case analysis.Pairs:
		rate(b.differ)
	case analysis.Outcome:
		rate(b.wrong)
	case analysis.Latency:
		if b.latency != "" {
			median, p99, err := quantiles(b.latency)
			if err != nil {
				return false, err
			}
			if h.Edges == nil {
				h.Edges = p.LatencyEdges
			}
			h.Counts, set = plan.Lognormal(h.Edges, median, p99), true
		}
	case analysis.Drift:
		text, ordered := b.classes, false
		if b.bins != "" {
			text, ordered = b.bins, true
		}
		if text != "" {
			h.Classes, err = shares(text)
			h.Ordered, set = ordered, true
		}
	case analysis.Mean:
		if text := b.mean(m.Name); text != "" {
			h.Mean, h.SD, err = meanAndSpread(text, m.binary)
			set = true
		}
	}
	if m.some && b.labelled.set {
		h.Share = b.labelled.v
	}
	return set, err
}

// quantiles reads "p50=50ms,p99=200ms".
func quantiles(text string) (median, p99 float64, err error) {
	found := map[string]float64{}
	for _, part := range strings.Split(text, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		d, bad := time.ParseDuration(value)
		if !ok || bad != nil || d <= 0 {
			return 0, 0, fmt.Errorf("--latency: %q is no quantile: write p50=50ms,p99=200ms", part)
		}
		found[name] = d.Seconds()
	}
	median, p99 = found["p50"], found["p99"]
	if len(found) != 2 || median <= 0 || p99 <= median {
		return 0, 0, fmt.Errorf("--latency is %q: write the median and the larger p99, like p50=50ms,p99=200ms", text)
	}
	return median, p99, nil
}

// shares reads "70%,30%".
func shares(text string) ([]float64, error) {
	var out []float64
	sum := 0.0
	for _, part := range strings.Split(text, ",") {
		var s share
		if err := s.Set(strings.TrimSpace(part)); err != nil {
			return nil, err
		}
		out, sum = append(out, s.v), sum+s.v
	}
	if sum < .999 || sum > 1.001 || len(out) < 2 {
		return nil, fmt.Errorf("the shares %s sum to %.4g%%, want at least two that sum to 100%%", text, 100*sum)
	}
	for i := range out {
		out[i] /= sum
	}
	return out, nil
}

// meanAndSpread reads "0.8±0.15", and of a conversion "3%".
func meanAndSpread(text string, binary bool) (mean, sd float64, err error) {
	parts := strings.FieldsFunc(text, func(r rune) bool { return r == '±' || r == ',' || r == ' ' })
	if binary && len(parts) > 0 { // its spread follows
		var s share
		if s.Set(parts[0]) != nil || len(parts) > 2 {
			return 0, 0, fmt.Errorf("--mean is %q: write the share of a conversion, like 3%%", text)
		}
		return s.v, 0, nil
	}
	if len(parts) == 2 {
		mean, err = strconv.ParseFloat(parts[0], 64)
		if err == nil {
			sd, err = strconv.ParseFloat(parts[1], 64)
		}
	}
	if len(parts) != 2 || err != nil || sd <= 0 {
		return 0, 0, fmt.Errorf("--mean is %q: write a mean and a standard deviation, like 0.8±0.15", text)
	}
	return mean, sd, nil
}
