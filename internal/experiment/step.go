package experiment

import (
	"slices"
	"strings"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/stats"
)

// Begin returns the state before the first block.
func Begin(c Config) State {
	n := len(c.Arms)
	s := State{Arms: make([]ArmState, n), Pairs: make([]PairState, n*(n-1)/2), Slots: c.Slots()}
	for i := range s.Pairs {
		s.Pairs[i].Sequence = stats.NewSequence(stats.Coarse)
	}
	return s
}

// clone returns a copy that shares nothing that Step changes.
func (s State) clone() State {
	s.Arms, s.Pairs = slices.Clone(s.Arms), slices.Clone(s.Pairs)
	for i := range s.Arms {
		s.Arms[i].Users = s.Arms[i].Users.Clone()
	}
	for i := range s.Pairs {
		p := &s.Pairs[i]
		p.Sequence = p.Sequence.Clone()
		if p.Labels != nil {
			p.Labels = p.Labels.clone()
		}
	}
	return s
}

// Step takes one block into the evidence. rules judge each treatment against the
// control, and canary is what they said of the canary after this block. A block
// that was taken in before changes nothing.
func Step(c Config, rules analysis.Config, s State, x analysis.Sample, canary analysis.Verdict) State {
	if len(s.Arms) != len(c.Arms) {
		s = Begin(c)
	}
	if x.Block <= s.LastBlock {
		return s
	}
	s = s.clone()
	s.LastBlock = x.Block
	s.guard(c, rules, x, canary)
	warm := s.warm(c.Goal, x)
	if s.Untrusted = c.untrusted(x); s.Untrusted == "" && warm && x.Stage.Index >= 0 {
		s.compare(c, rules.Dispersion, x)
	}
	s.allocate(c, x.End)
	return s
}

// warm reports whether a block's values are evidence: the arms have had traffic for
// long enough. What the control did before, while it was alone, is none.
func (s *State) warm(g Goal, x analysis.Sample) bool {
	if g.After <= 0 {
		return treated(g, x)
	}
	if s.First.IsZero() && x.Weight > 0 {
		s.First = x.Start
	}
	return !s.First.IsZero() && !x.Start.Before(s.First.Add(g.After))
}

// treated reports whether any treatment had traffic in a block, or has values of it.
func treated(g Goal, x analysis.Sample) bool {
	for arm := 1; arm < 2+len(x.Variants); arm++ {
		if counts, ok := goalOf(x, arm); ok && g.values(counts).N > 0 {
			return true
		}
	}
	return x.Weight > 0 || slices.ContainsFunc(x.Variants, func(v analysis.Variant) bool { return v.Weight > 0 })
}

// guard judges every open treatment by the ordinary metrics.
func (s *State) guard(c Config, rules analysis.Config, x analysis.Sample, canary analysis.Verdict) {
	for arm := 1; arm < len(c.Arms); arm++ {
		a := &s.Arms[arm]
		if a.Closed != "" {
			continue
		}
		v := canary
		if i := arm - 2; i >= 0 {
			if i >= len(x.Variants) {
				continue
			}
			var before analysis.State
			if a.Safety != nil {
				before = *a.Safety
			}
			after, verdict := analysis.Step(rules, before, x.Pair(i))
			// The analysis knows two arms, and calls the treatment the canary.
			verdict.Reason = strings.ReplaceAll(verdict.Reason, "canary", c.Arms[arm].Name)
			a.Safety, v = &after, verdict
		}
		a.Verdict = v
		switch v.Decision {
		case analysis.Fail:
			s.close(arm, v.Reason)
		case analysis.Pass:
			a.Safe = true
		}
	}
}

// Close returns s with an arm closed: its traffic goes to the control for good.
// An arm that is closed already stays closed for the reason it was.
func Close(c Config, s State, arm int, why string) State {
	if len(s.Arms) != len(c.Arms) {
		s = Begin(c)
	}
	if s.Arms[arm].Closed != "" {
		return s
	}
	s = s.clone()
	s.close(arm, why)
	return s
}

