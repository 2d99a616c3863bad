package plan

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/haldane-dev/haldane/internal/stats"
)

// TestPassageAgainstKnownValues: the distribution function of the inverse
// Gaussian law. With drift 1, level 1 and noise 1 it is Φ(0)+e²Φ(−2) at 1; a
// motion that falls arrives at all with probability e^{2μL/σ²}.
func TestPassageAgainstKnownValues(t *testing.T) {
	for _, c := range []struct {
		p    passage
		t    float64
		want float64
	}{
		{passage{1, 1, 1}, 1, .5 + math.Exp(2)*.022750131948179212},
		{passage{1, 1, 1}, 1e6, 1},
		{passage{2, -.5, 1}, 1e6, math.Exp(-2)},
		{passage{1, 0, 1}, 1, 2 * .15865525393145707}, // reflection
		{passage{3, 1, 0}, 2.9, 0},
		{passage{3, 1, 0}, 3.1, 1},
		{passage{1, 1, 1}, 0, 0},
		{passage{}, 1, 0},
	} {
		if got := c.p.by(c.t); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%+v by %v: %v, want %v", c.p, c.t, got, c.want)
		}
	}
}

// TestPassageOfExtremes: no overflow where a huge factor meets a tiny one.
func TestPassageOfExtremes(t *testing.T) {
	for _, p := range []passage{{700, 50, .001}, {1e-3, 1e3, 1e-9}, {5, 1e-9, 1e-15}, {690, -1e3, 1}, {1, 1e-3, 1e12}} {
		last := 0.
		for x := 1e-6; x < 1e12; x *= 3 {
			got := p.by(x)
			if math.IsNaN(got) || got < last-1e-9 || got > 1 {
				t.Fatalf("%+v by %v: %v after %v", p, x, got, last)
			}
			last = got
		}
	}
}

func TestLogNormalTail(t *testing.T) {
	for _, z := range []float64{-29.9, -30.1} {
		direct := math.Log(math.Erfc(-z/math.Sqrt2) / 2)
		if got := logNormal(z); math.Abs(got-direct) > 1e-5*math.Abs(direct) {
			t.Errorf("ln Φ(%v) = %v, want %v", z, got, direct)
		}
	}
	if got := logNormal(-1e4); math.IsInf(got, 0) || got > -4.9e7 {
		t.Errorf("ln Φ(−10⁴) = %v", got)
	}
}

// TestWalkIsTheBet: drift and noise of the walk are the mean and the variance of
// the log factors of simulated blocks.
func TestWalkIsTheBet(t *testing.T) {
	g := stats.Effects()
	o := odds{
		bet:    stats.Bet{Null: stats.Null{Ratio: 1.25, Shift: .001}, Side: stats.Rollback, Odds: g.Odds},
		shares: g.Shares, theta: .01, truth: stats.Rates{Stable: .01, Canary: .02},
	}
	p := o.walk(95, 5)
	r := rand.New(rand.NewPCG(1, 1))
	sum, square := make([]float64, len(g.Odds)), make([]float64, len(g.Odds))
	const n = 20000
	for range n {
		dst := make([]float64, len(g.Odds))
		o.bet.Factors(dst, stats.Block{
			Stable: stats.Count{N: 950, K: float64(binomial(r, 950, .01))}, Canary: stats.Count{N: 50, K: float64(binomial(r, 50, .02))},
		}, .01)
		for i, v := range dst {
			sum[i] += v / n
			square[i] += v * v / n
		}
	}
	for i := range g.Odds {
		mean, noise := sum[i], square[i]-sum[i]*sum[i]
		if want := 10 * p.drift[i]; math.Abs(mean-want) > 4*math.Sqrt(noise/n) {
			t.Errorf("odds %v: mean %v, want %v", g.Odds[i], mean, want)
		}
		if want := 10 * p.noise(p.slope[i]); math.Abs(noise-want) > .06*want {
			t.Errorf("odds %v: variance %v, want %v", g.Odds[i], noise, want)
		}
	}
}

