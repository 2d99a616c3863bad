package stats

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// TestStakeIsTheOptimum: no other stake grows faster by the same bound.
func TestStakeIsTheOptimum(t *testing.T) {
	for _, d := range []float64{.001, .01, .1} {
		l, c := stake(d, .02, .05)
		best := l*d - c*l*l*.02
		for _, f := range []float64{.5, .9, 1.1, 2} {
			if m := f * l; m*.05 <= stepLimit && m*d-bend(m*.05)*m*m*.02 > best*1.03 {
				t.Errorf("effect %v: stake %v grows by %v, %v by more", d, l, best, m)
			}
		}
	}
}

// moments of values.
func moments(values ...float64) Moments {
	var m Moments
	for _, v := range values {
		m = m.Plus(Moments{1, v, v * v})
	}
	return m
}

func TestMomentsOfTransformedValues(t *testing.T) {
	raw := moments(-2, 1, 4, 10)
	got, want := raw.Unit(-2, 10), moments(0, .25, .5, 1)
	near(t, "unit sum", got.Sum, want.Sum, 1e-14)
	near(t, "unit sum of squares", got.SumSq, want.SumSq, 1e-14)
	got, want = want.Mirror(), moments(1, .75, .5, 0)
	near(t, "mirrored sum", got.Sum, want.Sum, 1e-14)
	near(t, "mirrored sum of squares", got.SumSq, want.SumSq, 1e-14)
	near(t, "mean", want.Mean(), .5625, 1e-15)
	near(t, "squares about .5", want.about(.5), .25+.0625+0+.25, 1e-14)
	near(t, "variance of nothing", Moments{}.Variance(), 1./12, 1e-15)
	near(t, "mean of nothing", Moments{}.Mean(), .5, 0)
}

// TestMeanExpectation sums over all outcomes of two-point distributions with
// means on the null's side, for any belief.
func TestMeanExpectation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := Null{Ratio: rapid.Float64Range(.8, 1.5).Draw(t, "ratio"), Shift: rapid.Float64Range(0, .3).Draw(t, "shift")}
		side := Side(rapid.IntRange(0, 1).Draw(t, "side"))
		lo := rapid.Float64Range(0, .5).Draw(t, "lo")
		hi := rapid.Float64Range(lo+.01, 1).Draw(t, "hi")
		pB, pC := rapid.Float64Range(0, 1).Draw(t, "pB"), rapid.Float64Range(0, 1).Draw(t, "pC")
		muB, muC := lo+(hi-lo)*pB, lo+(hi-lo)*pC
		if (muC > n.At(muB)) == (side == Rollback) {
			t.Skip("not in the null")
		}
		past := moments(rapid.SliceOfN(rapid.Float64Range(0, 1), 1, 5).Draw(t, "past")...)
		bet := MeanBet{Null: n, Side: side, Leaps: []float64{rapid.Float64Range(.01, 3).Draw(t, "leap")}}
		if rapid.Bool().Draw(t, "plug-in") {
			bet.Leaps = nil
		}
		arm := func(c Count) Moments {
			return Moments{c.N, c.K*hi + (c.N-c.K)*lo, c.K*hi*hi + (c.N-c.K)*lo*lo}
		}
		dst := make([]float64, 1)
		e := expected(7, 4, Rates{Stable: pB, Canary: pC}, func(x Block) float64 {
			bet.Factors(dst, arm(x.Stable), arm(x.Canary), past)
			return dst[0]
		})
		if e > 1+1e-9 {
			t.Fatalf("expected factor %v > 1 at means %v and %v", e, muB, muC)
		}
	})
}

func TestMeanBetFindsADecline(t *testing.T) {
	// A decline of 0.12 standard deviations at 95/5 requests a second.
	past := Moments{100000, 60000, 100000 * (.36 + .0225)}
	dst := make([]float64, len(Leaps().Odds))
	stable := past.Times(1425. / 100000)
	canary := Moments{75, 75 * .582, 75 * (.582*.582 + .0225)}
	MeanBet{Null: Equal, Leaps: Leaps().Odds}.Factors(dst, stable.Mirror(), canary.Mirror(), past.Mirror())
	best := math.Inf(-1)
	for _, v := range dst {
		best = math.Max(best, v)
	}
	if best < .2 || best > .6 {
		t.Errorf("best factor %v per block, want about 0.35 (ln 100 in some 13 to 20 blocks)", best)
	}
	MeanBet{Null: Equal, Leaps: Leaps().Odds}.Factors(dst, stable, canary, past)
	for i, v := range dst {
		if v >= 0 {
			t.Errorf("effect %d: a decline is evidence %v for growth", i, v)
		}
	}
}

func TestMeanGrowthIsPositiveWithinTheMargin(t *testing.T) {
	past := Moments{1000, 600, 382.5}
	bet := MeanBet{Null: Null{1, .02}, Side: Promotion}
	if g := bet.Growth(past.Mirror(), 95, 5); g <= 0 {
		t.Errorf("growth %v for equal arms within the margin", g)
	}
	if g := bet.Growth(Moments{}, 95, 5); g != 0 {
		t.Errorf("growth %v with nothing known", g)
	}
}

// FuzzMeanFactorsAreFinite: no moments of up to 2^53 values break a block.
func FuzzMeanFactorsAreFinite(f *testing.F) {
	f.Add(uint64(1<<53), .5, .3, uint64(1), 1.0, 1.0)
	f.Add(uint64(0), .5, .3, uint64(1<<53), 0.0, 0.0)
	f.Fuzz(func(t *testing.T, nB uint64, meanB, sqB float64, nC uint64, meanC, sqC float64) {
		ok := func(m, s float64) bool { return m >= 0 && m <= 1 && s >= 0 && s <= 1 }
		if !ok(meanB, sqB) || !ok(meanC, sqC) {
			t.Skip()
		}
		b, c := float64(nB%(1<<53+1)), float64(nC%(1<<53+1))
		stable, canary := Moments{b, b * meanB, b * sqB}, Moments{c, c * meanC, c * sqC}
		for _, bet := range []MeanBet{{Null: Null{1, .01}, Leaps: Leaps().Odds}, {Null: Null{1.1, .02}, Side: Promotion}} {
			dst := make([]float64, max(1, len(bet.Leaps)))
			for _, past := range []Moments{{}, stable, canary} {
				bet.Factors(dst, stable, canary, past)
				for _, v := range dst {
					if math.IsNaN(v) || math.IsInf(v, 0) {
						t.Fatalf("factor %v of %+v against %+v, past %+v", v, canary, stable, past)
					}
				}
			}
		}
	})
}
