package stats

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// TestPairExpectation sums over the three outcomes of one pair: for shifts on the
// null's side no stake gains on average.
func TestPairExpectation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shift := rapid.Float64Range(0, .3).Draw(t, "shift")
		side := Side(rapid.IntRange(0, 1).Draw(t, "side"))
		pC := rapid.Float64Range(0, 1).Draw(t, "canary only")
		pB := rapid.Float64Range(0, 1-pC).Draw(t, "stable only")
		if (pC-pB > shift) == (side == Rollback) {
			t.Skip("not in the null")
		}
		b := PairBet{Shift: shift, Side: side, Stakes: Stakes().Odds}
		if rapid.Bool().Draw(t, "plug-in") {
			b.Stakes = nil
		}
		past := Pairs{rapid.Float64Range(0, 1e4).Draw(t, "n"), 0, 0}
		past.CanaryOnly = past.N * rapid.Float64Range(0, .5).Draw(t, "c")
		past.StableOnly = past.N * rapid.Float64Range(0, .5).Draw(t, "b")
		c, s, n := make([]float64, 6), make([]float64, 6), make([]float64, 6)
		b.Factors(c, Pairs{1, 1, 0}, past)
		b.Factors(s, Pairs{1, 0, 1}, past)
		b.Factors(n, Pairs{1, 0, 0}, past)
		for i := range c {
			if e := pC*math.Exp(c[i]) + pB*math.Exp(s[i]) + (1-pC-pB)*math.Exp(n[i]); e > 1+1e-9 {
				t.Fatalf("stake %d: expected factor %v > 1", i, e)
			}
		}
	})
}

// TestPairsOfOneKindAreMcNemar: against equality only discordant pairs count, as a
// sign test at odds of (1+s)/(1−s).
func TestPairsOfOneKindAreMcNemar(t *testing.T) {
	var got, want [1]float64
	PairBet{Stakes: []float64{.5}}.Factors(got[:], Pairs{1e6, 150, 86}, Pairs{})
	OneSample{Limit: .5, Odds: []float64{3}}.Factors(want[:], Count{236, 150})
	near(t, "log factor", got[0], want[0], 1e-12)
}

// TestMultinomialExpectation sums over every outcome of a block of three canary and
// three stable answers of three classes.
func TestMultinomialExpectation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.Float64Range(.01, .9).Draw(t, "a")
		b := rapid.Float64Range(.01, 1-a).Draw(t, "b")
		p := []float64{a, b, 1 - a - b}
		past := func(name string) []float64 {
			return rapid.SliceOfN(rapid.Float64Range(0, 500), 3, 3).Draw(t, name)
		}
		m := Multinomial{Stable: past("stable"), Canary: past("canary")}
		if sum(m.Stable) == 0 {
			t.Skip("no past to bet on")
		}
		e := 0.0
		for i := range 729 {
			x := [2][]float64{make([]float64, 3), make([]float64, 3)}
			prob, code := 1.0, i
			for j := range 6 {
				k := code % 3
				code /= 3
				prob *= p[k]
				x[j/3][k]++
			}
			e += prob * math.Exp(m.Factor(x[0], x[1]))
		}
		if e > 1+1e-9 {
			t.Fatalf("expected factor %v > 1", e)
		}
	})
}

// TestMultinomialSeesWhatNoClassShows: every second class a little more, the others
// a little less.
func TestMultinomialSeesWhatNoClassShows(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	draw := func(n int, tilt float64) []float64 {
		out := make([]float64, 10)
		for range n {
			k := r.IntN(10)
			if tilt > 0 && k%2 == 1 && r.Float64() < tilt {
				k--
			}
			out[k]++
		}
		return out
	}
	for _, c := range []struct {
		tilt  float64
		found bool
	}{{0, false}, {.25, true}} {
		var m Multinomial
		for range 100 {
			stable, canary := draw(950, 0), draw(50, c.tilt)
			m.LogE += m.Factor(stable, canary)
			m.Observe(stable, canary, 1)
		}
		if (m.LogE > math.Log(100)) != c.found {
			t.Errorf("tilt %v: evidence %v", c.tilt, m.LogE)
		}
	}
}

func TestMultinomialGrowsClasses(t *testing.T) {
	var m Multinomial
	if f := m.Factor([]float64{5}, []float64{5}); f != 0 {
		t.Errorf("factor %v without a past", f)
	}
	m.Observe([]float64{90, 10}, []float64{9, 1}, 1)
	c := m.Clone()
	c.Observe([]float64{90, 10, 0}, []float64{500, 0, 500}, .5)
	if len(m.Stable) != 2 || len(c.Stable) != 3 || c.Stable[0] != 135 {
		t.Errorf("pasts %v and %v", m.Stable, c.Stable)
	}
	if f := c.Factor([]float64{90, 10, 0}, []float64{5, 0, 5}); !(f > 1) {
		t.Errorf("a class that only the canary is known to have is evidence %v", f)
	}
}

