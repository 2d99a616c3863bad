package analysis

import (
	"fmt"
	"math"
	"slices"

	"github.com/haldane-dev/haldane/internal/stats"
)

// What has to be known of who gets labels before labelled predictions are
// compared, and the least share of labels that is reckoned with.
const (
	labelsToBegin = 50
	classToCount  = 20
	labelsToCount = 5
	leastCoverage = .01
)

// labelState makes labels that come for some predictions and not for others
// comparable.
//
// Labels are often selective: more of the predicted frauds are looked into than of
// the rest. A version that predicts more frauds then has other predictions
// labelled than the one it is compared with, and can look better for being worse.
// So every matured prediction counts as a trial. A wrong one counts as a hit of
// c/ĉ, where ĉ is the share of predictions of its class that get labels and c a
// constant no larger; one without a label counts as none. If which predictions get
// labels depends on the predicted class alone, the sum estimates c times the wrong
// predictions, labelled or not. Whether it does is tested: within a class, both
// arms must have labels equally often.
type labelState struct {
	Bins    []string     `json:"bins"`
	Classes []labelClass `json:"classes"`
	Scale   float64      `json:"scale"` // c; 0 until enough is known
}

// labelClass is one predicted class: how often labels come, on either arm, and the
// evidence that they come more often on one of them.
type labelClass struct {
	Predicted float64  `json:"predicted"`
	Labelled  float64  `json:"labelled"`
	Contrast  contrast `json:"contrast"`
	More      trial    `json:"more"`
	Less      trial    `json:"less"`
}

func (l labelState) clone() labelState {
	l.Classes = slices.Clone(l.Classes)
	for i := range l.Classes {
		c := &l.Classes[i]
		c.More, c.Less = c.More.clone(), c.Less.clone()
	}
	return l
}

// checkLabels reports why the labels of c cannot be those of its predictions.
func checkLabels(x Measure, c Counts) string {
	if why := checkHistogram(c, len(x.Bins)); why != "" {
		return why
	}
	if len(c.Labelled) > len(c.Counts) || len(c.Wrong) > len(c.Labelled) {
		return fmt.Sprintf("%d classes predicted, %d labelled, %d wrong", len(c.Counts), len(c.Labelled), len(c.Wrong))
	}
	for i, n := range c.Labelled {
		wrong := nth(c.Wrong, i)
		if n < 0 || n > c.Counts[i] || wrong < 0 || wrong > n {
			return fmt.Sprintf("%d wrong of %d labelled of %d predictions of class %s", wrong, n, c.Counts[i], x.Bins[i])
		}
	}
	return ""
}

// labels are the predictions that a label came for, and of those the wrong ones.
func (c Counts) labels() Counts {
	out := Counts{Groups: c.Groups}
	for i, n := range c.Labelled {
		out.N += n
		out.K += nth(c.Wrong, i)
	}
	return out
}

// nth returns xs[i], 0 beyond its end.
func nth[T int64 | float64](xs []T, i int) T {
	if i < len(xs) {
		return xs[i]
	}
	return 0
}

// check reports why the classes of x are not those known.
func (l *labelState) check(x Measure) string {
	known := min(len(l.Bins), len(x.Bins))
	if !slices.Equal(l.Bins[:known], x.Bins[:known]) {
		return "the classes changed in the middle of the rollout"
	}
	return ""
}

// class returns where class i is counted; those beyond the bound share a place.
func class(i int) int { return min(i, maxEvents-1) }

// coverage is the share of predictions of a class that get labels, leaning on all
// classes' with the weight of ten predictions.
func (l *labelState) coverage(i int) float64 {
	const weight = 10
	predicted, labelled := 0.0, 0.0
	for _, c := range l.Classes {
		predicted, labelled = predicted+c.Predicted, labelled+c.Labelled
	}
	all := math.Max(labelled/math.Max(predicted, 1), leastCoverage)
	if i >= len(l.Classes) {
		return all
	}
	c := l.Classes[i]
	return math.Max((c.Labelled+weight*all)/(c.Predicted+weight), leastCoverage)
}

// ready fixes the scale once enough is known.
func (l *labelState) ready() bool {
	if l.Scale > 0 {
		return true
	}
	labelled, least := 0.0, 1.0
	for i, c := range l.Classes {
		labelled += c.Labelled
		// A class that hardly ever gets a label cannot be judged on either arm.
		if c.Predicted >= classToCount && c.Labelled >= labelsToCount {
			least = math.Min(least, l.coverage(i))
		}
	}
	if labelled < labelsToBegin {
		return false
	}
	l.Scale = least
	return true
}

// count returns the trials and weighted hits of one arm.
func (l *labelState) count(c Counts) stats.Count {
	out := stats.Count{}
	for i, n := range c.Counts {
		out.N += float64(n)
		if k := nth(c.Wrong, i); k > 0 {
			out.K += float64(k) * math.Min(1, l.Scale/l.coverage(class(i)))
		}
	}
	return out
}

// observe remembers who got labels and takes it as evidence on whether both arms
// get them alike.
func (l *labelState) observe(x Measure, m moment) {
	if n := min(len(x.Bins), maxEvents); n > len(l.Bins) {
		l.Bins = slices.Clone(x.Bins[:n])
	}
	for len(l.Classes) < min(len(x.Bins), maxEvents) {
		l.Classes = append(l.Classes, labelClass{})
	}
	var blocks [maxEvents]stats.Block
	for i := range x.Bins {
		b := &blocks[class(i)]
		b.Stable = b.Stable.Plus(stats.Count{N: float64(nth(x.Stable.Counts, i)), K: float64(nth(x.Stable.Labelled, i))})
		b.Canary = b.Canary.Plus(stats.Count{N: float64(nth(x.Canary.Counts, i)), K: float64(nth(x.Canary.Labelled, i))})
	}
	for i := range l.Classes {
		l.Classes[i].observe(blocks[i], m)
	}
}

func (c *labelClass) observe(x stats.Block, m moment) {
	past := c.Contrast.Stable.Rate(eventPrior)
	known := c.Contrast.Stable.N > 0
	var more, less [4]float64
	bet := stats.Bet{Null: stats.Equal, Side: stats.Rollback, Odds: shifts.Odds}
	bet.Factors(more[:], x, past)
	bet.Factors(less[:], x.Misses(), 1-past)
	t := c.Contrast.observe(x, eventPrior, m.decay, m.temper)
	if known && x.Stable.N > 0 && x.Canary.N > 0 {
		c.More.advance(more[:], t, stats.Once, 0)
		c.Less.advance(less[:], t, stats.Once, 0)
	}
	c.Predicted += x.Stable.N + x.Canary.N
	c.Labelled += x.Stable.K + x.Canary.K
}

// selective says how labels are found to depend on the version, "" if they are
// not. A false alarm has the given probability.
func (l *labelState) selective(level float64) string {
	worst, top := 0, math.Inf(-1)
	var all []float64
	for i, c := range l.Classes {
		e := stats.LogMean(c.More.logE(shifts, stats.Once), c.Less.logE(shifts, stats.Once))
		all = append(all, e)
		if e > top {
			worst, top = i, e
		}
	}
	if len(all) == 0 || stats.LogMean(all...) < threshold(level) {
		return ""
	}
	c := l.Classes[worst].Contrast
	return fmt.Sprintf("labels come for %s of the canary's predictions of class %s and for %s of stable's: "+
		"those that have one cannot be compared",
		percent(stats.Count(c.Canary).Share()), l.Bins[worst], percent(stats.Count(c.Stable).Share()))
}
