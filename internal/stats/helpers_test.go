package stats

import (
	"math"
	"testing"
)

// near fails the test unless got is within a relative or absolute tol of want.
func near(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol*math.Max(1, math.Abs(want))) {
		t.Errorf("%s = %.15g, want %.15g (tolerance %g)", what, got, want, tol)
	}
}

// pmf is the binomial probability of k hits in n trials.
func pmf(n, k int, p float64) float64 {
	lg := func(x int) float64 { v, _ := math.Lgamma(float64(x) + 1); return v }
	return math.Exp(lg(n)-lg(k)-lg(n-k)) * math.Pow(p, float64(k)) * math.Pow(1-p, float64(n-k))
}

// expected returns the exact expectation of e^factor over binomial hits.
func expected(nB, nC int, p Rates, factor func(Block) float64) float64 {
	sum := 0.0
	for b := range nB + 1 {
		for c := range nC + 1 {
			x := Block{
				Stable: Count{float64(nB), float64(b)},
				Canary: Count{float64(nC), float64(c)},
			}
			sum += pmf(nB, b, p.Stable) * pmf(nC, c, p.Canary) * math.Exp(factor(x))
		}
	}
	return sum
}