// TestGaugeFalseAlarms: looked at after every number, with means at the boundary
// and beyond it.
func TestGaugeFalseAlarms(t *testing.T) {
	const runs = 600
	for _, mean := range []float64{0, -.3} {
		hits := 0
		for seed := range uint64(runs) {
			r := rand.New(rand.NewPCG(seed, 3))
			var s Series
			for range 300 {
				s.Add(mean + 7*r.NormFloat64())
				if s.LogT(0, 1) >= math.Log(20) {
					hits++
					break
				}
			}
		}
		t.Logf("mean %v: %d of %d", mean, hits, runs)
		if limit := runs*.05 + 4*math.Sqrt(runs*.05*.95); float64(hits) > limit {
			t.Errorf("mean %v: %d of %d reach 1/0.05", mean, hits, runs)
		}
	}
	var s Series
	for _, x := range []float64{5, 6, 7, 5.5, 6.2, 5.8} {
		s.Add(x)
	}
	if e := s.LogT(0, 1); e < math.Log(20) || s.LogT(0, -1) > logFloor {
		t.Errorf("evidence %v above, %v below", e, s.LogT(0, -1))
	}
}

// TestGaugeIntervalInverts: the interval's ends are where the evidence reaches the
// bound.
func TestGaugeIntervalInverts(t *testing.T) {
	var s Series
	r := rand.New(rand.NewPCG(8, 3))
	if got := s.Interval(.05, -3, 3); got != (Interval{-3, 3}) {
		t.Errorf("of nothing: %+v", got)
	}
	for range 40 {
		s.Add(3 + r.NormFloat64())
	}
	got := s.Interval(.05, -100, 100)
	near(t, "at the lower end", s.LogT(got.Low, 1), math.Log(40), 1e-9)
	near(t, "at the upper end", s.LogT(got.High, -1), math.Log(40), 1e-9)
}

// unboundedRuns counts false alarms with lognormal values looked at after every
// block of five canary and fifteen stable values.
func unboundedRuns(runs int, sigma, burnIn float64) (hits int) {
	for seed := range uint64(runs) {
		r := rand.New(rand.NewPCG(seed, 4))
		draw := func(n int) Moments {
			var m Moments
			for range n {
				x := math.Exp(sigma * r.NormFloat64())
				m = m.Plus(Moments{1, x, x * x})
			}
			return m
		}
		variance := func(m Moments) float64 { return math.Max(1e-9, m.SumSq/m.N-m.Mean()*m.Mean()) }
		var u Unbounded
		b, c := draw(45), draw(15)
		for range 500 {
			x, y := draw(15), draw(5)
			u.Add(x, y, 1, variance(b), variance(c))
			b, c = b.Plus(x), c.Plus(y)
			if u.Ready(burnIn) && u.LogE(0, 1) >= math.Log(100) {
				hits++
				break
			}
		}
	}
	return hits
}

// TestUnboundedNeedsABurnIn: with heavy tails the asymptotic bound is broken early
// and nearly kept after a thousand values.
func TestUnboundedNeedsABurnIn(t *testing.T) {
	const runs = 200
	early, late, light := unboundedRuns(runs, 1.5, 10), unboundedRuns(runs, 1.5, 1000), unboundedRuns(runs, .3, 1000)
	t.Logf("false alarms at 1%%: %d of %d after 10 values, %d after 1,000; light tails %d", early, runs, late, light)
	if late > runs*4/100+4 || light > runs/100+4 || early < late {
		t.Errorf("false alarms: %d of %d after 10 values, %d after 1,000, light tails %d", early, runs, late, light)
	}
}

func TestUnboundedLogE(t *testing.T) {
	var u Unbounded
	if u.LogE(0, 1) != 0 || u.Ready(1) || u.Interval(.05, -1, 1) != (Interval{-1, 1}) {
		t.Error("evidence of nothing")
	}
	u.Add(Moments{}, Moments{5, 5, 5}, 1, 1, 1)
	u.Add(Moments{950, 0, 950}, Moments{50, 50, 100}, 1, 1, 1)
	if !u.Ready(50) {
		t.Fatal("not ready after 50 values")
	}
	if e := u.LogE(0, 1); e < math.Log(100) {
		t.Errorf("seven standard errors above: evidence %v", e)
	}
	if e := u.LogE(0, -1); !(e < -1) || math.IsInf(e, 0) || math.IsNaN(e) {
		t.Errorf("seven standard errors above is evidence %v of below", e)
	}
	if e := u.LogE(1e6, 1); math.IsNaN(e) || math.IsInf(e, 0) {
		t.Errorf("far out: %v", e)
	}
	d, _ := u.Estimate()
	near(t, "estimate", d, 1, 1e-12)
}
