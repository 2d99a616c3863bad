package report

import (
	"fmt"
	"strings"

	"github.com/haldane-dev/haldane/internal/experiment"
)

// ExperimentArms returns a table of the arms of an experiment, its head first.
func ExperimentArms(x *experiment.View) [][]string {
	out := [][]string{{"arm", "version", "traffic", "counted", "goal", "over stable", "metrics"}}
	for _, a := range x.Arms {
		goal, over := "-", "-"
		if a.Mean != nil {
			goal = amount(x, *a.Mean)
		}
		if p, ok := between(x, a.Name, x.Arms[0].Name); ok {
			over = difference(x, p)
		}
		state := orElse(string(a.Verdict), "-")
		if a.Closed != "" {
			state = "closed: " + a.Closed
		}
		counted := fmt.Sprintf("%.0f", a.N)
		if a.Labelled != nil && *a.Labelled < 1 {
			counted += fmt.Sprintf(" (%.3g%%)", 100**a.Labelled)
		}
		out = append(out, []string{a.Name, a.Version, fmt.Sprintf("%.0f%%", 100*a.Share), counted, goal, over, state})
	}
	return out
}

// ExperimentPairs returns a table of the differences of each two treatments, its
// head first; nil where there is only one.
func ExperimentPairs(x *experiment.View) [][]string {
	out := [][]string{{"arm", "over", "difference"}}
	for _, p := range x.Pairs {
		if p.Over != x.Arms[0].Name {
			out = append(out, []string{p.Arm, p.Over, difference(x, p)})
		}
	}
	if len(out) == 1 {
		return nil
	}
	return out
}

// ExperimentRule says what the intervals of an experiment hold to.
func ExperimentRule(x *experiment.View) string {
	return fmt.Sprintf("All intervals hold together, however often they are looked at, with a confidence of %s; a difference of %s is worth having.",
		percent(x.Confidence), strings.TrimPrefix(change(x, x.MinEffect), "+"))
}

func between(x *experiment.View, arm, over string) (experiment.PairView, bool) {
	for _, p := range x.Pairs {
		if p.Arm == arm && p.Over == over {
			return p, true
		}
	}
	return experiment.PairView{}, false
}

func difference(x *experiment.View, p experiment.PairView) string {
	span := change(x, p.Low) + " to " + change(x, p.High)
	if p.Estimate == nil {
		return span
	}
	return fmt.Sprintf("%s (%s)", change(x, *p.Estimate), span)
}

// amount writes a value of the goal.
func amount(x *experiment.View, v float64) string {
	if x.Unit == "share" {
		return fmt.Sprintf("%.1f%%", 100*v)
	}
	return fmt.Sprintf("%.4g", v)
}

// change writes a difference of values of the goal.
func change(x *experiment.View, d float64) string {
	if x.Unit == "share" {
		return fmt.Sprintf("%+.2fpp", 100*d)
	}
	return fmt.Sprintf("%+.3g", d)
}
