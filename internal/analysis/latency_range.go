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

// ladder is an interval that holds at every look for a number known by whether it
// lies above or below fixed edges, such as the canary's latency quantile.
//
// Of all the hypotheses "not above this edge", going up from the lowest, the first
// true one is refuted with a probability of at most half the error, and edges
// beyond it are not looked at unless it is; likewise going down. So the edges need
// no correction for their number.
type ladder struct {
	Edges    []float64     `json:"edges,omitempty"`   // ascending
	Evidence stats.Process `json:"evidence,omitzero"` // for each edge, of lying above it by two bets and of lying below it by two
}

// bets is how many numbers are kept for each edge, half of them for either side.
const bets = 4

func (l ladder) clone() ladder { return ladder{slices.Clone(l.Edges), l.Evidence.Clone()} }

// set puts the rungs on the edges nearest to multiples of unit.
func (l *ladder) set(edges, multiples []float64, unit float64) {
	for _, f := range multiples {
		e := edges[nearest(edges, f*unit)]
		if n := len(l.Edges); n == 0 || e > l.Edges[n-1] {
			l.Edges = append(l.Edges, e)
		}
	}
	l.Evidence = stats.NewProcess(bets*len(l.Edges), stats.Once)
}

// advance takes one block of latencies in: at each edge the share of the canary's
// requests over it is compared with the share of stable's over its quantile as
// named. Where the canary has more its quantile lies above the edge, where it has
// fewer below. theta is the share of stable by earlier blocks.
func (l *ladder) advance(x pair, named, theta float64, t stats.Temper) {
	if len(l.Edges) == 0 {
		l.set(x.stable.edges, rungs, named)
	}
	up := stats.Bet{Null: stats.Equal, Side: stats.Rollback, Odds: slowerRung.Odds}
	down := stats.Bet{Null: stats.Equal, Side: stats.Promotion, Odds: fasterRung.Odds}
	block := stats.Block{
		Stable: stats.Count{N: x.stable.total(), K: x.stable.exceeding(named)},
		Canary: stats.Count{N: x.canary.total()},
	}
	factors := make([]float64, bets*len(l.Edges))
	edge, over := len(x.canary.edges), 0.0
	for i := len(l.Edges) - 1; i >= 0; i-- {
		for at := nearest(x.canary.edges, l.Edges[i]); edge > at; edge-- {
			over += x.canary.counts[edge]
		}
		block.Canary.K = over
		up.Factors(factors[bets*i:bets*i+2], block, theta)
		down.Factors(factors[bets*i+2:bets*i+4], block, theta)
	}
	l.Evidence.Advance(factors, t, stats.Once, 0)
}

// between returns the edges that the number lies between, low and high if it is not
// known to lie beyond the lowest or under the highest edge.
func (l ladder) between(low, high float64) (from, to float64) {
	need := math.Log(2 / displayed)
	from, to = low, high
	for i := 0; i < len(l.Edges) && l.side(i, 0) >= need; i++ {
		from = l.Edges[i]
	}
	for i := len(l.Edges) - 1; i >= 0 && l.side(i, 1) >= need; i-- {
		to = l.Edges[i]
	}
	return math.Min(from, to), math.Max(from, to)
}

// side returns the log evidence of lying above edge i (side 0) or below it (1).
func (l ladder) side(i, side int) float64 {
	at := bets*i + 2*side
	p := stats.Process{Log: l.Evidence.Log[at : at+2]}
	if l.Evidence.Held != nil {
		p.Held = l.Evidence.Held[at : at+2]
	}
	return p.LogE(slowerRung.Shares, stats.Once)
}

// put writes the interval of the difference from stable's quantile into an effect.
// Beyond the rungs nothing is known but that latencies are positive and, at the
// other end, that they stop where the histogram does.
func (l ladder) put(e *Effect, named, last float64) {
	if len(l.Edges) == 0 {
		return
	}
	from, to := l.between(0, math.Max(last, named))
	e.Low, e.High, e.Always = from-named, to-named, true
}
