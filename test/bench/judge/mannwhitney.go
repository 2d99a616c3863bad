package main

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// mannWhitney is the Mann–Whitney U test of x against y with the normal
// approximation, corrected for continuity and ties, and its confidence limits for
// the shift between them, as Kayenta computes them
// (kayenta-mannwhitney/…/MannWhitney.scala:58–107).
type mannWhitney struct{ x, y []float64 }

// quantile is the normal quantile of a two-sided interval at Kayenta's confidence.
func (m mannWhitney) quantile() float64 {
	return distuv.UnitNormal.Quantile((1 + kayentaConfidence) / 2)
}

// z is the test statistic for a shift of x by mu; it falls as mu grows. Where all
// observations tie it is 0.
func (m mannWhitney) z(mu float64) float64 {
	n, k := float64(len(m.x)), float64(len(m.y))
	type observation struct {
		value float64
		mine  bool
	}
	all := make([]observation, 0, len(m.x)+len(m.y))
	for _, v := range m.x {
		all = append(all, observation{v - mu, true})
	}
	for _, v := range m.y {
		all = append(all, observation{v, false})
	}
	slices.SortFunc(all, func(a, b observation) int {
		switch {
		case a.value < b.value:
			return -1
		case a.value > b.value:
			return 1
		}
		return 0
	})
	ranks, ties := 0.0, 0.0
	for i := 0; i < len(all); {
		j, mine := i, 0
		for ; j < len(all) && all[j].value == all[i].value; j++ {
			if all[j].mine {
				mine++
			}
		}
		t := float64(j - i)
		ranks += float64(mine) * (float64(i+j) + 1) / 2 // tied observations share their average rank
		ties += t*t*t - t
		i = j
	}
	d := ranks - n*(n+1)/2 - n*k/2
	variance := n * k / 12 * (n + k + 1 - ties/((n+k)*(n+k-1)))
	if variance <= 0 {
		return 0
	}
	if d != 0 {
		d -= math.Copysign(.5, d)
	}
	return d / math.Sqrt(variance)
}

// shiftTolerance is how closely a shift is located (BrentSolver.java:24).
const shiftTolerance = 1e-4

// shift returns the shift at which z falls to q, within the range of differences.
func (m mannWhitney) shift(q float64) float64 {
	low := slices.Min(m.x) - slices.Max(m.y)
	high := slices.Max(m.x) - slices.Min(m.y)
	if m.z(low) <= q {
		return low
	}
	if m.z(high) >= q {
		return high
	}
	for high-low > shiftTolerance {
		if mid := (low + high) / 2; m.z(mid) > q {
			low = mid
		} else {
			high = mid
		}
	}
	return (low + high) / 2
}

func (m mannWhitney) lower() float64    { return m.shift(m.quantile()) }
func (m mannWhitney) upper() float64    { return m.shift(-m.quantile()) }
func (m mannWhitney) estimate() float64 { return m.shift(0) }
