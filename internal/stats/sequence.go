package stats

import "math"

// Fine and Coarse are numbers of bets that a Sequence may be spread over.
const (
	Fine   = 6 // intervals within a sixth of the narrowest possible at any time
	Coarse = 4 // within two fifths, in less memory
)

// The bets of a Sequence aim at effects from widest down to about narrowest
// standard deviations of one value. A bet at d serves best when some 12/d² values
// are in: thirty at the one end, ten million at the other.
const (
	widest    = .6
	narrowest = .0018
)

// stakeLimit is the part of the stake that a single value may take.
const stakeLimit = .75

// Sequence is the state of an interval for the difference of two arms, canary −
// stable, that holds at every look: the values δ that the e-processes against
// "the difference is at most δ" and "at least δ" have not refuted.
//
// Each is the bet behind Bet and MeanBet with the amounts fixed in advance. For
// any predictable λ, q_C and q_B,
//
//	Π_C (1 + (λ/n_C)(x−q_C)) · Π_B (1 − (λ/n_B)(y−q_B)) · exp(λ(q_C−q_B) − λδ)
//
// has expectation at most exp(λ(μ_C−μ_B−δ)), because 1+z ≤ e^z. Its logarithm is
// linear in δ, so two numbers per λ hold the evidence against every δ at once,
// and the interval is where their mixture stays under 1/α on either side.
//
// If the difference changes over time, the lower end stays under its largest
// value so far and the upper end over its smallest, with the same probability.
//
// The zero value has not begun, and its interval is everything.
type Sequence struct {
	// For "the difference is larger", then for "smaller": per bet, ln of the product
	// without the term in δ, then the sum of λ. All of it is tempered and held back as
	// any other evidence.
	Evidence Process `json:"evidence"`
}

// Clone returns a copy that shares nothing with s.
func (s Sequence) Clone() Sequence { return Sequence{s.Evidence.Clone()} }

// parts are the numbers kept for each bet.
const parts = 4

// Arm is one arm's part of a block as a Sequence needs it.
type Arm struct {
	n        float64
	mean     float64 // expected of one value by earlier blocks, in [0,1]
	variance float64 // likewise
	hits     float64 // of shares, values of 1
	halves   float64 // values of ½
	moments  bool
	sum      float64 // Σ(x−mean)
	square   float64 // Σ(x−mean)²
}

// Share returns the arm whose values are hits and misses. rate is what earlier
// blocks lead to expect.
func Share(c Count, rate float64) Arm {
	rate = clampProb(rate)
	return Arm{n: c.N, mean: rate, variance: rate * (1 - rate), hits: c.K}
}

// Values returns the arm whose values in [0,1] are known by their moments. past
// holds earlier blocks.
func Values(m, past Moments) Arm {
	q := past.Mean()
	return Arm{n: m.N, mean: q, variance: past.Variance(), moments: true, sum: m.Sum - m.N*q, square: m.about(q)}
}

// least returns how far below the expectation a value can lie (sign 1), or above
// it (−1).
func (a Arm) least(sign float64) float64 {
	if sign > 0 {
		return a.mean
	}
	return 1 - a.mean
}

// gain returns Σ ln(1+z) over the values with z = f·(x−mean), for moments a lower
// bound of it.
func (a Arm) gain(f float64) float64 {
	if !a.moments {
		out := a.hits*log1p(f*(1-a.mean)) + (a.n-a.hits-a.halves)*log1p(-f*a.mean)
		if a.halves > 0 {
			out += a.halves * log1p(f*(.5-a.mean))
		}
		return out
	}
	return f*a.sum - bend(math.Abs(f)*a.least(f))*f*f*a.square
}

// bend returns the smallest c with ln(1+z) ≥ z − c·z² for all z ≥ −reach, for a
// reach under 1; it is attained at z = −reach.
func bend(reach float64) float64 {
	if reach < 1e-3 {
		return .5 + reach/2 // over the series ½ + r/3 + r²/4 + …, which cancels badly
	}
	return -(log1p(-reach) + reach) / (reach * reach)
}

// NewSequence returns a Sequence that has seen nothing, spread over Fine or
// Coarse bets.
func NewSequence(bets int) Sequence {
	return Sequence{Process{Log: make([]float64, parts*bets)}}
}

// Started reports whether s came from NewSequence.
func (s Sequence) Started() bool { return s.Evidence.Log != nil }

