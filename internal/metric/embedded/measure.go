package embedded

import (
	"fmt"
	"slices"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/stats"
	"github.com/haldane-dev/haldane/internal/telemetry"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// comparison is a block as one treatment beside stable.
type comparison struct {
	delta     *telemetry.Snapshot
	bins      []string // of classes
	labels    labels
	treatment traffic.Arm
	slots     string           // of an experiment with variants, at its beginning
	before    []analysis.Group // what stable did before the revision, with its first block
}

// measures returns the counts of every metric that a gateway counts.
func (c *comparison) measures(metrics []metric.Metric) map[string]analysis.Measure {
	out := map[string]analysis.Measure{}
	for _, m := range metrics {
		x, ok := c.measure(m)
		if !ok {
			continue
		}
		if m.Kind == analysis.ErrorRate {
			x.Before = pair(c, c.before)
		}
		out[m.Name] = x
	}
	return out
}

// measure returns the counts of one metric; ok is false for one that a gateway
// does not count.
func (c *comparison) measure(m metric.Metric) (x analysis.Measure, ok bool) {
	switch {
	case wantsLabels(m):
		return c.outcome(m)
	case m.Kind == analysis.ErrorRate:
		x = c.both(func(a *telemetry.ArmCounts) analysis.Counts {
			return analysis.Counts{N: a.Requests, K: a.Errors, Groups: pair(c, users(a.GroupRequests, a.GroupErrors))}
		})
		stable := &c.delta.Arms[traffic.Stable]
		x.Halves = users(stable.HalfRequests[:], stable.HalfErrors[:])
		return x, true
	case m.Kind == analysis.Latency:
		x = c.both(func(a *telemetry.ArmCounts) analysis.Counts { return analysis.Counts{Counts: a.Latency} })
		x.Edges = c.delta.Edges
		return x, true
	case m.Kind == analysis.Drift:
		return c.drift(m.Of)
	case m.Kind == analysis.Mean:
		return c.mean(m)
	case m.Kind == analysis.Pairs:
		return pairs(c.delta.Pairs, m.Of)
	}
	return x, false
}

// users puts requests and errors by group of users together; nil if no request
// had a user.
func users(requests, errors []int64) []analysis.Group {
	any := false
	out := make([]analysis.Group, len(requests))
	for i, n := range requests {
		out[i] = analysis.Group{N: n, K: errors[i]}
		any = any || n != 0
	}
	if !any {
		return nil
	}
	return out
}

// pair is metric.OfPair of c.
func pair[T any](c *comparison, all []T) []T { return metric.OfPair(c.slots, c.treatment, all) }

func (c *comparison) both(counts func(*telemetry.ArmCounts) analysis.Counts) analysis.Measure {
	return analysis.Measure{Stable: counts(&c.delta.Arms[traffic.Stable]), Canary: counts(&c.delta.Arms[c.treatment])}
}

// scoreBins names the bins of a score by their place.
var scoreBins = func() []string {
	names := make([]string, telemetry.ScoreBins)
	for i := range names {
		names[i] = fmt.Sprintf("%d/%d", i+1, telemetry.ScoreBins)
	}
	return names
}()

func (c *comparison) drift(of string) (analysis.Measure, bool) {
	var x analysis.Measure
	switch of {
	case "class":
		x = c.both(func(a *telemetry.ArmCounts) analysis.Counts {
			return analysis.Counts{Counts: byClass(a.ByClass, c.delta.Classes, c.bins)}
		})
		x.Bins = c.bins
		return x, true
	case "confidence":
		x = c.both(func(a *telemetry.ArmCounts) analysis.Counts { return analysis.Counts{Counts: a.ConfidenceBins} })
	case "value", "score":
		if c.delta.Arms[traffic.Stable].ValueBins == nil {
			return x, false // no bounds: no bins
		}
		x = c.both(func(a *telemetry.ArmCounts) analysis.Counts { return analysis.Counts{Counts: a.ValueBins} })
	default:
		return x, false
	}
	x.Bins, x.Ordered = scoreBins, true
	return x, true
}

// order returns the names of the class bins: those of before, then those the
// recorder has seen since. A list that is full ends with telemetry.OtherClass
// and grows no more.
func order(before []string, now *telemetry.Snapshot) []string {
	most := len(now.Arms[traffic.Stable].ByClass) - 1
	bins := slices.Clone(before)
	other := slices.Contains(bins, telemetry.OtherClass)
	for _, name := range now.Classes {
		if slices.Contains(bins, name) {
			continue
		}
		if len(bins) >= most {
			other = true
			break
		}
		bins = append(bins, name)
	}
	for i := range now.Arms {
		other = other || now.Arms[i].ByClass[most] > 0
	}
	if other && !slices.Contains(bins, telemetry.OtherClass) {
		bins = append(bins, telemetry.OtherClass)
	}
	return bins
}

// byClass puts counts, by the recorder's names, into bins.
func byClass(counts []int64, names, bins []string) []int64 {
	out := make([]int64, len(bins))
	for i, n := range counts {
		if n == 0 {
			continue
		}
		at := -1
		if i < len(names) {
			at = slices.Index(bins, names[i])
		}
		if at < 0 {
			at = slices.Index(bins, telemetry.OtherClass)
		}
		out[at] += n
	}
	return out
}

func (c *comparison) mean(of metric.Metric) (analysis.Measure, bool) {
	var is telemetry.Number
	var pick func(a *telemetry.ArmCounts) telemetry.Moments
	switch of.Of {
	case "confidence":
		is, pick = telemetry.Confidence, func(a *telemetry.ArmCounts) telemetry.Moments { return a.Confidence }
	case "value", "score":
		is, pick = telemetry.Value, func(a *telemetry.ArmCounts) telemetry.Moments { return a.Value }
	case "ttft":
		is, pick = telemetry.TTFT, func(a *telemetry.ArmCounts) telemetry.Moments { return a.TTFTMoments }
	case "timePerToken":
		is, pick = telemetry.PerToken, func(a *telemetry.ArmCounts) telemetry.Moments { return a.PerTokenMoments }
	default:
		return analysis.Measure{}, false
	}
	return c.both(func(a *telemetry.ArmCounts) analysis.Counts {
		m := pick(a)
		out := analysis.Counts{N: m.N, Sum: m.Sum, SumSq: m.SumSq, Values: values(a.GroupMeans[is])}
		if !of.Everyone {
			out.Values = pair(c, out.Values)
		}
		return out
	}), true
}

// values are the numbers of groups of users; nil if no answer had a user.
func values(groups []telemetry.Moments) []stats.Moments {
	some := false
	out := make([]stats.Moments, len(groups))
	for i, m := range groups {
		out[i] = stats.Moments{N: float64(m.N), Sum: m.Sum, SumSq: m.SumSq}
		some = some || m.N != 0
	}
	if !some {
		return nil
	}
	return out
}

// pairs counts the mirrored requests that stable answered. The canary disagrees
// if it failed, or if what it predicted, or the aspect that is asked for,
// differs; where neither can be told there is no pair.
func pairs(p telemetry.PairCounts, of string) (x analysis.Measure, ok bool) {
	compared := telemetry.Compared{Comparable: p.Comparable, Disagree: p.Disagree}
	ok = of == "" || of == "prediction"
	for a := range telemetry.NumAspects {
		if a.String() == of {
			compared, ok = p.Aspects[a], true
		}
	}
	return analysis.Measure{
		Pairs:         compared.Comparable + p.CanaryOnlyBad,
		Disagree:      compared.Disagree + p.CanaryOnlyBad,
		CanaryOnlyBad: p.CanaryOnlyBad,
		StableOnlyBad: p.StableOnlyBad,
	}, ok
}

// assignments are the random decisions between stable and a treatment, for the
// traffic check: of those that went to either, the share that should have gone to
// the treatment is fixed, whatever other arms had.
func assignments(d *telemetry.Snapshot, treatment traffic.Arm) []analysis.Assignment {
	var out []analysis.Assignment
	for _, a := range d.Assigned {
		x := analysis.Assignment{Weight: a.Weight.Share(), Stable: a.Stable, Canary: a.Canary}
		if i := int(treatment) - traffic.NumArms; i >= 0 && i < len(a.Variants) {
			x.Canary = a.Variants[i]
		}
		if a.Slots != "" {
			own, stable := traffic.SlotShare(a.Slots, treatment), traffic.SlotShare(a.Slots, traffic.Stable)
			if own == 0 || stable == 0 {
				continue // nothing is left to chance
			}
			x.Weight = float64(own) / float64(own+stable)
		}
		out = append(out, x)
	}
	return out
}
