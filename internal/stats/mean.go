package stats

import "math"

// stepLimit is the largest part of its stake that a single value may take.
const stepLimit = .5

// Moments are n values in [0,1] as their count, sum and sum of squares.
type Moments struct {
	N     float64 `json:"n"`
	Sum   float64 `json:"sum"`
	SumSq float64 `json:"sumsq"`
}

// Plus adds the values of two moments.
func (m Moments) Plus(o Moments) Moments {
	return Moments{m.N + o.N, m.Sum + o.Sum, m.SumSq + o.SumSq}
}

// Times weighs every value by f.
func (m Moments) Times(f float64) Moments { return Moments{m.N * f, m.Sum * f, m.SumSq * f} }

// Unit maps values in [lower, upper] onto [0,1].
func (m Moments) Unit(lower, upper float64) Moments {
	r := upper - lower
	return Moments{
		N:     m.N,
		Sum:   (m.Sum - m.N*lower) / r,
		SumSq: (m.SumSq - 2*lower*m.Sum + m.N*lower*lower) / (r * r),
	}
}

// Mirror maps x to 1−x, so that a test against growth serves against decline.
func (m Moments) Mirror() Moments {
	return Moments{N: m.N, Sum: m.N - m.Sum, SumSq: m.N - 2*m.Sum + m.SumSq}
}

// Mean returns the average, and ½ of nothing.
func (m Moments) Mean() float64 {
	if m.N <= 0 {
		return .5
	}
	return m.Sum / m.N
}

// Variance returns the variance of a value, leaning with the weight of ten values
// on that of the uniform distribution.
func (m Moments) Variance() float64 {
	const weight, uniform = 10, 1. / 12
	mean := m.Mean()
	ss := math.Max(0, m.SumSq-m.N*mean*mean)
	return math.Max((ss+weight*uniform)/(m.N+weight), probFloor)
}

// about returns Σ(x−q)².
func (m Moments) about(q float64) float64 {
	return math.Max(0, m.SumSq-2*q*m.Sum+m.N*q*q)
}

// Leaps is the grid of effects for means, in standard deviations of one value.
func Leaps() Grid {
	return Grid{
		Odds:   []float64{.02, .05, .1, .2, .4},
		Shares: []float64{.2, .2, .2, .2, .2},
	}
}

// MeanBet is the e-process for means of values in [0,1] against the linear null
// μ_C ≤ ρμ_B + δ (Rollback) or its reverse (Promotion).
//
// The exact product Π_C(1+(λ/n_C)(x−q_C))·Π_B(1−(ρλ/n_B)(y−q_B)) with
// q_C = ρq_B+δ has expectation at most exp(λ(μ_C−ρμ_B−δ)). It needs every value,
// so each factor 1+z is replaced by its lower bound exp(z − c·z²), for which
// count, sum and sum of squares suffice. c grows from ½ to 0.773 with the part of
// the stake that a single value may take, up to half of it. λ is the optimum of
// that bound for an effect of d.
type MeanBet struct {
	Null  Null
	Side  Side
	Leaps []float64 // effects beyond the line in standard deviations; none: the distance from equality to the line
}

// Factors writes the logarithm of each alternative's factor for one block into
// dst. past holds stable's earlier values.
func (b MeanBet) Factors(dst []float64, stable, canary, past Moments) {
	clear(dst)
	if stable.N <= 0 || canary.N <= 0 {
		return
	}
	qB := past.Mean()
	qC := b.Null.At(qB)
	sd := math.Sqrt(past.Variance())
	gap := math.Abs(qC - qB)
	sign := 1.0
	if b.Side == Promotion {
		sign = -1
	}
	drift := canary.Sum/canary.N - b.Null.Ratio*stable.Sum/stable.N - b.Null.Shift
	square := canary.about(qC)/(canary.N*canary.N) +
		b.Null.Ratio*b.Null.Ratio*stable.about(qB)/(stable.N*stable.N)
	for i := range dst {
		d := gap
		if len(b.Leaps) > 0 {
			d = b.Leaps[i] * sd
		}
		// The worst a single value can do to a stake of 1.
		worst := math.Max(
			math.Max(math.Abs(qC), math.Abs(1-qC))/canary.N,
			b.Null.Ratio*math.Max(qB, 1-qB)/stable.N)
		l, c := stake(d, sd*sd*(1/canary.N+b.Null.Ratio*b.Null.Ratio/stable.N), worst)
		dst[i] = l*sign*drift - c*l*l*square
	}
}

// stake returns λ for an effect of d and a variance of noise, where a value may
// take at most worst of a stake of 1, and the c that holds for it.
func stake(d, noise, worst float64) (l, c float64) {
	l = math.Min(d/noise, stepLimit/worst)
	for range 3 {
		l = math.Min(d/(2*bend(l*worst)*noise), stepLimit/worst)
	}
	return l, bend(l * worst)
}

// Growth returns the expected logarithm of the best alternative's factor for a
// block of the given sizes when both arms have the past's mean and variance.
func (b MeanBet) Growth(past Moments, nStable, nCanary float64) float64 {
	if past.N <= 0 {
		return 0
	}
	var buf [16]float64
	dst := buf[:max(1, min(len(b.Leaps), len(buf)))]
	b.Factors(dst, past.Times(nStable/past.N), past.Times(nCanary/past.N), past)
	best := 0.0
	for _, v := range dst {
		best = math.Max(best, v)
	}
	return best
}