// TestExcessAgainstSimulation: how much the estimated dispersion of independent
// requests exceeds 1 on average, from differences of neighbouring stretches.
func TestExcessAgainstSimulation(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 1))
	squares := func(k int) float64 {
		sum, last := 0., r.NormFloat64()
		for range k {
			x := r.NormFloat64()
			sum, last = sum+(x-last)*(x-last)/2, x
		}
		return sum
	}
	for _, k := range []int{4, 20, 100} {
		for _, errors := range []float64{-tilt, 0, tilt} {
			sum := 0.
			const n = 20000
			moved := errors * math.Sqrt(3*float64(k))
			for range n {
				b := math.Max(1, (4+squares(k)+moved)/(4+float64(k)))
				sum += math.Max(b, (10*b+squares(k)+moved)/(10+float64(k))) - 1
			}
			if got, want := excess(float64(k), float64(k), errors), sum/n; math.Abs(got-want) > .15*want+.02 {
				t.Errorf("%d observations, %v errors: %.3f, simulated %.3f", k, errors, got, want)
			}
		}
	}
	if got := excess(0, 0, tilt); got != 0 {
		t.Errorf("nothing observed: %v", got)
	}
}

func TestCurves(t *testing.T) {
	var a, b curve
	a.horizon, b.horizon = 100, 100
	for i := range a.by {
		a.by[i] = a.at(i) / 100 // uniform
		b.by[i] = a.by[i] / 2   // arrives half of the time
	}
	if q := a.quantile(.5); math.Abs(q-50) > .5 {
		t.Errorf("median %v, want 50", q)
	}
	if q := b.quantile(.6); !math.IsInf(q, 1) {
		t.Errorf("more than ever arrives: %v", q)
	}
	if p := a.before(a).end(); math.Abs(p-.5) > .01 {
		t.Errorf("before its like: %v, want ½", p)
	}
	if p := a.before(b).end(); math.Abs(p-.75) > .01 {
		t.Errorf("before one that comes half of the time: %v, want ¾", p)
	}
	if p := a.and(a).by[points/2]; math.Abs(p-.0625) > 1e-9 {
		t.Errorf("both: %v, want 1/16", p)
	}
	if m, v := a.moments(); math.Abs(m-50) > .1 || math.Abs(v-1e4/12) > 10 {
		t.Errorf("mean %v and variance %v, want 50 and 833", m, v)
	}
	if m, _ := b.moments(); math.Abs(m-75) > .1 {
		t.Errorf("mean %v, what never comes taken at the horizon, want 75", m)
	}
}

func TestHistogram(t *testing.T) {
	h := histogram{edges(), Lognormal(edges(), .05, .2)}
	for q, want := range map[float64]float64{.5: .05, .99: .2} {
		if got, ok := h.quantile(q); !ok || math.Abs(got/want-1) > .01 {
			t.Errorf("p%v %v, want %v", 100*q, got, want)
		}
		if got := h.exceeding(want) / h.total(); math.Abs(got-(1-q)) > .003 {
			t.Errorf("over %v: %v, want %v", want, got, 1-q)
		}
	}
	small := histogram{[]float64{1, 2}, []float64{2, 1, 1}}
	for x, want := range map[float64]float64{.5: 3, 1: 2, 2: 1, 5: 1} {
		if got := small.exceeding(x); math.Abs(got-want) > 1e-12 {
			t.Errorf("over %v: %v, want %v", x, got, want)
		}
	}
	if _, ok := small.quantile(.9); ok {
		t.Error("a quantile beyond the last edge is known")
	}
	for x, want := range map[float64]int{.1: 0, 1.3: 0, 1.5: 1, 9: 1} {
		if got := nearest(small.edges, x); got != want {
			t.Errorf("nearest to %v: %d, want %d", x, got, want)
		}
	}
}
