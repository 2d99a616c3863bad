package analysis

import (
	"fmt"
	"math"

	"github.com/haldane-dev/haldane/internal/stats"
)

// halvesState is the control of the control: the same test between two halves of
// stable, which differ in nothing. What it finds is what the test itself gets wrong
// on this traffic.
type halvesState struct {
	Past stats.Past `json:"past"`
	// Whole is evidence untempered, Tempered as the comparison of the arms is; each
	// in both directions.
	Whole    [2]trial       `json:"whole"`
	Tempered [2]trial       `json:"tempered"`
	Seen     stats.Standard `json:"seen"`
}

func (h halvesState) clone() halvesState {
	for i := range h.Whole {
		h.Whole[i], h.Tempered[i] = h.Whole[i].clone(), h.Tempered[i].clone()
	}
	return h
}

// checkHalves reports why halves cannot be two halves of c.
func checkHalves(halves []Group, c Counts) string {
	if len(halves) == 0 {
		return ""
	}
	if len(halves) != 2 {
		return fmt.Sprintf("%d halves of stable", len(halves))
	}
	sum := Group{halves[0].N + halves[1].N, halves[0].K + halves[1].K}
	for _, h := range halves {
		if h.N < 0 || h.K < 0 || h.K > h.N || sum.N > c.N || sum.K > c.K {
			return fmt.Sprintf("halves of stable with %d hits in %d trials between them, of %d in %d", sum.K, sum.N, c.K, c.N)
		}
	}
	return ""
}

// observe takes one block of both halves in.
func (h *halvesState) observe(halves []Group, p share, at moment, t stats.Temper) {
	one := func(g Group) stats.Count { return stats.Count{N: float64(g.N), K: float64(g.K)} }
	a, b := one(halves[0]), one(halves[1])
	theta := h.Past.Rate(p.prior)
	for i, x := range []stats.Block{{Stable: a, Canary: b}, {Stable: b, Canary: a}} {
		var buf [8]float64
		f := buf[:p.grid.Components()]
		stats.Bet{Null: stats.Equal, Odds: p.grid.Odds}.Factors(f, x, theta)
		h.Whole[i].advance(f, stats.Temper{Phi: 1}, stats.Once, 0)
		h.Tempered[i].advance(f, t, stats.Once, 0)
	}
	h.Past.Add(a.Plus(b), at.decay)
	h.Seen.Add(stats.Block{Stable: a, Canary: b})
}

// least is the dispersion at which the halves would not have been told apart.
func (h *halvesState) least(p share, level float64) float64 {
	if h == nil || level <= 0 {
		return 1
	}
	e := stats.LogMean(h.Whole[0].logE(p.grid, stats.Once), h.Whole[1].logE(p.grid, stats.Once))
	return math.Max(1, e/threshold(level))
}

// alarm says that two halves of stable are found to differ, "" if they are not.
func (h *halvesState) alarm(g stats.Grid, level float64) string {
	if h == nil || level <= 0 ||
		stats.LogMean(h.Tempered[0].logE(g, stats.Once), h.Tempered[1].logE(g, stats.Once)) < threshold(level) {
		return ""
	}
	seen := h.Seen.Block()
	return fmt.Sprintf("two halves of stable, which differ in nothing, have %s and %s: "+
		"requests depend on each other more than can be allowed for", percent(seen.Stable.Share()), percent(seen.Canary.Share()))
}
