package prometheus

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/prometheus/common/model"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/telemetry"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// layout is what the arms of one metric share, block after block: the edges of
// its buckets, or the names of its classes.
type layout struct {
	selector string  // for errors
	unit     float64 // of what is counted, in seconds
	edges    []float64
	bins     []string
	owed     arrears
	negative bool // a label that is missing is an answer
}

// sides are what each arm gained, by arm; what is of no arm is in the first.
type sides [traffic.NumArms][]gain

// add puts the gains of one part into a measure.
func (l *layout) add(x *analysis.Measure, part string, of sides) error {
	counts := [traffic.NumArms]*analysis.Counts{traffic.Stable: &x.Stable, traffic.Canary: &x.Canary}
	switch part {
	case partBuckets:
		return l.buckets(x, counts, of)
	case partClasses:
		l.classes(x, counts, of, "class")
		return nil
	case partPredictions:
		l.classes(x, counts, of, labelPredicted)
		return nil
	case partLabels:
		l.labels(x, counts, of)
		return nil
	case partGroups:
		for arm, c := range counts {
			c.Groups = groups(of[arm], "group", telemetry.Groups)
		}
		return nil
	case partGroupPredictions, partGroupLabels, partGroupTotal, partGroupSum, partGroupSquares:
		for arm, c := range counts {
			l.addGroups(c, part, of[arm])
		}
		return nil
	case partHalves:
		x.Halves = groups(of[traffic.Stable], "half", 2)
		return nil
	}
	for arm, c := range counts {
		by := sum(of[arm])
		switch part {
		case partTotal:
			c.N = round(by)
		case partBad, partBadToo:
			c.K += round(by)
		case partSum:
			c.Sum = by
		case partSquares:
			c.SumSq = by
		}
	}
	by := round(sum(of[traffic.Stable]))
	switch part {
	case partPairs:
		x.Pairs += by
	case partDisagree:
		x.Disagree += by
	case partCanaryOnly:
		x.CanaryOnlyBad = by
		// The canary disagrees if it alone failed.
		x.Pairs, x.Disagree = x.Pairs+by, x.Disagree+by
	case partStableOnly:
		x.StableOnlyBad = by
	}
	return nil
}

// groups counts trials and hits by the number in a label; nil if there are none.
func groups(gains []gain, label model.LabelName, n int) []analysis.Group {
	var out []analysis.Group
	for _, g := range gains {
		i, err := strconv.Atoi(string(g.labels[label]))
		if err != nil || i < 0 || i >= n {
			continue
		}
		if out == nil {
			out = make([]analysis.Group, n)
		}
		out[i].N += round(g.by)
		if g.labels["result"] == "failed" {
			out[i].K += round(g.by)
		}
	}
	return out
}

// within is groups, nil if they hold more than all trials: a series that began
// then may count a scrape that those of all trials do not.
func within(groups []analysis.Group, c analysis.Counts) []analysis.Group {
	sum := analysis.Group{}
	for _, g := range groups {
		sum.N, sum.K = sum.N+g.N, sum.K+g.K
	}
	if sum.N > c.N || sum.K > c.K {
		return nil
	}
	return groups
}

func sum(gains []gain) float64 {
	out := 0.0
	for _, g := range gains {
		out += g.by
	}
	return out
}

func round(v float64) int64 { return int64(math.Round(v)) }

// buckets takes native histograms where every arm that counted anything has
// them, and classic ones else.
func (l *layout) buckets(x *analysis.Measure, counts [traffic.NumArms]*analysis.Counts, of sides) error {
	var natives [traffic.NumArms]*exponential
	classic := ""
	some := false
	for arm := range of {
		for _, g := range of[arm] {
			if g.native != nil {
				natives[arm], some = natives[arm].plus(g.native), true
			}
		}
		if natives[arm] == nil && len(of[arm]) > 0 {
			classic = traffic.Arm(arm).String()
		}
	}
	if some && classic != "" {
		return fmt.Errorf("%s is a native histogram of one arm and a classic one of %s: buckets can be compared only if both arms have the same", l.selector, classic)
	}
	if some {
		for arm, n := range natives {
			if n == nil {
				continue
			}
			var err error
			if counts[arm].Native, err = n.seconds(l.unit); err != nil {
				return fmt.Errorf("%s %w", l.selector, err)
			}
		}
		return nil
	}
	x.Edges = l.edges
	for arm, c := range counts {
		if len(of[arm]) > 0 && len(l.edges) > 0 {
			c.Counts = l.between(of[arm])
		}
	}
	return nil
}

// between turns cumulative buckets into counts between edges.
func (l *layout) between(gains []gain) []int64 {
	up := map[float64]float64{} // by upper edge
	for _, g := range gains {
		if le, err := strconv.ParseFloat(g.le, 64); err == nil {
			up[le*l.unit] += g.by
		}
	}
	out := make([]int64, len(l.edges)+1)
	below := 0.0
	for i, e := range append(slices.Clone(l.edges), math.Inf(1)) {
		out[i] = round(max(0, up[e]-below))
		below = max(below, up[e])
	}
	return out
}

