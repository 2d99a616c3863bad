package analysis

import (
	"math"

	"github.com/haldane-dev/haldane/internal/stats"
)

// firstAttempt is the share of α that the first try of a revision may spend; the
// rest is kept for retries.
const firstAttempt = .9

// level returns α of this attempt. The first try spends 0.9·α; the k-th spends
// 0.1·α·6/(π²(k−1)²), so that all tries of one revision together spend α however
// many there are.
func (c Config) level() float64 {
	if c.Attempt <= 1 {
		return firstAttempt * c.FalseRollback
	}
	j := float64(c.Attempt - 1)
	return (1 - firstAttempt) * c.FalseRollback * 6 / (math.Pi * math.Pi * j * j)
}

// schedule spreads the stake of a rollback process over the minutes of the
// rollout, so that a regression that comes late is caught nearly as fast.
func (c Config) schedule() stats.Schedule {
	return stats.Restarting(int(math.Ceil(c.MaxDuration.Minutes())))
}

// group returns the group whose default portion of α a kind shares in, and the
// portion. An unknown kind gets what means get.
func (k Kind) group() (name string, portion float64) {
	switch k {
	case ErrorRate, ErrorShare:
		return "errors", .4
	case Latency:
		return "latency", .2
	case Outcome:
		return "outcome", .15
	case Drift, Pairs, PairedErrors, PairedLatency:
		return "answers", .15
	default:
		return "means", .1
	}
}

// shares returns each metric's share of α. Metrics with a Weight take it as it
// is; the others divide the default of their group among themselves; then all are
// normalised to sum to 1.
func (c Config) shares() []float64 {
	out := make([]float64, len(c.Metrics))
	sum := 0.0
	for i, m := range c.Metrics {
		out[i] = m.Weight
		if m.Weight <= 0 {
			_, portion := m.Kind.group()
			out[i] = portion / c.siblings(m.Kind)
		}
		sum += out[i]
	}
	for i := range out {
		out[i] /= sum
	}
	return out
}

// siblings counts the metrics without a weight of their own in the group of k.
func (c Config) siblings(k Kind) float64 {
	want, _ := k.group()
	n := 0.0
	for i := range c.Metrics {
		if name, _ := c.Metrics[i].Kind.group(); c.Metrics[i].Weight <= 0 && name == want {
			n++
		}
	}
	return n
}

// clock names the filtration a metric's evidence is read by. Everything known
// when a request ends shares one; labels come later, each at its own pace.
func (c Config) clock(i int) int {
	if c.Metrics[i].Kind == Outcome || c.Metrics[i].Late {
		return i + 1
	}
	return 0
}

// margin is the line that a canary must be shown to stay under, at factor 1.
func (m Metric) margin() stats.Null {
	ratio := m.MaxRatio
	if ratio <= 0 {
		ratio = 1
	}
	return stats.Null{Ratio: ratio, Shift: m.MaxIncrease}
}

// paired reports whether a kind compares the two answers to one mirrored request.
func (k Kind) paired() bool { return k == Pairs || k == PairedErrors || k == PairedLatency }

// gates reports whether the metric must pass before this stage may be left.
func (m Metric) gates(s Stage) bool {
	switch {
	case m.Kind.paired():
		return s.Shadow
	case m.Kind == Outcome:
		return s.Last && !s.Shadow
	default:
		return !s.Shadow
	}
}

// compared reports whether the metric's counts are a comparison at this stage.
// Labels are of requests that were split earlier, so they count at any stage.
func (m Metric) compared(s Stage) bool {
	return m.Kind.paired() || m.Kind == Outcome || !s.Shadow
}

// factor returns the stage's margin factor, at least 1.
func (s Stage) factor() float64 { return math.Max(1, s.Factor) }
