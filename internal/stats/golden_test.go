package stats

import (
	"math"
	"testing"
)

// TestGoldenE1 uses the values that the tests of the R package safestats (Turner,
// Ly, Pérez-Ortiz, ter Schure, Grünwald) give for its two-sample e-process.
func TestGoldenE1(t *testing.T) {
	// One of one in group A, none of one in group B, at 2/3 and 1/3: 16/9.
	got := logFactor(Block{Count{1, 0}, Count{1, 1}}, Rates{1. / 3, 2. / 3}, Equal.Project(Rates{1. / 3, 2. / 3}, 1, 1))
	near(t, "uniform priors after one success of A alone", math.Exp(got), 16./9, 1e-14)
	near(t, "projection of 3/4 and 1/4", Equal.Project(Rates{.25, .75}, 1, 1).Stable, .5, 1e-15)
	// At odds of 3 each success of A alone is worth 3/2.
	for k := range 5 {
		var dst [1]float64
		OneSample{Limit: .5, Odds: []float64{3}}.Factors(dst[:], Count{float64(k + 1), float64(k + 1)})
		near(t, "odds of 3", math.Exp(dst[0]), math.Pow(1.5, float64(k+1)), 1e-14)
	}
}

// TestGoldenDraws uses the weights 1, 8, 4 of the same tests: two hits in two
// trials of each arm at odds of 2.
func TestGoldenDraws(t *testing.T) {
	var p [maxRedraw + 1]float64
	least, n := draws(&p, Block{Count{2, 1}, Count{2, 1}}, 2, 2)
	if least != 0 || n != 3 {
		t.Fatalf("from %v, %d cases", least, n)
	}
	for i, w := range []float64{1, 8, 4} {
		near(t, "weight", p[i], w/13, 1e-14)
	}
}

// TestGoldenT uses the table that the R package avlm prints in its README: 100
// observations, 8 coefficients, g chosen for the narrowest interval at n = 100.
func TestGoldenT(t *testing.T) {
	const n, nu = 100., 92.
	best, r := math.Inf(1), 0.0
	for g := 1.; g < 60; g += .01 {
		q := g / (g + n)
		k := math.Pow(1/(.05*math.Sqrt(q)), 2/(nu+1))
		if k*q < 1 && (k-1)/(1-k*q) < best {
			best, r = (k-1)/(1-k*q), q
		}
	}
	for _, c := range []struct{ t, p float64 }{
		{5.776, 9.77e-06}, {8.190, 8.07e-10}, {10.769, 3.19e-14}, {9.527, 3.98e-12}, {.706, 1},
	} {
		// The table's t has three decimals, which is what limits the comparison.
		near(t, "p-value", math.Min(1, math.Exp(-logT(c.t*c.t, nu, r)))/c.p, 1, .005)
	}
}

// TestGoldenAsymptotic uses the radius of the asymptotic confidence sequence of
// Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, theorem 2.2, for one sample of
// t values: σ̂·√(2(tρ²+1)/(t²ρ²)·ln(√(tρ²+1)/α)).
func TestGoldenAsymptotic(t *testing.T) {
	const n, rho2, sigma2, alpha = 400., .01, 2.25, .05
	want := math.Sqrt(sigma2 * 2 * (n*rho2 + 1) / (n * n * rho2) * math.Log(math.Sqrt(n*rho2+1)/alpha))
	u := Unbounded{Weight: 1, Noise: sigma2 / n, Scale: rho2 * sigma2}
	got := u.Interval(alpha, -9, 9)
	near(t, "radius", got.High, want, 1e-12)
	near(t, "radius", -got.Low, want, 1e-12)
}

// TestGoldenMcNemar uses the example of McNemar's test in Agresti's Categorical
// Data Analysis (2nd edition, table 10.1): of 1,600 people 150 changed from
// approval to disapproval and 86 the other way, z² = (86−150)²/(86+150) = 17.4. No
// mixture of bets can have more evidence than the best of them in hindsight, and
// it may miss that by little more than the logarithm of its grid.
func TestGoldenMcNemar(t *testing.T) {
	const b, c = 150., 86.
	best := b*math.Log(2*b/(b+c)) + c*math.Log(2*c/(b+c))
	near(t, "McNemar's statistic", 4.17*4.17, (b-c)*(b-c)/(b+c), 2e-3)
	near(t, "twice the best log evidence, which is it to second order", 2*best, (b-c)*(b-c)/(b+c), .02)
	grid := Stakes()
	p := NewProcess(grid.Components(), Once)
	factors := make([]float64, grid.Components())
	PairBet{Stakes: grid.Odds}.Factors(factors, Pairs{1600, b, c}, Pairs{})
	p.Advance(factors, Temper{Phi: 1}, Once, 0)
	if e := p.LogE(grid.Shares, Once); e > best || e < best-2.5 {
		t.Errorf("log evidence %v, the best bet in hindsight has %v", e, best)
	}
}

// TestGoldenMultinomial: with two classes the sequential chi-square is the
// two-sample test of safestats at the same alternative.
func TestGoldenMultinomial(t *testing.T) {
	m := Multinomial{Stable: []float64{899.5, 99.5}, Canary: []float64{70, 30}}
	theta := Rates{Stable: .1, Canary: (30 + 200*.1) / 300}
	x := Block{Stable: Count{950, 90}, Canary: Count{50, 12}}
	want := logFactor(x, theta, Equal.Project(theta, 950, 50))
	near(t, "log factor", m.Factor([]float64{860, 90}, []float64{38, 12}), want, 1e-12)
}

// TestGoldenBoundedMean: values of 0 and 1 with a stake of λ are the bets of
// Waudby-Smith and Ramdas (2024), Π(1+λ(x−m)); the bound by two moments may only
// lie below.
func TestGoldenBoundedMean(t *testing.T) {
	past := Moments{N: 1000, Sum: 500, SumSq: 500}
	b, c := Moments{N: 100, Sum: 50, SumSq: 50}, Moments{N: 100, Sum: 65, SumSq: 65}
	var dst [1]float64
	MeanBet{Null: Equal, Leaps: []float64{.1}}.Factors(dst[:], b, c, past)
	best := math.Inf(-1)
	for l := 0.; l < 1; l += .001 {
		v := 65*math.Log1p(l/2) + 35*math.Log1p(-l/2) + 50*math.Log1p(-l/2) + 50*math.Log1p(l/2)
		best = math.Max(best, v)
	}
	if dst[0] <= 0 || dst[0] > best {
		t.Errorf("log factor %v, the best bet has %v", dst[0], best)
	}
}