// fit sets the edges that every series has, where none are set yet, and else
// sees to it that every series has those that are. What a series has beyond them
// is no matter: the buckets of classic histograms are cumulative. Edges must be
// above least.
func (l *layout) fit(known []*counter, least float64) error {
	var have map[float64]bool
	for _, k := range known {
		own := map[float64]bool{}
		for le := range k.value {
			v, err := strconv.ParseFloat(le, 64)
			if err != nil {
				return fmt.Errorf("a bucket of %s has the edge %q, which is no number: name the series of a histogram that ends in _bucket", l.selector, le)
			}
			if v *= l.unit; v > least && !math.IsInf(v, 0) {
				own[v] = true
			}
		}
		if k.value == nil {
			continue // native, or nothing yet
		}
		for _, e := range l.edges {
			if !own[e] {
				return fmt.Errorf("%s of %s has no bucket up to %g s, which there was before: buckets can be compared only if both arms have the same", l.selector, model.LabelSet(k.labels), e)
			}
		}
		if have == nil {
			have = own
		}
		maps.DeleteFunc(have, func(e float64, _ bool) bool { return !own[e] })
	}
	if l.edges == nil && len(have) > 0 {
		l.edges = sorted(maps.Keys(have))
	}
	return nil
}

// classes counts by the classes that a label names, in the order of first
// appearance.
func (l *layout) classes(x *analysis.Measure, counts [traffic.NumArms]*analysis.Counts, of sides, label model.LabelName) {
	var up [traffic.NumArms]map[string]float64
	for arm := range of {
		up[arm] = map[string]float64{}
		for _, g := range of[arm] {
			up[arm][string(g.labels[label])] += g.by
		}
	}
	for arm := range up {
		for _, name := range sorted(maps.Keys(up[arm])) {
			l.class(name)
		}
	}
	x.Bins = slices.Clone(l.bins)
	for arm, c := range counts {
		if len(up[arm]) == 0 {
			continue
		}
		c.Counts = make([]int64, len(l.bins))
		for name, by := range up[arm] {
			i := slices.Index(l.bins, name)
			if i < 0 {
				i = len(l.bins) - 1 // telemetry.OtherClass
			}
			c.Counts[i] += round(by)
		}
	}
}

// class adds a class, unless there are too many to tell apart.
func (l *layout) class(name string) {
	switch {
	case slices.Contains(l.bins, name):
	case len(l.bins) < telemetry.DefaultMaxClasses:
		l.bins = append(l.bins, name)
	case len(l.bins) == telemetry.DefaultMaxClasses:
		l.bins = append(l.bins, telemetry.OtherClass)
	}
}

// complete finishes a measure of which all parts are in. Hits stay within trials:
// a request counted in one scrape may be known to have failed in the next.
func complete(m analysis.Metric, s Series, x analysis.Measure) (analysis.Measure, bool) {
	_, buckets := s[partBuckets]
	native := x.Stable.Native != nil || x.Canary.Native != nil
	switch {
	case buckets && len(x.Edges) == 0 && !native, (m.Kind == analysis.Drift && !buckets || s[partPredictions] != "") && len(x.Bins) == 0:
		return x, false // no arm was ever seen
	case m.Kind == analysis.Drift && buckets && native:
		return x, false
	case m.Kind == analysis.Drift && buckets:
		x.Bins, x.Ordered, x.Edges = stretches(x.Edges), true, nil
	case m.Kind == analysis.Mean && s[partSquares] == "":
		for _, c := range []*analysis.Counts{&x.Stable, &x.Canary} {
			// Σ(v−lower)(upper−v) ≥ 0 bounds the sum of squares, which is used as if
			// it were that large: evidence is then slower, and never wrong.
			c.SumSq = (m.Lower+m.Upper)*c.Sum - float64(c.N)*m.Lower*m.Upper
		}
	}
	if m.Late {
		x.Stable.N, x.Canary.N = enough(m, x.Stable), enough(m, x.Canary)
	}
	x.Stable.K, x.Canary.K = min(x.Stable.K, x.Stable.N), min(x.Canary.K, x.Canary.N)
	x.Disagree = min(x.Disagree, x.Pairs)
	if len(x.Bins) == 0 { // else labels are counted by class
		x.Stable.Groups, x.Canary.Groups = within(x.Stable.Groups, x.Stable), within(x.Canary.Groups, x.Canary)
	}
	x.Halves = within(x.Halves, x.Stable)
	for _, c := range []*analysis.Counts{&x.Stable, &x.Canary} {
		c.Values = valuesWithin(c.Values, *c)
	}
	return x, true
}

// enough is the number of values, and no fewer than it takes to make their sum
// within the bounds: one gateway counts a prediction and another what came of it,
// which may be seen a scrape earlier.
func enough(m analysis.Metric, c analysis.Counts) int64 {
	for _, bound := range []float64{m.Lower, m.Upper} {
		if least := c.Sum / bound; m.Lower < m.Upper && least > float64(c.N) && !math.IsInf(least, 0) {
			c.N = int64(math.Ceil(least))
		}
	}
	return c.N
}

// stretches names the bins between edges.
func stretches(edges []float64) []string {
	var out []string
	for _, e := range edges {
		out = append(out, "≤ "+strconv.FormatFloat(e, 'g', -1, 64))
	}
	return append(out, "> "+strconv.FormatFloat(edges[len(edges)-1], 'g', -1, 64))
}
