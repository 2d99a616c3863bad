package prometheus

import (
	"fmt"
	"slices"
	"strings"

	"github.com/haldane-dev/haldane/internal/analysis"
)

// Series are the selectors of raw counters that one metric is counted from, by
// part and without what tells the arms apart.
type Series map[string]string

// The parts that a metric is counted from.
const (
	partTotal   = "total"   // trials, or values
	partBad     = "bad"     // hits
	partBadToo  = "badToo"  // more hits, that one selector cannot name as well
	partGroups  = "groups"  // trials by the labels group of users and result
	partHalves  = "halves"  // stable's trials by the labels half and result
	partBuckets = "buckets" // of a histogram
	partClasses = "classes" // a counter with the label class
	// Predictions that are old enough, by the label predicted, and their labels by
	// the labels predicted and result.
	partPredictions = "predictions"
	partLabels      = "labels"
	// The same by the label group too, where users stay on their arm.
	partGroupPredictions = "groupPredictions"
	partGroupLabels      = "groupLabels"
	partGroupTotal       = "groupTotal" // values by the label group, their sum, and that of their squares
	partGroupSum         = "groupSum"
	partGroupSquares     = "groupSquares"

	partSum        = "sum"        // of values
	partSquares    = "squares"    // sum of squares of values
	partPairs      = "pairs"      // mirrored requests that can be compared
	partDisagree   = "disagree"   // those with different answers
	partCanaryOnly = "canaryOnly" // pairs in which the canary alone failed
	partStableOnly = "stableOnly" // pairs in which stable alone failed
	partAssigned   = "assigned"   // random decisions with the label weight
)

// need is one way to count a kind of metric.
type need struct{ must, may []string }

// needs returns the ways to count a kind of metric, the usual one first.
func needs(k analysis.Kind) []need {
	switch k {
	case analysis.Latency:
		return []need{{must: []string{partBuckets}}}
	case analysis.Drift:
		return []need{{must: []string{partClasses}}, {must: []string{partBuckets}}}
	case analysis.Mean:
		return []need{{must: []string{partTotal, partSum}, may: []string{partSquares, partGroupTotal, partGroupSum, partGroupSquares}}}
	case analysis.Outcome:
		return []need{{must: []string{partTotal, partBad}, may: []string{partBadToo}}, {must: []string{partPredictions, partLabels}, may: []string{partGroupPredictions, partGroupLabels}}}
	case analysis.Pairs:
		return []need{{must: []string{partPairs, partDisagree}, may: []string{partCanaryOnly, partStableOnly}}}
	}
	return []need{{must: []string{partTotal, partBad}, may: []string{partBadToo, partGroups, partHalves}}} // ErrorRate
}

// parts lists the parts of a metric of a kind that these series have, in the order
// in which they are counted.
func (s Series) parts(k analysis.Kind) []string {
	var out []string
	for _, n := range needs(k) {
		for _, p := range slices.Concat(n.must, n.may) {
			if s[p] != "" {
				out = append(out, p)
			}
		}
	}
	return out
}

// complete checks that every part that a metric needs is known, and no other.
func (s Series) complete(m analysis.Metric) error {
	ways := needs(m.Kind)
	want := ways[0]
	for _, n := range ways[1:] {
		if s[n.must[0]] != "" && s[want.must[0]] == "" {
			want = n
		}
	}
	text := strings.Join(want.must, ", ")
	for _, p := range want.must {
		if s[p] == "" {
			return fmt.Errorf("metric %s: which series count its %s? A metric of kind %s needs the parts %s", m.Name, p, m.Kind, text)
		}
	}
	for p := range s {
		if s[p] != "" && !slices.Contains(want.must, p) && !slices.Contains(want.may, p) {
			return fmt.Errorf("metric %s: %q is no part of a metric of kind %s: write %s", m.Name, p, m.Kind, text)
		}
	}
	if m.Kind == analysis.Mean && s[partSquares] == "" && m.Upper <= m.Lower {
		return fmt.Errorf("metric %s: without the sum of squares its bounds must be known: write bounds, or the part squares", m.Name)
	}
	return nil
}

// with adds label matchers to a selector. Whether the result is a selector is for
// the server to say.
func with(selector string, matchers ...string) string {
	matchers = slices.DeleteFunc(slices.Clone(matchers), func(m string) bool { return m == "" })
	if len(matchers) == 0 {
		return selector
	}
	add := strings.Join(matchers, ",")
	head, ok := strings.CutSuffix(strings.TrimSpace(selector), "}")
	switch {
	case !ok:
		return selector + "{" + add + "}"
	case strings.HasSuffix(strings.TrimSpace(head), "{"), strings.HasSuffix(strings.TrimSpace(head), ","):
		return head + add + "}"
	}
	return head + "," + add + "}"
}

// eitherForm makes a selector of classic buckets find the native histogram too,
// which has the name without _bucket.
func eitherForm(selector string) string {
	name, rest, labelled := strings.Cut(strings.TrimSpace(selector), "{")
	base, ok := strings.CutSuffix(strings.TrimSpace(name), "_bucket")
	if !ok || base == "" {
		return selector
	}
	out := fmt.Sprintf("{__name__=~%q", base+"|"+base+"_bucket")
	if labelled && strings.TrimSpace(rest) != "}" {
		return out + "," + rest
	}
	return out + "}"
}

// unit returns the seconds of one unit of the latencies that a selector names.
func unit(selector string) float64 {
	name, _, _ := strings.Cut(selector, "{")
	switch name = strings.TrimSuffix(strings.TrimSpace(name), "_bucket"); {
	case strings.HasSuffix(name, "_milliseconds"), strings.HasSuffix(name, "_ms"):
		return 1e-3
	case strings.HasSuffix(name, "_microseconds"), strings.HasSuffix(name, "_us"):
		return 1e-6
	}
	return 1
}
