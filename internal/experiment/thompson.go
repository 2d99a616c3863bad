package experiment

import (
	"math"

	"gonum.org/v1/gonum/mathext"

	"github.com/haldane-dev/haldane/internal/stats"
)

// posterior is what is believed of an arm's mean: a Beta distribution.
type posterior struct{ a, b float64 }

// posteriorOf begins with the uniform distribution. Of hits and misses it is the
// exact posterior; of other values in [0,1] the Beta distribution of so many hits
// and misses as would leave their mean equally uncertain.
func posteriorOf(m stats.Moments) posterior {
	mean := math.Min(math.Max(m.Mean(), 0), 1) // a sum is rounded
	n := m.N
	if v := m.Variance(); v > 0 && n > 0 {
		n *= math.Max(mean*(1-mean), 1e-9) / v
	}
	return posterior{1 + n*mean, 1 + n*(1-mean)}
}

func (p posterior) mean() float64 { return p.a / (p.a + p.b) }

func (p posterior) sd() float64 {
	m := p.mean()
	return math.Sqrt(m * (1 - m) / (p.a + p.b + 1))
}

// cdf returns the probability of at most x.
func (p posterior) cdf(x float64) float64 {
	switch {
	case x <= 0:
		return 0
	case x >= 1:
		return 1
	}
	return mathext.RegIncBeta(p.a, p.b, x)
}

// quadrature is the number of cells over which probabilities integrates: enough
// for a percent of traffic.
const quadrature = 400

// probabilities returns of each arm the probability that its mean is the largest,
// ∫ Π_{j≠i} F_j(x) dF_i(x): the sum over cells of the mass of i times the others'
// distribution functions at the cell's middle. That is Thompson sampling's
// share in the limit of many draws, without one.
func probabilities(of []posterior) []float64 {
	low, high := 1., 0.
	for _, p := range of {
		low = math.Min(low, p.mean()-9*p.sd())
		high = math.Max(high, p.mean()+9*p.sd())
	}
	low, high = math.Max(low, 0), math.Min(high, 1)
	out := make([]float64, len(of))
	at, middle := make([]float64, len(of)), make([]float64, len(of))
	for i, p := range of {
		at[i] = p.cdf(low)
	}
	sum := 0.
	for k := range quadrature {
		x := low + (high-low)*float64(k+1)/quadrature
		for i, p := range of {
			middle[i] = p.cdf(x - (high-low)/(2*quadrature))
		}
		for i, p := range of {
			next := p.cdf(x)
			mass := next - at[i]
			at[i] = next
			for j := range of {
				if j != i {
					mass *= middle[j]
				}
			}
			out[i] += mass
			sum += mass
		}
	}
	for i := range out {
		if sum > 0 {
			out[i] /= sum
		} else {
			out[i] = 1 / float64(len(of))
		}
	}
	return out
}
