package prometheus

import (
	"maps"
	"slices"

	"github.com/prometheus/common/model"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// By these a counter of labels tells what was predicted, and whether that was
// right. Predicted classes are told apart by how they read: of other than positive
// ones a missing label may be an answer.
const (
	labelPredicted = model.LabelName("predicted")
	labelResult    = model.LabelName("result")
	wrongResult    = "wrong"
	positiveClass  = "positive"
)

// owed are labels of one arm and predicted class that came before the predictions
// they are of: of several gateways one counts a prediction and another its label,
// and a block may end between their scrapes. They wait for the block with the
// predictions, since counting more predictions than there were would make a small
// arm look better.
type owed struct {
	Labels int64 `json:"labels"`
	Wrong  int64 `json:"wrong"`
}

// arrears are labels owed, by arm and predicted class.
type arrears [traffic.NumArms]map[string]owed

// labels counts labels by the classes of the predictions, which are in x already.
func (l *layout) labels(x *analysis.Measure, counts [traffic.NumArms]*analysis.Counts, of sides) {
	for arm, c := range counts {
		waiting := map[string]owed{}
		maps.Copy(waiting, l.owed[arm])
		for _, g := range of[arm] {
			o := waiting[string(g.labels[labelPredicted])]
			o.Labels += round(g.by)
			if g.labels[labelResult] == wrongResult {
				o.Wrong += round(g.by)
			}
			waiting[string(g.labels[labelPredicted])] = o
		}
		if len(c.Counts) > 0 {
			c.Labelled, c.Wrong = make([]int64, len(x.Bins)), make([]int64, len(x.Bins))
		}
		for class, o := range waiting {
			if i := slices.Index(x.Bins, class); i >= 0 && len(c.Counts) > 0 {
				c.Labelled[i], c.Wrong[i] = o.pay(c.Counts[i])
				o.Labels, o.Wrong = o.Labels-c.Labelled[i], o.Wrong-c.Wrong[i]
			}
			if waiting[class] = o; o.Labels == 0 {
				delete(waiting, class)
			}
		}
		l.owed[arm] = waiting
	}
}

// pay returns how many labels n predictions have, and how many of them are wrong:
// of too many labels as large a share as of all.
func (o owed) pay(n int64) (labels, wrong int64) {
	if o.Labels <= n {
		return o.Labels, o.Wrong
	}
	return n, round(float64(o.Wrong) * float64(n) / float64(o.Labels))
}

// labelled are the labels of counts by class.
func labelled(c analysis.Counts) (out analysis.Counts) {
	for i, n := range c.Labelled {
		out.N, out.K = out.N+n, out.K+c.Wrong[i]
	}
	return out
}

// missingIsNegative counts labels as of a metric for which a prediction without one
// was of something that did not happen: wrong if the prediction said it would.
func missingIsNegative(x analysis.Measure) analysis.Measure {
	count := func(c analysis.Counts) (out analysis.Counts) {
		for i, n := range c.Counts {
			out.N += n
			if i < len(c.Labelled) {
				out.K += c.Wrong[i]
				n -= c.Labelled[i]
			}
			if x.Bins[i] == positiveClass {
				out.K += n
			}
		}
		out.Groups = judgedWithin(c.Groups, out)
		return out
	}
	return analysis.Measure{Stable: count(x.Stable), Canary: count(x.Canary)}
}
