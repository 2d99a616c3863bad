package plan

import "math"

// What analysis does against bursts: it holds evidence back for so many blocks,
// waits longer while fewer stretches than neededStretches can be compared, and
// takes a stretch of so many expected hits of stable's as one observation.
const (
	heldBlocks      = 8
	longestHold     = 16
	neededStretches = 3
	hitsPerStretch  = 5
	// By this many standard errors the estimate is taken to be smaller against a
	// rollback and larger against a promotion.
	tilt = .5
)

// pace is how one metric's evidence comes in.
type pace struct {
	block   float64 // seconds between two readings with both arms in them
	stretch float64 // seconds that make one observation of the dispersion
	before  float64 // seconds of stable's history
	temper  bool
	fresh   bool    // no evidence yet: the first blocks are held back
	single  bool    // there is one arm alone, as of pairs
	passes  bool    // it is for a promotion
	spread  float64 // the dispersion that there is, 1 for independent requests
}

// hold returns the seconds for which evidence is held back.
func (p pace) hold() float64 {
	switch {
	case !p.temper, !p.fresh:
		return p.block
	case p.single:
		return heldBlocks * p.block
	}
	return math.Max(heldBlocks*p.block, math.Min(longestHold*p.block, neededStretches*p.stretch-p.before))
}

// phi returns the dispersion that evidence of t seconds is divided by, as its
// average over that time: the true one, and what the estimate exceeds it by.
func (p pace) phi(t float64) float64 {
	if !p.temper {
		return 1
	}
	// Half way is about the average.
	both := (t / 2) / p.stretch
	if p.single {
		return math.Max(1, p.spread) * (1 + excess(both, 0, 0))
	}
	errors := -tilt
	if p.passes {
		errors = tilt
	}
	return math.Max(1, p.spread) * (1 + excess(p.before/p.stretch+both, both, errors))
}

// excess returns by how much the estimate φ = max(φ_B, φ_C), each moved by so many
// of its standard errors, exceeds 1 on average if requests are independent and kB
// and kC observations of each arm are in: φ_B = max(1, (4+Σz)/(4+kB)),
// φ_C = (10φ_B+Σz)/(10+kC), Σz normal with mean k and variance 3k, since
// neighbours share a stretch. The average is over a grid of normal quantiles.
func excess(kB, kC, errors float64) float64 {
	sum := 0.0
	for _, x := range quantiles {
		b := math.Max(0, (x+errors)*math.Sqrt(3*kB)/(4+kB))
		for _, y := range quantiles {
			sum += math.Max(b, (10*b+(y+errors)*math.Sqrt(3*kC))/(10+kC))
		}
	}
	return sum / float64(len(quantiles)*len(quantiles))
}

// quantiles are the middles of ten equal parts of the standard normal
// distribution.
var quantiles = [...]float64{-1.64485, -1.03643, -.67449, -.38532, -.12566, .12566, .38532, .67449, 1.03643, 1.64485}