// Advance takes one block into the interval. Without values of stable the
// interval is that of the canary's own mean.
func (s *Sequence) Advance(stable, canary Arm, t Temper) {
	if canary.n <= 0 {
		return
	}
	noise, gap := canary.variance/canary.n, canary.mean
	if stable.n > 0 {
		noise += stable.variance / stable.n
		gap -= stable.mean
	}
	var buf [parts * Fine]float64
	bets := len(s.Evidence.Log) / parts
	all := buf[:parts*bets]
	above, below := all[:2*bets], all[2*bets:]
	l := widest * math.Sqrt(canary.variance) / noise
	next := math.Pow(narrowest/widest, 1/float64(bets-1))
	for i := range bets {
		above[i], above[bets+i] = lean(stable, canary, l, 1)
		below[i], below[bets+i] = lean(stable, canary, l, -1)
		above[i] += above[bets+i] * gap
		below[i] -= below[bets+i] * gap
		l *= next
	}
	s.Evidence.Advance(all, t, Once, 0)
}

// lean returns the gain of a bet on canary − stable being larger (sign 1) or
// smaller (−1) than expected, and the amount λ staked: l, or as much of it as
// leaves every factor at 1 − stakeLimit or more.
func lean(stable, canary Arm, l, sign float64) (gain, staked float64) {
	l = math.Min(l, stakeLimit*canary.n/canary.least(sign))
	if stable.n > 0 {
		l = math.Min(l, stakeLimit*stable.n/stable.least(-sign))
		gain = stable.gain(-sign * l / stable.n)
	}
	return gain + canary.gain(sign*l/canary.n), l
}

// Line is one bet of a Sequence: its log evidence against a difference of δ is
// Log − δ·Stake.
type Line struct{ Log, Stake float64 }

// Lines returns the bets, all of which have the same part of the stake: above
// against "the difference is at most δ", below against "stable − canary is at most
// δ". What is held back counts as in Interval. Forecasts are made of them.
func (s Sequence) Lines() (above, below []Line) {
	n := len(s.Evidence.Log) / parts
	sides := [2][]Line{make([]Line, n), make([]Line, n)}
	for side, lines := range sides {
		for i := range lines {
			j := 2*n*side + i
			lines[i] = Line{s.Evidence.Log[j], s.Evidence.Log[j+n]}
			if s.Evidence.Held != nil {
				lines[i].Log += s.Evidence.Held[j] / earlyPhi
				lines[i].Stake += s.Evidence.Held[j+n] / earlyPhi
			}
		}
	}
	return sides[0], sides[1]
}

// Interval returns the values that neither side has refuted at error alpha/2, cut
// to [low, high]. Before the first block that is all of it. When the difference
// has moved so far that the sides refute each other's remainder, it is the
// stretch between them.
func (s Sequence) Interval(alpha, low, high float64) Interval {
	if !s.Started() {
		return Interval{low, high}
	}
	need := math.Log(2 / alpha)
	from := math.Min(math.Max(low, s.Evidence.refuted(0, need)), high)
	to := math.Max(math.Min(high, -s.Evidence.refuted(1, need)), low)
	return Interval{math.Min(from, to), math.Max(from, to)}
}

// refuted returns the largest δ for which one side's mixture of exp(A − δ·Λ)
// reaches need, −∞ if there is none.
func (p Process) refuted(side int, need float64) float64 {
	var a, b [Fine]float64
	at, bets := math.Inf(-1), len(p.Log)/parts
	each := math.Log(float64(bets))
	for i := range bets {
		j := 2*bets*side + i
		a[i], b[i] = p.Log[j]-each, p.Log[j+bets]
		if p.Held != nil {
			a[i] += p.Held[j] / earlyPhi
			b[i] += p.Held[j+bets] / earlyPhi
		}
		if b[i] > 0 {
			at = math.Max(at, (a[i]-need)/b[i])
		}
	}
	// The logarithm of the mixture falls and is convex, so Newton's method from a
	// point where it is too large never passes the root.
	for range 30 {
		if math.IsInf(at, -1) {
			return at
		}
		top := math.Inf(-1)
		for i := range bets {
			top = math.Max(top, a[i]-at*b[i])
		}
		sum, slope := 0.0, 0.0
		for i := range bets {
			e := math.Exp(a[i] - at*b[i] - top)
			sum += e
			slope += e * b[i]
		}
		step := (top + math.Log(sum) - need) * sum / slope
		if !(step > 1e-6*math.Abs(at)+1e-15) {
			return at
		}
		at += step
	}
	return at
}
