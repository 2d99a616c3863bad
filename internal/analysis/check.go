package analysis

import (
	"fmt"
	"math"
	"slices"

	"github.com/haldane-dev/haldane/internal/stats"
)

// Check reports why x cannot be what the metric counts in a block, or "": hits
// beyond trials, values outside their bounds, sums that are no numbers. Such a block
// is no evidence.
func (m Metric) Check(x Measure) string {
	j := new(metricState).judge(m)
	if j == nil {
		return "no test for metrics of kind " + string(m.Kind)
	}
	return j.check(m, x)
}

// checkBoth applies check to both arms and says which one failed.
func checkBoth(x Measure, check func(Counts) string) string {
	if why := check(x.Stable); why != "" {
		return "stable: " + why
	}
	if why := check(x.Canary); why != "" {
		return "canary: " + why
	}
	return ""
}

// checkHistogram reports why c is not a histogram of at most size buckets. An arm
// without traffic may leave the buckets out.
func checkHistogram(c Counts, size int) string {
	if len(c.Counts) > size {
		return fmt.Sprintf("%d buckets where %d were expected", len(c.Counts), size)
	}
	for i, n := range c.Counts {
		if n < 0 {
			return fmt.Sprintf("bucket %d counts %d", i, n)
		}
	}
	return ""
}

// checkMoments reports why c cannot be the moments of values in [lower, upper].
// A hair of rounding is forgiven.
func checkMoments(c Counts, lower, upper float64) string {
	n := float64(c.N)
	slack := 1e-9 * (math.Abs(c.Sum) + n*(upper-lower))
	switch {
	case c.N < 0:
		return fmt.Sprintf("%d values", c.N)
	case math.IsNaN(c.Sum) || math.IsNaN(c.SumSq) || math.IsInf(c.Sum, 0) || math.IsInf(c.SumSq, 0):
		return "the sums are not finite"
	case c.Sum < n*lower-slack || c.Sum > n*upper+slack:
		return fmt.Sprintf("values outside their bounds: %d values sum to %g, bounds %g to %g", c.N, c.Sum, lower, upper)
	case c.SumSq < 0:
		return fmt.Sprintf("squares sum to %g", c.SumSq)
	}
	return ""
}

// trials returns the number of trials behind one arm's counts.
func (c Counts) trials() int64 {
	if c.Native != nil {
		return c.Native.total()
	}
	if len(c.Counts) == 0 {
		return c.N
	}
	sum := int64(0)
	for _, n := range c.Counts {
		sum += n
	}
	return sum
}

// plus adds two arms' counts; histograms may differ in length.
func (c Counts) plus(o Counts) Counts {
	out := Counts{N: c.N + o.N, K: c.K + o.K, Sum: c.Sum + o.Sum, SumSq: c.SumSq + o.SumSq}
	if n := max(len(c.Groups), len(o.Groups)); n > 0 {
		out.Groups = make([]Group, n)
		copy(out.Groups, c.Groups)
		for i, g := range o.Groups {
			out.Groups[i].N += g.N
			out.Groups[i].K += g.K
		}
	}
	if n := max(len(c.Values), len(o.Values)); n > 0 {
		out.Values = make([]stats.Moments, n)
		copy(out.Values, c.Values)
		for i, v := range o.Values {
			out.Values[i] = out.Values[i].Plus(v)
		}
	}
	if n := max(len(c.Counts), len(o.Counts)); n > 0 {
		out.Counts = make([]int64, n)
		copy(out.Counts, c.Counts)
		for i, v := range o.Counts {
			out.Counts[i] += v
		}
		if len(c.Labelled)+len(o.Labelled) > 0 {
			out.Labelled, out.Wrong = make([]int64, n), make([]int64, n)
			for i := range n {
				out.Labelled[i] = nth(c.Labelled, i) + nth(o.Labelled, i)
				out.Wrong[i] = nth(c.Wrong, i) + nth(o.Wrong, i)
			}
		}
	}
	return out
}

// plus adds the counts of a later measure; its names win, being the longer list.
func (m Measure) plus(o Measure) Measure {
	if len(m.Halves) == 2 && len(o.Halves) == 2 {
		o.Halves = []Group{
			{m.Halves[0].N + o.Halves[0].N, m.Halves[0].K + o.Halves[0].K},
			{m.Halves[1].N + o.Halves[1].N, m.Halves[1].K + o.Halves[1].K},
		}
	}
	o.Pairs, o.Disagree = o.Pairs+m.Pairs, o.Disagree+m.Disagree
	o.CanaryOnlyBad, o.StableOnlyBad = o.CanaryOnlyBad+m.CanaryOnlyBad, o.StableOnlyBad+m.StableOnlyBad
	o.Stable = m.Stable.plus(o.Stable)
	o.Canary = m.Canary.plus(o.Canary)
	return o
}

// follows reports whether m can be added to the earlier measure o: the same
// edges, and the same bins apart from new ones at the end.
func (m Measure) follows(o Measure) bool {
	return m.Ordered == o.Ordered && slices.Equal(m.Edges, o.Edges) &&
		len(m.Bins) >= len(o.Bins) && slices.Equal(m.Bins[:len(o.Bins)], o.Bins)
}
