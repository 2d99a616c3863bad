package analysis

import (
	"fmt"
	"math"
	"slices"

	"github.com/haldane-dev/haldane/internal/stats"
)

// maxEvents bounds the events compared, and so the state; classes or bins beyond
// it are counted together.
const maxEvents = 64

// lateShare is the part of the evidence kept for classes that are first seen
// after evidence has begun; the i-th of them gets lateShare/(i(i+1)).
const lateShare = .1

// eventPrior is what is assumed of the share of an event.
var eventPrior = stats.Prior{N: 1, K: .5}

// driftState judges how far the canary's answers are distributed from stable's.
//
// The distribution is taken apart into events: for ordered bins "at most bin i",
// whose largest difference is the Kolmogorov–Smirnov distance; for classes
// without order "class i", whose largest difference is the greatest change of any
// one class's share. For each event both p_C ≤ p_B + τ and, through the
// complement, p_C ≥ p_B − τ are tested. If the distance is at most τ all of these
// hold at once, each is an e-process, and so is their average, whatever the
// dependence between events of one block. Conversely a distance of at least τ
// makes at least one of them false, so the smallest promotion evidence over all
// of them is valid evidence that the distance is under τ.
type driftState struct {
	Bins    []string     `json:"bins"`
	Ordered bool         `json:"ordered,omitempty"`
	Initial int          `json:"initial,omitempty"` // events known when evidence began
	Events  []eventState `json:"events,omitempty"`
	Any     *anyState    `json:"any,omitempty"` // where no change is tolerated
}

// anyState is evidence for any change of the distribution at all, the sequential
// chi-square. It finds changes spread over many events sooner than these do one by
// one, but cannot tell small changes from large ones; so it counts where none is
// tolerated.
type anyState struct {
	Past     stats.Multinomial `json:"past"`
	Rollback trial             `json:"rollback"`
}

func (a anyState) clone() anyState {
	a.Past, a.Rollback = a.Past.Clone(), a.Rollback.clone()
	return a
}

// bet takes one block of answers by bin as evidence.
func (a *anyState) bet(x Measure, phi float64, at moment) {
	stable, canary := floats(x.Stable.Counts), floats(x.Canary.Counts)
	f := []float64{a.Past.Factor(stable, canary)}
	a.Past.Observe(stable, canary, at.decay)
	a.Rollback.advance(f, stats.Temper{Phi: math.Max(1, phi)}, at.schedule, at.due)
}

// strict reports whether no change of the answers is tolerated at all.
func (m Metric) strict() bool { return m.Tolerate*m.Max == 0 }

// floats converts counts, those beyond the bound of events in one.
func floats(counts []int64) []float64 {
	out := make([]float64, min(len(counts), maxEvents))
	for i, n := range counts {
		out[class(i)] += float64(n)
	}
	return out
}

// eventState is one event, tested in both directions.
type eventState struct {
	Contrast contrast `json:"contrast"`
	More     trial    `json:"more"`    // the canary has it more often than tolerated
	Less     trial    `json:"less"`    // or less often
	NotMore  trial    `json:"notMore"` // it does not have it more often than the margin
	NotLess  trial    `json:"notLess"` // nor less often
	Range    span     `json:"range,omitzero"`
	Started  bool     `json:"started,omitempty"`
}

func (d driftState) clone() driftState {
	d.Any = cloned(d.Any, anyState.clone)
	d.Events = slices.Clone(d.Events)
	for i := range d.Events {
		e := &d.Events[i]
		e.More, e.Less = e.More.clone(), e.Less.clone()
		e.NotMore, e.NotLess, e.Range = e.NotMore.clone(), e.NotLess.clone(), e.Range.clone()
	}
	return d
}

func (d *driftState) check(_ Metric, x Measure) string {
	if len(d.Bins) > 0 {
		known := min(len(d.Bins), len(x.Bins))
		if d.Ordered != x.Ordered || !slices.Equal(d.Bins[:known], x.Bins[:known]) ||
			d.Ordered && len(d.Bins) != len(x.Bins) {
			return "the classes or score bins changed in the middle of the rollout"
		}
	}
	return checkBoth(x, func(c Counts) string { return checkHistogram(c, len(x.Bins)) })
}

