package analysis

import (
	"math"
	"slices"

	"github.com/haldane-dev/haldane/internal/stats"
)

// rungs are where the canary's quantile is looked for, as multiples of stable's.
var rungs = []float64{.5, .75, .88, .96, 1.04, 1.13, 1.3, 1.7, 3}

// The odds between two exceedances that one rung is told apart by.
var (
	slowerRung = stats.Grid{Odds: []float64{1.3, 3}, Shares: []float64{.5, .5}}
	fasterRung = stats.Grid{Odds: []float64{1 / 1.3, 1. / 3}, Shares: []float64{.5, .5}}
)

// ladder is an interval for one latency quantile of the canary that holds at
// every look.
//
// At each rung, a fixed edge x, the share of the canary's requests over x is
// compared with the share of stable's over its quantile as named. Where the
// canary has more over x its quantile lies above x, where it has fewer below. Of
// all the hypotheses "not above x", going up from the lowest rung, the first true
// one is refuted with a probability of at most half the error, and rungs beyond
// it are not looked at unless it is; likewise going down. So the rungs need no
// correction for their number.
type ladder struct {
	Rungs []rung `json:"rungs,omitempty"` // ascending
}

// rung is one edge and the evidence that the canary's quantile lies above or
// below it.
type rung struct {
	Edge  float64 `json:"edge"` // seconds
	Above trial   `json:"above"`
	Below trial   `json:"below"`
}

func (l ladder) clone() ladder {
	l.Rungs = slices.Clone(l.Rungs)
	for i := range l.Rungs {
		l.Rungs[i].Above, l.Rungs[i].Below = l.Rungs[i].Above.clone(), l.Rungs[i].Below.clone()
	}
	return l
}

// set puts the rungs on the edges nearest to where they belong.
func (l *ladder) set(edges []float64, named float64) {
	for _, f := range rungs {
		e := edges[nearest(edges, f*named)]
		if n := len(l.Rungs); n == 0 || e > l.Rungs[n-1].Edge {
			l.Rungs = append(l.Rungs, rung{Edge: e})
		}
	}
}

// advance takes one block into the interval. theta is the share of stable over
// its quantile by earlier blocks.
func (l *ladder) advance(x pair, named, theta float64, t stats.Temper) {
	if len(l.Rungs) == 0 {
		l.set(x.stable.edges, named)
	}
	up := stats.Bet{Null: stats.Equal, Side: stats.Rollback, Odds: slowerRung.Odds}
	down := stats.Bet{Null: stats.Equal, Side: stats.Promotion, Odds: fasterRung.Odds}
	block := stats.Block{
		Stable: stats.Count{N: x.stable.total(), K: x.stable.exceeding(named)},
		Canary: stats.Count{N: x.canary.total()},
	}
	edge, over := len(x.canary.edges), 0.0
	for i := len(l.Rungs) - 1; i >= 0; i-- {
		r := &l.Rungs[i]
		for at := nearest(x.canary.edges, r.Edge); edge > at; edge-- {
			over += x.canary.counts[edge]
		}
		block.Canary.K = over
		var above, below [2]float64
		up.Factors(above[:], block, theta)
		down.Factors(below[:], block, theta)
		r.Above.advance(above[:], t, stats.Once, 0)
		r.Below.advance(below[:], t, stats.Once, 0)
	}
}

// put writes the interval of the difference from stable's quantile into an
// effect. Beyond the rungs nothing is known but that latencies are positive and,
// at the other end, that they stop where the histogram does.
func (l ladder) put(e *Effect, named, last float64) {
	if len(l.Rungs) == 0 {
		return
	}
	need := math.Log(2 / displayed)
	low, high := 0.0, math.Max(last, named)
	for i := 0; i < len(l.Rungs) && l.Rungs[i].Above.logE(slowerRung, stats.Once) >= need; i++ {
		low = l.Rungs[i].Edge
	}
	for i := len(l.Rungs) - 1; i >= 0 && l.Rungs[i].Below.logE(fasterRung, stats.Once) >= need; i-- {
		high = l.Rungs[i].Edge
	}
	e.Low, e.High, e.Always = math.Min(low, high)-named, math.Max(low, high)-named, true
}