func (s *State) close(arm int, why string) {
	if why == "" {
		why = "failed"
	}
	s.Arms[arm].Closed = why
	s.Slots = strings.ReplaceAll(s.Slots, digit(arm), digit(0))
}

// compare takes the goal's values into the evidence on every pair.
func (s *State) compare(c Config, temper bool, x analysis.Sample) {
	values := make([]stats.Moments, len(c.Arms))
	labels := make([]stats.Count, len(c.Arms))
	for arm := range values {
		counts, ok := goalOf(x, arm)
		if !ok {
			continue
		}
		values[arm] = c.Goal.values(counts)
		labels[arm] = stats.Count{N: predictions(counts), K: values[arm].N}
		s.Arms[arm].Predicted += labels[arm].N
		s.Arms[arm].gather(c.Goal, counts)
	}
	for j := 1; j < len(values); j++ {
		for i := range j {
			p := &s.Pairs[pair(i, j)]
			p.take(c.Goal, [2]stats.Moments{values[i], values[j]}, [2]stats.Moments{s.Arms[i].Past, s.Arms[j].Past}, temper)
			p.cover(labels[i], labels[j])
		}
	}
	decay := stats.Decay(x.End.Sub(x.Start).Seconds())
	for arm, v := range values {
		a := &s.Arms[arm]
		a.Total = a.Total.Plus(v)
		a.Past = a.Past.Times(decay).Plus(v)
	}
}

// take bets on the values of two arms. past is what earlier blocks hold, and so
// all that the bet is based on.
func (p *PairState) take(g Goal, x, past [2]stats.Moments, temper bool) {
	for k := range x {
		x[k] = p.Waiting[k].Plus(x[k])
	}
	if x[0].N <= 0 || x[1].N <= 0 {
		p.Waiting = x
		return
	}
	p.Waiting = [2]stats.Moments{}
	p.Spread.Observe(
		stats.Stretch{N: x[0].N, Sum: x[0].Sum}, stats.Stretch{N: x[1].N, Sum: x[1].Sum},
		past[0].Variance(), past[1].Variance())
	t := stats.Temper{Phi: 1}
	if temper {
		t = p.Spread.Temper()
	}
	p.Sequence.Advance(g.arm(x[0], past[0]), g.arm(x[1], past[1]), t)
}

// arm is a block of one arm as a sequence takes it.
func (g Goal) arm(x, past stats.Moments) stats.Arm {
	if g.share() {
		rate := (past.Sum + .5) / (past.N + 1)
		return stats.Share(stats.Count{N: x.N, K: x.Sum}, rate)
	}
	return stats.Values(x, past)
}

// values are the goal's, mapped onto [0,1].
func (g Goal) values(c analysis.Counts) stats.Moments {
	if g.Kind == analysis.Outcome {
		n, wrong := c.N, c.K
		if n == 0 { // some sources count labels by predicted class alone
			for i := range c.Labelled {
				n += c.Labelled[i]
			}
			for _, k := range c.Wrong {
				wrong += k
			}
		}
		right := float64(n - wrong)
		return stats.Moments{N: float64(n), Sum: right, SumSq: right}
	}
	return stats.Moments{N: float64(c.N), Sum: c.Sum, SumSq: c.SumSq}.Unit(g.Lower, g.Upper)
}

// predictions are those of which some brought a label, 0 if that is not counted.
func predictions(c analysis.Counts) float64 {
	n := int64(0)
	for _, k := range c.Counts {
		n += k
	}
	return float64(n)
}

// goalOf returns what a sample holds of the goal for one arm.
func goalOf(x analysis.Sample, arm int) (analysis.Counts, bool) {
	switch i := arm - 2; {
	case i < 0:
		m, ok := x.Metrics[GoalMetric]
		if arm == 0 {
			return m.Stable, ok
		}
		return m.Canary, ok
	case i < len(x.Variants):
		m, ok := x.Variants[i].Metrics[GoalMetric]
		return m.Canary, ok
	}
	return analysis.Counts{}, false
}

// due reports whether the evidence may have a say in the weights again.
func (s *State) due(c Config, now time.Time) bool {
	return s.Allocated.IsZero() || !now.Before(s.Allocated.Add(c.Every))
}
