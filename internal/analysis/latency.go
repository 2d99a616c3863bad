package analysis

import (
	"math"
	"slices"

	"github.com/haldane-dev/haldane/internal/stats"
)

// tailToName is how many of stable's values must lie on the thinner side of a
// quantile before it is named.
const tailToName = 5

// latencyState judges how long answers take, by counting on each arm how many
// took longer than a fixed edge.
type latencyState struct {
	Edges  []float64     `json:"edges"`
	Schema *int          `json:"schema,omitempty"` // of exponential histograms
	Stable []float64     `json:"stable"`           // counts per bucket, discounted by age
	Canary []float64     `json:"canary"`
	Slower []slowerState `json:"slower,omitempty"`
	Over   []shareState  `json:"over,omitempty"`
}

// slowerState judges one quantile. The two sides look at different edges, since
// they allow different slowdowns, and so remember different pasts.
type slowerState struct {
	Named     float64  `json:"named"` // stable's quantile by its history, in seconds; 0 if not known yet
	Tolerated contrast `json:"tolerated"`
	Within    contrast `json:"within"`
	Rollback  trial    `json:"rollback"`
	Promotion trial    `json:"promotion"`
	Range     ladder   `json:"range,omitzero"`
}

func (l latencyState) clone() latencyState {
	l.Stable, l.Canary = slices.Clone(l.Stable), slices.Clone(l.Canary)
	l.Slower, l.Over = slices.Clone(l.Slower), slices.Clone(l.Over)
	for i := range l.Slower {
		l.Slower[i].Rollback = l.Slower[i].Rollback.clone()
		l.Slower[i].Promotion = l.Slower[i].Promotion.clone()
		l.Slower[i].Range = l.Slower[i].Range.clone()
	}
	for i := range l.Over {
		l.Over[i] = l.Over[i].clone()
	}
	return l
}

func (l *latencyState) check(_ Metric, x Measure) string {
	if len(x.Edges) == 0 {
		return "no latency edges"
	}
	if !slices.IsSorted(x.Edges) || x.Edges[0] <= 0 {
		return "latency edges must be positive and ascending"
	}
	if l.Edges != nil && !slices.Equal(l.Edges, x.Edges) {
		return "latency edges changed in the middle of the rollout"
	}
	return checkBoth(x, func(c Counts) string { return checkHistogram(c, len(x.Edges)+1) })
}

// start makes room at the first measure.
func (l *latencyState) start(m Metric, x Measure) {
	if l.Edges != nil {
		return
	}
	l.Edges = slices.Clone(x.Edges)
	l.Stable = make([]float64, len(x.Edges)+1)
	l.Canary = make([]float64, len(x.Edges)+1)
	l.Slower = make([]slowerState, len(m.Slower))
	l.Over = make([]shareState, len(m.Over))
}

func (l *latencyState) learn(m Metric, x Measure, decay float64) {
	l.start(m, x)
	h := l.read(x.Stable)
	for i := range l.Over {
		edge := nearest(l.Edges, m.Over[i].Threshold.Seconds())
		l.Over[i].Contrast.learn(stats.Count{N: h.total(), K: h.over(edge)}, stats.RarePrior, decay)
	}
	fade(l.Stable, decay, x.Stable.Counts)
	l.name(m)
}

// name says what each quantile's reference is as soon as stable's history shows
// it, and again until the first canary counts are compared: servers are slow just
// after they started, and a margin must not rest on that.
func (l *latencyState) name(m Metric) {
	h := histogram{l.Edges, l.Stable}
	n := h.total()
	compared := histogram{l.Edges, l.Canary}.total() > 0
	for i := range l.Slower {
		q := m.Slower[i].Quantile
		if l.Slower[i].Named > 0 && compared || n*min(q, 1-q) < tailToName {
			continue
		}
		if value, ok := h.quantile(q); ok {
			l.Slower[i].Named = value
		}
	}
}

func (l *latencyState) bet(m Metric, x Measure, at moment) float64 {
	l.start(m, x)
	block := pair{l.read(x.Stable), l.read(x.Canary)}
	phi := 0.0
	past := histogram{l.Edges, l.Stable}
	for i := range l.Slower {
		phi = max(phi, l.Slower[i].bet(slowdown{m.Slower[i], m.Tolerate}, block, past, at))
	}
	for i := range l.Over {
		edge := nearest(l.Edges, m.Over[i].Threshold.Seconds())
		phi = max(phi, l.Over[i].wager(m.Over[i].share(m.Tolerate), block.over(edge, l.Edges[edge]), at))
	}
	fade(l.Stable, at.decay, x.Stable.Counts)
	fade(l.Canary, at.decay, x.Canary.Counts)
	l.name(m)
	return phi
}

