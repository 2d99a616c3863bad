package embedded

import (
	"maps"
	"slices"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/feedback"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/stats"
	"github.com/haldane-dev/haldane/internal/telemetry"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// outcome returns the counts of a metric of what came back.
func (c *comparison) outcome(m metric.Metric) (x analysis.Measure, ok bool) {
	l := c.labels
	a, ok := l.answers[m.Maturity]
	if !ok {
		return x, false
	}
	counts := func(arm traffic.Arm) analysis.Counts {
		x := &a.Arms[arm]
		out := tallied(m, x.Unknown, x.Negative, x.Predicted, x.Events)
		if m.Kind == analysis.Outcome && !m.Negative {
			labelled(&out, x.Classes, l.classes)
		}
		c.group(m, &out, x.Groups)
		return out
	}
	if m.Kind == analysis.Outcome && !m.Negative {
		x.Bins = l.classes
	}
	x.Stable, x.Canary = counts(traffic.Stable), counts(c.treatment)
	return x, true
}

// tallied counts predictions by what became of them.
func tallied(m metric.Metric, unknown, negative feedback.Judged, predicted int64, of map[string]feedback.Came) analysis.Counts {
	if m.Event != "" {
		return events(m, predicted, of[m.Event])
	}
	j := unknown
	if m.Negative {
		j = negative
	}
	if m.Kind == analysis.Mean {
		return analysis.Counts{N: j.Value.N, Sum: j.Value.Sum, SumSq: j.Value.SumSq}
	}
	return analysis.Counts{N: j.N, K: j.Wrong}
}

// group adds the same by group of users, where predictions say it.
func (c *comparison) group(m metric.Metric, to *analysis.Counts, groups []feedback.GroupAnswer) {
	if groups == nil {
		return
	}
	shares, values := make([]analysis.Group, len(groups)), make([]stats.Moments, len(groups))
	for i, g := range groups {
		x := tallied(m, g.Unknown, g.Negative, g.Predicted, g.Events)
		shares[i] = analysis.Group{N: x.N, K: x.K}
		values[i] = stats.Moments{N: float64(x.N), Sum: x.Sum, SumSq: x.SumSq}
	}
	// A crash can lose predictions of which something came: those of a group are
	// noticed in it alone.
	var all analysis.Group
	for _, x := range shares {
		all.N, all.K = all.N+x.N, all.K+x.K
	}
	to.N, to.K = max(to.N, all.N), max(to.K, all.K)
	if !m.Everyone {
		shares, values = pair(c, shares), pair(c, values)
	}
	if m.Kind == analysis.Mean {
		to.Values = values
	} else {
		to.Groups = shares
	}
}

// events counts predictions by whether an event came for them.
func events(m metric.Metric, predicted int64, came feedback.Came) analysis.Counts {
	n := max(predicted, came.N) // a crash can lose predictions of which events came
	switch {
	case m.Of == "conversion":
		return analysis.Counts{N: n, Sum: float64(came.N), SumSq: float64(came.N)}
	case m.Negative:
		return analysis.Counts{N: n, Sum: came.Value.Sum, SumSq: came.Value.SumSq}
	}
	return analysis.Counts{N: came.Value.N, Sum: came.Value.Sum, SumSq: came.Value.SumSq}
}

// labelled puts the predictions of each class and their labels into bins.
func labelled(c *analysis.Counts, classes map[string]feedback.Share, bins []string) {
	if len(bins) == 0 {
		return
	}
	c.Counts, c.Labelled, c.Wrong = make([]int64, len(bins)), make([]int64, len(bins)), make([]int64, len(bins))
	for name, s := range classes {
		i := slices.Index(bins, name)
		if i < 0 {
			i = len(bins) - 1 // telemetry.OtherClass
		}
		c.Counts[i] += s.Predicted
		c.Labelled[i] += s.Labelled
		c.Wrong[i] += s.Wrong
	}
}

// labelOrder returns the bins of predicted classes: those of before, then those
// that have come since, by name. A list that is full ends with
// telemetry.OtherClass and grows no more.
func labelOrder(before []string, answers map[time.Duration]feedback.Answer) []string {
	var found []string
	for _, a := range answers {
		for arm := range a.Arms {
			found = slices.AppendSeq(found, maps.Keys(a.Arms[arm].Classes))
		}
	}
	slices.Sort(found)
	bins := slices.Clone(before)
	for _, name := range slices.Compact(found) {
		switch {
		case slices.Contains(bins, name):
		case len(bins) < telemetry.DefaultMaxClasses:
			bins = append(bins, name)
		case len(bins) == telemetry.DefaultMaxClasses:
			bins = append(bins, telemetry.OtherClass)
		}
	}
	return bins
}
