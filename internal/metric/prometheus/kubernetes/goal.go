package kubernetes

import (
	"time"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/experiment"
	"github.com/haldane-dev/haldane/internal/metric/prometheus"
)

// goal is the goal of an experiment as it is counted, and how old predictions are
// when what came back for them is looked at, 0 if nothing is waited for.
func goal(g v1alpha1.Goal) (analysis.Metric, prometheus.Counted, time.Duration) {
	out := analysis.Metric{Name: experiment.GoalMetric, Kind: analysis.Outcome}
	if o := g.Outcome; o != nil {
		return out, prometheus.Counted{Kind: analysis.Outcome}, o.Maturity.Duration
	}
	m := g.Mean
	out.Kind, out.Late = analysis.Mean, g.Late()
	if len(m.Bounds) == 2 {
		out.Lower, out.Upper = m.Bounds[0], m.Bounds[1]
	}
	of := m.Of
	switch {
	case m.Of == "event" && m.Missing == "unknown":
		of = "knownEvent"
	case m.Of == "feedback" && m.Missing == "zero":
		of = "allFeedback"
	}
	age := time.Duration(0)
	if m.Maturity != nil {
		age = m.Maturity.Duration
	}
	return out, prometheus.Counted{Kind: analysis.Mean, Of: of, Event: m.Event}, age
}
