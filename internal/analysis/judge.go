package analysis

import "github.com/haldane-dev/haldane/internal/stats"

// judge is what each kind of metric can do with a block's counts. Its
// implementations are parts of the state: pointers into a private copy.
type judge interface {
	// check reports why a measure cannot be used, or "".
	check(m Metric, x Measure) string
	// learn takes stable's counts as history, not as evidence.
	learn(m Metric, x Measure, decay float64)
	// bet takes a block in which both arms have counts as evidence, and returns
	// the dispersion it was tempered by; 0 if there was no past to bet on and the
	// block became history instead.
	bet(m Metric, x Measure, at moment) float64
	// restage forgets the promotion evidence.
	restage()
	// summary returns evidence and estimates as they stand.
	summary(m Metric, v view) summary
}

// moment is what a bet needs to know of its block.
type moment struct {
	decay    float64 // of pasts, for the seconds the block spans
	factor   float64 // of the promotion margin
	schedule stats.Schedule
	weight   float64 // the canary's share of live traffic
	halves   []Group // of stable, if it is counted in two
	checks   float64 // false-alarm probability of each check, 0 for none
	due      int     // restart slots whose time has come
	temper   bool    // weaken evidence by dispersion
	who      who     // what part users play
	// decides is the log evidence at which this metric alone decides for a
	// rollback, if requests draw their arms one by one; else 0.
	decides float64
}

// view is how a summary is looked at.
type view struct {
	stage    Stage
	schedule stats.Schedule
	stable   float64 // trials per second
	canary   float64
	who      who
}

// summary is one metric's evidence and estimates. speed is the log promotion
// evidence gained per second if the canary is as good as stable, untempered.
type summary struct {
	rollback  float64
	promotion float64
	stable    float64
	canary    float64
	effect    Effect
	speed     float64
	phrase    string // "canary errors 2.1% against 1.0%"
	tolerated bound  // "up to 1.2%", the rollback boundary
	margin    bound  // "at most 1.4%", the promotion boundary at this stage
	note      string // about the margin, in parentheses
	held      string // why nothing may pass now, whatever was shown
	waiting   string // what has to come before there is any evidence; "" if nothing
}

// contrast is what is remembered of one yes-or-no event on both arms.
type contrast struct {
	Stable stats.Past       `json:"stable"`
	Canary stats.Past       `json:"canary"`
	Spread stats.Dispersion `json:"spread"`
}

// learn takes stable's count as history.
func (c *contrast) learn(x stats.Count, prior stats.Prior, decay float64) {
	c.observe(stats.Block{Stable: x}, prior, decay, false)
}

// canary returns the canary's rate, leaning on stable's with the weight of half a
// hit.
func (c *contrast) canary(stable float64) float64 {
	return c.Canary.Rate(stats.Prior{N: .5 / stable, K: .5})
}

// observe remembers a block and returns how its own evidence is to be tempered.
// The block's own jump is part of the estimate: under bursts that halves the
// false alarms of a φ from earlier blocks alone.
func (c *contrast) observe(x stats.Block, prior stats.Prior, decay float64, temper bool) stats.Temper {
	if c.Stable.Shifted(x.Stable, c.Spread.Phi()) {
		c.Stable, c.Canary = stats.Past{}, stats.Past{}
	}
	c.Stable.Add(stats.Count(x.Stable), decay)
	c.Canary.Add(stats.Count(x.Canary), decay)
	pB := c.Stable.Rate(prior)
	pC := c.canary(pB)
	c.Spread.Observe(
		stats.Stretch{N: x.Stable.N, Sum: x.Stable.K}, stats.Stretch{N: x.Canary.N, Sum: x.Canary.K},
		pB*(1-pB), pC*(1-pC))
	return c.temper(moment{temper: temper})
}

// temper returns how evidence is to be weakened by what is known so far.
func (c *contrast) temper(at moment) stats.Temper {
	if !at.temper {
		return stats.Temper{Phi: 1}
	}
	return c.Spread.Temper()
}

// displayed is the error probability of the intervals shown.
const displayed = .05

// span is an interval that holds at every look; it begins at its first block.
type span struct {
	stats.Sequence
}

// advance takes one block into the interval.
func (s *span) advance(bets int, stable, canary stats.Arm, t stats.Temper) {
	if !s.Started() {
		s.Sequence = stats.NewSequence(bets)
	}
	s.Advance(stable, canary, t)
}

// put writes the interval, in units of scale and within its bounds, into an effect.
func (s span) put(e *Effect, low, high, scale float64) {
	if !s.Started() {
		return
	}
	i := s.Interval(displayed, low, high)
	e.Low, e.High, e.Always = i.Low*scale, i.High*scale, true
}

func (s span) clone() span { return span{s.Clone()} }

// trial is one e-process; its components and stakes are set at the first bet.
type trial struct {
	stats.Process
}

// advance multiplies the process by a block's factors, starting it if need be.
func (t *trial) advance(factors []float64, temper stats.Temper, s stats.Schedule, due int) {
	if t.Log == nil {
		t.Process = stats.NewProcess(len(factors), s)
	}
	t.Advance(factors, temper, s, due)
}

// raise multiplies the stakes put down so far by e^f.
func (t *trial) raise(f float64) {
	if f == 0 {
		return
	}
	for i := range t.Log {
		t.Log[i] += f
	}
}

// logE returns the evidence, 0 before the first bet.
func (t trial) logE(g stats.Grid, s stats.Schedule) float64 {
	if t.Log == nil {
		return 0
	}
	return t.LogE(g.Shares, s)
}

func (t trial) clone() trial { return trial{t.Process.Clone()} }
