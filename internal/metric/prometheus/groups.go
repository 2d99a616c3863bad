package prometheus

import (
	"strconv"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/stats"
	"github.com/haldane-dev/haldane/internal/telemetry"
)

// addGroups puts one arm's gains of what came back, by group of users, into its
// counts. Of several gateways one counts a prediction and another its label, so
// that only the sums are right.
func (l *layout) addGroups(c *analysis.Counts, part string, gains []gain) {
	for _, g := range gains {
		i, err := strconv.Atoi(string(g.labels["group"]))
		if err != nil || i < 0 || i >= telemetry.Groups {
			continue
		}
		switch part {
		case partGroupPredictions, partGroupLabels:
			if c.Groups == nil {
				c.Groups = make([]analysis.Group, telemetry.Groups)
			}
			l.addJudged(&c.Groups[i], part, g)
			continue
		}
		if c.Values == nil {
			c.Values = make([]stats.Moments, telemetry.Groups)
		}
		switch v := &c.Values[i]; part {
		case partGroupTotal:
			v.N += g.by
		case partGroupSum:
			v.Sum += g.by
		case partGroupSquares:
			v.SumSq += g.by
		}
	}
}

// addJudged counts predictions or labels of one group, by what a missing label
// means: nothing, or that what a positive prediction says did not happen.
func (l *layout) addJudged(to *analysis.Group, part string, g gain) {
	n, positive := round(g.by), g.labels[labelPredicted] == positiveClass
	wrong := part == partGroupLabels && g.labels[labelResult] == wrongResult
	switch {
	case !l.negative && part == partGroupLabels:
		to.N += n
	case l.negative && part == partGroupPredictions:
		to.N += n
		wrong = positive
	case l.negative && positive: // a label came after all
		to.K -= n
	}
	if wrong {
		to.K += n
	}
}

// judgedWithin is groups of predictions as they can be: a label may be seen a
// scrape before its prediction. Groups that hold more than all are left out.
func judgedWithin(groups []analysis.Group, of analysis.Counts) []analysis.Group {
	for i := range groups {
		groups[i].K = min(max(groups[i].K, 0), groups[i].N)
	}
	return within(groups, of)
}

// valuesWithin is groups, nil if they hold more values than all.
func valuesWithin(groups []stats.Moments, c analysis.Counts) []stats.Moments {
	n := 0.0
	for i := range groups {
		n += groups[i].N
		if groups[i].N <= 0 {
			groups[i] = stats.Moments{} // of values that are seen a scrape before their number
		}
	}
	if n > float64(c.N) {
		return nil
	}
	return groups
}