func (o Over) share(tolerate float64) share {
	return share{stats.Null{Ratio: 1, Shift: o.MaxIncrease}, tolerate, stats.RarePrior, effects, who{}, false}
}

// allowed returns the canary's edge and stable's comparison point if the quantile
// named may be f times the margin longer: the edge nearest to what is allowed,
// and the same slowdown taken back.
func (s Slower) allowed(edges []float64, named, f float64) (edge int, point float64) {
	if s.By > 0 {
		by := f * s.By.Seconds()
		edge = nearest(edges, named+by)
		return edge, math.Max(edges[edge]-by, edges[0]/2)
	}
	edge = nearest(edges, named*(1+f*s.Share))
	return edge, edges[edge] / (1 + f*s.Share)
}

// slowdown is one quantile's margin and how much of it is tolerated.
type slowdown struct {
	Slower
	tolerate float64
}

// bet compares the canary's exceedances of its edge with stable's of the
// comparison point, for the tolerated slowdown and for the margin at this stage.
// Until the quantile is named there is nothing to bet on.
func (s *slowerState) bet(q slowdown, x pair, past histogram, at moment) float64 {
	if s.Named <= 0 {
		return 0
	}
	prior := stats.PriorAt(1 - q.Quantile)
	var up [8]float64
	var down [4]float64
	roll, pass := up[:slowdowns.Components()], down[:faster.Components()]

	edge, point := q.allowed(past.edges, s.Named, q.tolerate)
	s.Tolerated.recall(past, point)
	tolerated := x.over(edge, point)
	stats.Bet{Null: stats.Equal, Side: stats.Rollback, Odds: slowdowns.Odds}.
		Factors(roll, tolerated, s.Tolerated.Stable.Rate(prior))

	edge, point = q.allowed(past.edges, s.Named, at.factor)
	s.Within.recall(past, point)
	within := x.over(edge, point)
	stats.Bet{Null: stats.Equal, Side: stats.Promotion, Odds: faster.Odds}.
		Factors(pass, within, s.Within.Stable.Rate(prior))

	reference := stats.Past{N: past.total(), K: past.exceeding(s.Named)}.Rate(prior)
	t := s.Tolerated.observe(tolerated, prior, at.decay, at.temper)
	w := s.Within.observe(within, prior, at.decay, at.temper)
	s.Rollback.advance(roll, t, at.schedule, at.due)
	s.Promotion.advance(pass, w.ForPromotion(), stats.Once, 0)
	s.Range.advance(x, s.Named, reference, t)
	return math.Max(t.Phi, w.Phi)
}

// recall takes stable's exceedances of a point from the histogram's past when
// the point is new.
func (c *contrast) recall(past histogram, point float64) {
	if c.Stable.N <= 0 {
		c.Stable = stats.Past{N: past.total(), K: past.exceeding(point)}
	}
}

// restage forgets promotion evidence and the past at edges that the new stage's
// margin will replace; the dispersion found there is kept.
func (l *latencyState) restage() {
	for i := range l.Slower {
		l.Slower[i].Promotion = trial{}
		l.Slower[i].Within = contrast{Spread: l.Slower[i].Within.Spread.Fresh()}
	}
	for i := range l.Over {
		l.Over[i].restage()
	}
}

// pair is one block's histograms of both arms.
type pair struct{ stable, canary histogram }

// over returns how many exceed the canary's edge, and stable's point.
func (p pair) over(edge int, point float64) stats.Block {
	return stats.Block{
		Stable: stats.Count{N: p.stable.total(), K: p.stable.exceeding(point)},
		Canary: stats.Count{N: p.canary.total(), K: p.canary.over(edge)},
	}
}

// read converts one arm's counts.
func (l *latencyState) read(c Counts) histogram {
	h := histogram{l.Edges, make([]float64, len(l.Edges)+1)}
	for i, n := range c.Counts {
		h.counts[i] = float64(n)
	}
	return h
}

// fade forgets by decay and adds counts.
func fade(past []float64, decay float64, counts []int64) {
	for i := range past {
		past[i] *= decay
		if i < len(counts) {
			past[i] += float64(counts[i])
		}
	}
}
