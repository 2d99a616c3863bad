package plan

import (
	"fmt"
	"math"
	"slices"

	"github.com/haldane-dev/haldane/internal/experiment"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// enoughPower is how probable it should be that an arm which is better by what is
// worth having wins in time: below it there is a warning, below refused the
// experiment is.
const enoughPower = .8

// advise says whether what is worth having is found within MaxDuration and, if not,
// which knobs would help.
func (r *Experiment) advise() {
	t := r.trial
	if t.sticky {
		r.Warnings = append(r.Warnings, usersWhoStay)
	}
	if t.c.Thompson && len(r.Unforeseen) > 0 {
		r.Warnings = append(r.Warnings, "weights follow the evidence once every treatment has passed the metrics, of which some are not foretold: when that is hangs on the others here")
	}
	wins := t.simulate(t.better(r.MinEffect), t.full()).wins()
	if wins >= enoughPower {
		return
	}
	text := fmt.Sprintf("an arm that is better than each other one by %s (minEffect) wins within %s (maxDuration) with a probability of %s",
		t.amount(r.MinEffect), span(r.MaxDuration), percent(wins))
	if r.Four.Size != "" {
		text += fmt.Sprintf(": it has to be better by %s to win with 80%%", r.Four.Size)
	} else {
		text += ", and however much better it is, it does not win with 80%"
	}
	knobs := r.knobs()
	if wins >= refused {
		for _, k := range knobs {
			text += "; or " + k
		}
		r.Warnings = append(r.Warnings, text)
		return
	}
	r.Problems = append(r.Problems, Problem{Metric: experiment.GoalMetric, Message: text, Knobs: knobs})
}

// knobs lists what would each by itself make it probable that what is worth having
// is found in time.
func (r *Experiment) knobs() []string {
	var out []string
	t := r.trial
	longer := *t
	longer.horizon *= 100 // far beyond what anybody waits for
	s := longer.simulate(longer.better(r.MinEffect), t.quick())
	if n := int(math.Ceil(enoughPower * float64(s.runs))); len(s.won) > n {
		out = append(out, "write maxDuration: "+roundUp(s.won[n]*1.1))
	}
	if r.Four.Size != "" {
		out = append(out, "look for more: minEffect: "+roundEffect(r.Four.Value))
	}
	c := t.c
	for n := len(c.Arms) - 1; n >= 2; n-- {
		if r.enough(c.Arms[:n]) {
			out = append(out, fmt.Sprintf("compare %d arms, with equal weights", n))
			break
		}
	}
	if slices.ContainsFunc(c.Arms, func(a experiment.Arm) bool { return a.Weight != c.Arms[0].Weight }) && r.enough(c.Arms) {
		out = append(out, "leave the weights out, so that they are equal")
	}
	return out
}

// enough reports whether it would do to compare these arms with equal weights.
func (r *Experiment) enough(arms []experiment.Arm) bool {
	c := r.trial.c
	c.Arms = slices.Clone(arms)
	for arm := range c.Arms {
		c.Arms[arm].Weight = traffic.NumSlots / len(arms)
		if arm < traffic.NumSlots%len(arms) {
			c.Arms[arm].Weight++
		}
	}
	p := r.plan
	p.Experiment = &c
	t, err := newTrial(p, r.base)
	if err != nil {
		return false
	}
	t.safe = r.trial.safe
	return t.simulate(t.better(r.MinEffect), t.quick()).wins() >= enoughPower
}

// roundEffect writes a number that is a little larger, with two digits.
func roundEffect(x float64) string {
	unit := math.Pow(10, math.Floor(math.Log10(x))-1)
	return number(math.Ceil(1.05*x/unit)*unit, 2)
}

// Refusals are the problems for a person, each with what would help on lines of
// its own.
func (r *Report) Refusals() []string { return refusals(r.Problems, true) }

// Refusals are the problems for a person, each with what would help on lines of
// its own.
func (r *Experiment) Refusals() []string { return refusals(r.Problems, false) }

func refusals(problems []Problem, steps bool) []string {
	var out []string
	for _, p := range problems {
		text := p.Message
		if steps {
			text = fmt.Sprintf("step %d: %s", p.Step+1, text)
		}
		for _, k := range p.Knobs {
			text += "\n  " + k
		}
		out = append(out, text)
	}
	return out
}
