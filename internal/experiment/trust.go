package experiment

import (
	"strings"

	"github.com/haldane-dev/haldane/internal/analysis"
)

// metric is the goal as the analysis has metrics.
func (g Goal) metric() analysis.Metric {
	return analysis.Metric{Name: GoalMetric, Kind: g.Kind, Lower: g.Lower, Upper: g.Upper}
}

// untrusted says why a block's counts of the goal cannot be those of predictions,
// "" if they can. The intervals hold for values within their bounds alone.
func (c Config) untrusted(x analysis.Sample) string {
	for arm := 1; arm < len(c.Arms); arm++ {
		of := x.Metrics
		if i := arm - 2; i >= 0 {
			if i >= len(x.Variants) {
				continue
			}
			of = x.Variants[i].Metrics
		}
		m, counted := of[GoalMetric]
		if !counted {
			continue
		}
		if why := c.Goal.metric().Check(m); why != "" {
			// The analysis knows two arms.
			why = strings.Replace(why, "stable: ", c.Arms[0].Name+": ", 1)
			why = strings.Replace(why, "canary: ", c.Arms[arm].Name+": ", 1)
			return "what is counted of the goal cannot be, and is left out: " + why
		}
	}
	return ""
}
