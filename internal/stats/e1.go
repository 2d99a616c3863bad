package stats

import "math"

// Side says which half of the plane is the null hypothesis.
type Side int8

// The two questions asked of one metric.
const (
	// Rollback gathers evidence against canary ≤ ρ·stable + δ: the canary is worse
	// than tolerated.
	Rollback Side = iota
	// Promotion gathers evidence against canary ≥ ρ·stable + δ: the canary is
	// within the margin.
	Promotion
)

// Bet is the block-wise two-sample e-process E1 against one linear null, spread
// over several alternatives.
//
// Each alternative places stable at its past rate θ_B and the canary at an odds
// ratio over the boundary ρ·θ_B + δ, not over θ_B: an alternative on the null's
// side of the line would be evidence for the wrong hypothesis, and bets nothing.
// Without Odds the only alternative is equality, θ_C = θ_B.
type Bet struct {
	Null Null
	Side Side
	Odds []float64 // over the boundary: above 1 for Rollback, below 1 for Promotion
}

// Components returns the number of alternatives.
func (b Bet) Components() int { return max(1, len(b.Odds)) }

// Factors writes into dst, one per alternative, the logarithm of the factor by
// which block x multiplies that alternative's evidence. theta is the rate of
// stable according to earlier blocks alone; any value keeps the bet valid, a good
// one makes it strong. A block that lacks an arm multiplies by one.
//
// Why it is valid: with a = (θ−q)/(q(1−q)) the expected factor is at most
// exp(n_C·a_C(p_C−q_C) + n_B·a_B(p_B−q_B)); the projection makes n_C·a_C = λ and
// n_B·a_B = −ρλ, so the exponent is λ(p_C − ρp_B − δ), which the null makes ≤ 0.
// Hits may be fractions in [0,1], since the factor is convex in the hit.
func (b Bet) Factors(dst []float64, x Block, theta float64) {
	clear(dst)
	if x.Stable.N <= 0 || x.Canary.N <= 0 {
		return
	}
	theta = clampProb(theta)
	for i := range dst {
		alt := Rates{Stable: theta, Canary: theta}
		if len(b.Odds) > 0 {
			alt.Canary = atOdds(b.Null.At(theta), b.Odds[i])
		}
		if b.Side.alternative(alt, b.Null) {
			dst[i] = logFactor(x, alt, b.Null.Project(alt, x.Stable.N, x.Canary.N))
		}
	}
}

// Growth returns the largest expected logarithm of a factor over the
// alternatives when both arms hit at the given rates and theta is known: the
// speed at which evidence gathers, per n_B and n_C trials.
func (b Bet) Growth(truth Rates, nStable, nCanary float64) float64 {
	expected := Block{
		Stable: Count{nStable, nStable * truth.Stable},
		Canary: Count{nCanary, nCanary * truth.Canary},
	}
	var buf [16]float64
	dst := buf[:min(b.Components(), len(buf))]
	b.Factors(dst, expected, truth.Stable)
	best := 0.0
	for _, v := range dst {
		best = math.Max(best, v)
	}
	return best
}

// alternative reports whether r lies on the side that the evidence is for.
func (s Side) alternative(r Rates, n Null) bool {
	edge := n.At(r.Stable)
	if s == Rollback {
		return r.Canary > edge
	}
	return r.Canary < edge
}

// logFactor is ln Π (alt/null) over both arms of the block.
func logFactor(x Block, alt, null Rates) float64 {
	return armFactor(x.Canary, alt.Canary, null.Canary) + armFactor(x.Stable, alt.Stable, null.Stable)
}

// armFactor is k·ln(θ/q) + (n−k)·ln((1−θ)/(1−q)), written so that nothing is lost
// when θ and q are close.
func armFactor(c Count, theta, q float64) float64 {
	if theta == q {
		return 0
	}
	d := theta - q
	return c.K*log1p(d/q) + (c.N-c.K)*log1p(-d/(1-q))
}

// atOdds returns the probability whose odds are r times those of p.
func atOdds(p, r float64) float64 {
	if p <= 0 || p >= 1 {
		return clampProb(p)
	}
	return clampProb(r * p / (1 + (r-1)*p))
}

// OneSample is the e-process of a single rate against a fixed limit, used for
// disagreeing pairs: the likelihood ratio of each alternative to the limit.
type OneSample struct {
	Limit float64
	Side  Side
	Odds  []float64 // over the limit
}

// Factors writes the logarithm of each alternative's factor for c into dst.
// The expected factor is 1 + a(p−q) with a the sign of the alternative, so it is
// at most 1 for every p on the null's side of the limit.
func (o OneSample) Factors(dst []float64, c Count) {
	q := clampProb(o.Limit)
	for i, r := range o.Odds {
		dst[i] = armFactor(c, atOdds(q, r), q)
	}
}