// grow makes room for bins not seen before.
func (d *driftState) grow(x Measure) {
	if len(d.Bins) == 0 {
		d.Ordered = x.Ordered
	}
	// Bins beyond the cap are counted together, so their names need not be kept.
	if n := min(len(x.Bins), maxEvents+1); n > len(d.Bins) {
		d.Bins = slices.Clone(x.Bins[:n])
	}
	events := min(len(d.Bins), maxEvents)
	if d.Ordered {
		events = min(len(d.Bins)-1, maxEvents)
	}
	for len(d.Events) < events {
		d.Events = append(d.Events, eventState{})
	}
}

// event returns how often event i happened among c.
func (d *driftState) event(i int, c Counts) stats.Count {
	out := stats.Count{N: float64(c.trials())}
	for j, n := range c.Counts {
		in := j == i || i == maxEvents-1 && j > i
		if d.Ordered {
			in = j <= i
		}
		if in {
			out.K += float64(n)
		}
	}
	return out
}

func (d *driftState) learn(m Metric, x Measure, decay float64) {
	d.grow(x)
	if m.strict() {
		lazily(&d.Any).Past.Observe(floats(x.Stable.Counts), nil, decay)
	}
	for i := range d.Events {
		d.Events[i].Contrast.learn(d.event(i, x.Stable), eventPrior, decay)
	}
}

func (d *driftState) bet(m Metric, x Measure, at moment) float64 {
	d.grow(x)
	if m.strict() {
		phi := 1.0
		for i := range d.Events {
			phi = math.Max(phi, d.Events[i].Contrast.temper(at).Phi)
		}
		lazily(&d.Any).bet(x, phi, at)
	}
	phi := 0.0
	for i := range d.Events {
		e := &d.Events[i]
		block := stats.Block{Stable: d.event(i, x.Stable), Canary: d.event(i, x.Canary)}
		if !e.known(d.Initial > 0) {
			// Its first block only teaches: there is no past to bet on, and the block
			// itself is what brought the event to attention.
			e.Contrast.observe(block, eventPrior, at.decay, at.temper)
			continue
		}
		e.Started = true
		phi = max(phi, e.bet(m, block, at))
	}
	if d.Initial == 0 && slices.ContainsFunc(d.Events, func(e eventState) bool { return e.Started }) {
		d.Initial = len(d.Events)
	}
	return phi
}

// known reports whether there is a past to bet on.
func (e *eventState) known(running bool) bool {
	if running && !e.Started {
		return e.Contrast.Stable.K+e.Contrast.Canary.K > 0
	}
	return e.Contrast.Stable.N > 0
}

// bet takes one block as evidence in both directions and on both sides.
func (e *eventState) bet(m Metric, x stats.Block, at moment) float64 {
	roll := stats.Bet{Null: stats.Null{Ratio: 1, Shift: m.Tolerate * m.Max}, Side: stats.Rollback, Odds: shifts.Odds}
	pass := stats.Bet{Null: stats.Null{Ratio: 1, Shift: at.factor * m.Max}, Side: stats.Promotion}
	past := e.Contrast.Stable.Rate(eventPrior)
	both := stats.Pooled(e.Contrast.Stable, e.Contrast.Canary, eventPrior)
	var more, less [4]float64
	var notMore, notLess [1]float64
	roll.Factors(more[:], x, past)
	roll.Factors(less[:], x.Misses(), 1-past)
	pass.Factors(notMore[:], x, both)
	pass.Factors(notLess[:], x.Misses(), 1-both)
	canary := e.Contrast.canary(past)
	t := e.Contrast.observe(x, eventPrior, at.decay, at.temper)
	e.Range.advance(stats.Coarse, stats.Share(x.Stable, past), stats.Share(x.Canary, canary), t)
	e.More.advance(more[:], t, at.schedule, at.due)
	e.Less.advance(less[:], t, at.schedule, at.due)
	e.NotMore.advance(notMore[:], t.ForPromotion(), stats.Once, 0)
	e.NotLess.advance(notLess[:], t.ForPromotion(), stats.Once, 0)
	return t.Phi
}

