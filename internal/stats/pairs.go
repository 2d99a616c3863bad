package stats

import "math"

// Pairs are mirrored requests, both answers of which were judged: how many, and
// how many of them only one arm failed.
type Pairs struct {
	N          float64 `json:"n"`
	CanaryOnly float64 `json:"canaryOnly"`
	StableOnly float64 `json:"stableOnly"`
}

// Plus adds the pairs of two blocks.
func (p Pairs) Plus(o Pairs) Pairs {
	return Pairs{p.N + o.N, p.CanaryOnly + o.CanaryOnly, p.StableOnly + o.StableOnly}
}

// Times weighs every pair by f.
func (p Pairs) Times(f float64) Pairs { return Pairs{p.N * f, p.CanaryOnly * f, p.StableOnly * f} }

// Shift returns by how much the canary's share of failures exceeds stable's.
func (p Pairs) Shift() float64 {
	if p.N <= 0 {
		return 0
	}
	return (p.CanaryOnly - p.StableOnly) / p.N
}

// Stakes is the grid for paired failures: the part of the stake that a pair which
// only one arm failed may win or lose. Against equality a stake of s is a bet on
// odds of (1+s)/(1−s) between the two kinds of discordant pairs: 1.1 to 24.
func Stakes() Grid {
	return Grid{
		Odds:   []float64{.05, .11, .22, .4, .7, .92},
		Shares: []float64{.07, .15, .28, .2, .22, .08},
	}
}

// Differences returns pairs as the arm of a Sequence: 1 for a pair that the canary
// alone failed, 0 for stable alone, ½ for the rest, so that the mean is ½ plus half
// the shift. past holds earlier pairs.
func Differences(x, past Pairs) Arm {
	const weight = 20 // pairs, one of them discordant
	d := (past.CanaryOnly + past.StableOnly + 1) / (past.N + weight)
	shift := (past.CanaryOnly - past.StableOnly) / (past.N + weight)
	return Arm{
		n: x.N, mean: .5 + shift/2, variance: math.Max(d-shift*shift, probFloor) / 4,
		hits: x.CanaryOnly, halves: x.N - x.CanaryOnly - x.StableOnly,
	}
}

// PairBet is the e-process of paired failures against canary ≤ stable + Shift
// (Rollback) or canary ≥ stable + Shift (Promotion), in shares of all pairs. With
// Shift 0 it is the sequential test of McNemar: pairs on which both arms agree say
// nothing. Where both arms fail the same requests it needs far fewer of them than
// a comparison of two shares.
//
// With D = 1, −1 or 0 for a pair that only the canary, only stable or none of
// them alone failed, the factor 1 ± λ(D−Shift) has expectation at most 1 under the
// null.
type PairBet struct {
	Shift  float64
	Side   Side
	Stakes []float64 // λ; none: the best for equal arms by the discordance of the past
}

// Factors writes the logarithm of each stake's factor for one block into dst. past
// holds earlier pairs.
func (b PairBet) Factors(dst []float64, x, past Pairs) {
	sign := 1.0
	if b.Side == Promotion {
		sign = -1
	}
	// No pair may take more than stakeLimit: D−Shift lies within 1+|Shift| of 0.
	limit := (1 - 1e-6) / (1 + math.Abs(b.Shift))
	for i := range dst {
		l := b.best(past)
		if len(b.Stakes) > 0 {
			l = b.Stakes[i]
		}
		l = sign * math.Min(l, limit)
		dst[i] = x.CanaryOnly*log1p(l*(1-b.Shift)) + x.StableOnly*log1p(-l*(1+b.Shift)) +
			(x.N-x.CanaryOnly-x.StableOnly)*log1p(-l*b.Shift)
	}
}

// best is the stake that grows fastest if the arms are equal: D has mean 0 and the
// variance of the past's share of discordant pairs.
func (b PairBet) best(past Pairs) float64 {
	const weight = 20 // pairs, one of them discordant
	d := (past.CanaryOnly + past.StableOnly + 1) / (past.N + weight)
	return math.Min(math.Abs(b.Shift)/(d+b.Shift*b.Shift), stakeLimit)
}

// Growth returns the expected logarithm of a Promotion's factor for n pairs of
// equal arms with the past's discordance.
func (b PairBet) Growth(past Pairs, n float64) float64 {
	if past.N <= 0 {
		return 0
	}
	half := (past.CanaryOnly + past.StableOnly) / 2 * n / past.N
	var dst [1]float64
	b.Factors(dst[:], Pairs{n, half, half}, past)
	return math.Max(0, dst[0])
}
