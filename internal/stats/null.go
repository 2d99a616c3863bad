package stats

import "math"

// probFloor keeps probabilities away from 0 and 1, where a single surprising
// request would be worth infinite evidence.
const probFloor = 1e-12

// Count is n trials with k hits. Both are real numbers: k may be interpolated
// between two histogram edges, and pasts are discounted.
type Count struct {
	N float64 `json:"n"`
	K float64 `json:"k"`
}

// Plus adds the trials and hits of two counts.
func (c Count) Plus(o Count) Count { return Count{c.N + o.N, c.K + o.K} }

// Times multiplies trials and hits by f.
func (c Count) Times(f float64) Count { return Count{c.N * f, c.K * f} }

// Misses returns the count of the complementary event.
func (c Count) Misses() Count { return Count{c.N, c.N - c.K} }

// Share returns k/n, and 0 for no trials.
func (c Count) Share() float64 {
	if c.N <= 0 {
		return 0
	}
	return c.K / c.N
}

// Block is what both arms did over one stretch of time.
type Block struct {
	Stable, Canary Count
}

// Misses returns the block of the complementary event.
func (b Block) Misses() Block { return Block{b.Stable.Misses(), b.Canary.Misses()} }

// Rates is a pair of hit probabilities.
type Rates struct {
	Stable, Canary float64
}

// Null is the straight line canary = Ratio·stable + Shift that parts the
// acceptable from the unacceptable. Which side is the null hypothesis depends on
// the Side asked about.
type Null struct {
	Ratio float64 `json:"ratio"`
	Shift float64 `json:"shift"`
}

// Equal is the line canary = stable.
var Equal = Null{Ratio: 1}

// At returns the canary's rate on the line for a given rate of stable.
func (n Null) At(stable float64) float64 { return n.Ratio*stable + n.Shift }

// Scale returns the line whose distance from equality is f times as large:
// ratio 1+f(ρ−1), shift fδ. With f in [0,1] it is a tolerance within a margin,
// with f ≥ 1 a margin widened for an early step.
func (n Null) Scale(f float64) Null {
	return Null{Ratio: 1 + f*(n.Ratio-1), Shift: f * n.Shift}
}

// Project returns the point (q_B, q_C) on the line nearest to theta in the sense
// of the two-sample e-process: it minimises n_C·KL(θ_C‖q_C) + n_B·KL(θ_B‖q_B)
// subject to q_C = ρ·q_B + δ (Turner, Ly and Grünwald, arXiv 2106.02693, for
// equality; arXiv 2203.09785 for linear nulls). Both counts must be positive.
//
// The minimum satisfies
//
//	n_C·ρ·(q_C−θ_C)/(q_C(1−q_C)) + n_B·(q_B−θ_B)/(q_B(1−q_B)) = 0,
//
// whose left side rises with q_B. Its root lies between θ_B and the stable rate
// at which q_C = θ_C, and is found by Newton's method inside that bracket,
// falling back to bisection, to the last bit that float64 can tell apart.
func (n Null) Project(theta Rates, nStable, nCanary float64) Rates {
	w := nCanary / (nCanary + nStable)
	if n == Equal {
		q := clampProb(w*theta.Canary + (1-w)*theta.Stable)
		return Rates{q, q}
	}
	lo, hi := theta.Stable, (theta.Canary-n.Shift)/n.Ratio
	if lo > hi {
		lo, hi = hi, lo
	}
	lo = max(lo, 0, -n.Shift/n.Ratio)
	hi = min(hi, 1, (1-n.Shift)/n.Ratio)
	q := n.root(theta, w, lo, hi)
	return Rates{Stable: clampProb(q), Canary: clampProb(n.At(q))}
}

// root solves Project's equation for q_B in [lo, hi]. The equation is
// multiplied by the two variances, which makes it a cubic free of poles with the
// same sign inside the bracket.
func (n Null) root(theta Rates, w, lo, hi float64) float64 {
	wC, wB := w*n.Ratio, 1-w
	// Start where the variances keep the proportion they have on the line at θ_B;
	// for equality that is the answer.
	vB, vC := variance(theta.Stable), variance(n.At(theta.Stable))
	q := (wC*(theta.Canary-n.Shift)/vC + wB*theta.Stable/vB) / (wC*n.Ratio/vC + wB/vB)
	for range 80 {
		if !(q > lo && q < hi) {
			q = lo + (hi-lo)/2
			if q <= lo || q >= hi {
				return q
			}
		}
		c := n.At(q)
		vq, vc := q*(1-q), c*(1-c)
		f := wC*(c-theta.Canary)*vq + wB*(q-theta.Stable)*vc
		switch {
		case f < 0:
			lo = q
		case f > 0:
			hi = q
		default:
			return q
		}
		slope := wC*(n.Ratio*vq+(c-theta.Canary)*(1-2*q)) + wB*(vc+(q-theta.Stable)*n.Ratio*(1-2*c))
		next := q - f/slope
		// Convergence is quadratic: a step this small leaves an error far below the
		// last bit.
		if math.Abs(next-q) <= 1e-10*q && next > lo && next < hi {
			return next
		}
		q = next
	}
	return q
}

func variance(p float64) float64 {
	p = clampProb(p)
	return p * (1 - p)
}

func clampProb(p float64) float64 {
	return min(max(p, probFloor), 1-probFloor)
}