func (d *driftState) restage() {
	for i := range d.Events {
		d.Events[i].NotMore, d.Events[i].NotLess = trial{}, trial{}
	}
}

// share returns the part of the evidence staked on event i. Classes without order
// may turn up late, so some is kept for them; what is never used stays 1.
func (d *driftState) share(i int) float64 {
	switch {
	case d.Ordered:
		return 1 / float64(d.Initial)
	case i < d.Initial:
		return (1 - lateShare) / float64(d.Initial)
	default:
		late := float64(i - d.Initial + 1)
		return lateShare / (late * (late + 1))
	}
}

// evidence returns the average rollback evidence, the least promotion evidence,
// and the event whose share moved most.
func (d *driftState) evidence(s stats.Schedule) (roll, pass float64, worst int) {
	if d.Initial == 0 {
		return 0, 0, 0
	}
	sum, used, top := stats.Log(0), 0.0, -1.0
	pass = math.Inf(1)
	for i := range d.Events {
		e := &d.Events[i]
		w := d.share(i)
		used += w
		both := stats.LogMean(e.More.logE(shifts, s), e.Less.logE(shifts, s))
		sum = stats.LogAdd(sum, math.Log(w)+both)
		pass = min(pass, e.NotMore.logE(passing, stats.Once), e.NotLess.logE(passing, stats.Once))
		if moved := math.Abs(e.moved()); moved > top {
			top, worst = moved, i
		}
	}
	roll = stats.LogAdd(sum, stats.Log(1-used))
	if d.Any != nil {
		roll = stats.LogMean(roll, d.Any.Rollback.logE(passing, s))
	}
	return roll, pass, worst
}

// moved is the difference of the event's share lately.
func (e *eventState) moved() float64 {
	if e.Contrast.Canary.N <= 0 || e.Contrast.Stable.N <= 0 {
		return 0
	}
	return e.Contrast.Canary.K/e.Contrast.Canary.N - e.Contrast.Stable.K/e.Contrast.Stable.N
}

func (d *driftState) summary(m Metric, v view) summary {
	out := summary{
		effect:    Effect{Unit: "share", Margin: m.Max},
		phrase:    "answers not compared yet",
		tolerated: bound{"a change up to ", m.Tolerate * m.Max, points},
		margin:    bound{"a change of at most ", v.stage.factor() * m.Max, points},
	}
	if d.Initial == 0 {
		out.waiting = "a first block of answers"
		return out
	}
	var worst int
	out.rollback, out.promotion, worst = d.evidence(v.schedule)
	e := &d.Events[worst]
	block := stats.Block{Stable: stats.Count(e.Contrast.Stable), Canary: stats.Count(e.Contrast.Canary)}
	out.stable, out.canary = block.Stable.Share(), block.Canary.Share()
	out.effect.Estimate = out.canary - out.stable
	d.put(&out.effect, worst)
	out.phrase = fmt.Sprintf("canary answers %s %s against %s", d.label(worst), percent(out.canary), percent(out.stable))
	pass := stats.Bet{Null: stats.Null{Ratio: 1, Shift: v.stage.factor() * m.Max}, Side: stats.Promotion}
	p := e.Contrast.Stable.Rate(eventPrior)
	out.speed = min(pass.Growth(stats.Rates{Stable: p, Canary: p}, v.stable, v.canary),
		pass.Growth(stats.Rates{Stable: 1 - p, Canary: 1 - p}, v.stable, v.canary))
	return out
}

// put writes the interval of one event into an effect. The event was chosen for
// having moved most, so each of them has to be as sure as if it were.
func (d *driftState) put(e *Effect, event int) {
	if r := d.Events[event].Range; r.Started() {
		i := r.Interval(displayed*d.share(event), -1, 1)
		e.Low, e.High, e.Always = i.Low, i.High, true
	}
}

// label names an event for a person.
func (d *driftState) label(i int) string {
	name := d.Bins[i]
	switch {
	case d.Ordered:
		return "up to bin " + name
	case i == maxEvents-1 && len(d.Bins) > maxEvents:
		return "other classes"
	}
	return "class " + name
}
