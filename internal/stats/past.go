package stats

import "math"

// Memory is the time constant, in seconds, with which pasts are forgotten: what
// happened ten minutes ago counts for 1/e. Old traffic says little about the
// rates of the next block.
const Memory = 600

// Decay returns the factor by which a past shrinks over the given seconds.
func Decay(seconds float64) float64 {
	if seconds <= 0 {
		return 1
	}
	return math.Exp(-seconds / Memory)
}

// Prior is what is assumed of a rate before anything was seen, as pseudo-counts.
type Prior Count

// RarePrior suits failures: half a hit in fifty trials. Starting near 1% instead
// of at ½ saves about a third of the time to detection without history.
var RarePrior = Prior{N: 50, K: .5}

// PriorAt is fifty trials' worth of belief in the rate p.
func PriorAt(p float64) Prior { return Prior{N: 50, K: 50 * p} }

// Past is what is remembered of one arm: counts discounted by age.
type Past Count

// Add forgets by the factor decay, then adds c.
func (p *Past) Add(c Count, decay float64) {
	p.N = p.N*decay + c.N
	p.K = p.K*decay + c.K
}

// Shifted reports whether c is beyond what the past and a dispersion of phi let
// expect: the level has moved, and what came before says little about what follows.
func (p Past) Shifted(c Count, phi float64) bool {
	const certain = 100 // log likelihood ratio: far beyond what bursts do
	if p.N <= 0 || c.N <= 0 {
		return false
	}
	was := clampProb((p.K + .5) / (p.N + 1))
	is := clampProb((c.K + .5) / (c.N + 1))
	return -armFactor(c, was, is) > certain*math.Max(1, phi)
}

// Rate returns the remembered rate, leaning on the prior where little was seen.
func (p Past) Rate(prior Prior) float64 {
	return clampProb((p.K + prior.K) / (p.N + prior.N))
}

// Pooled returns the rate of both pasts taken together.
func Pooled(a, b Past, prior Prior) float64 {
	return Past{a.N + b.N, a.K + b.K}.Rate(prior)
}
