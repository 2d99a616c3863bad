package stats

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// after returns the evidence after block x as a share of the threshold, cut off
// there, with and without Recoup.
func (b Bet) after(p Process, g Grid, s Schedule, x Block, belief, threshold float64) (plain, raised float64) {
	dst := make([]float64, b.Components())
	slopes := make([]float64, b.Components())
	b.Factors(dst, x, belief)
	b.Slopes(slopes, x, belief)
	q := p.Clone()
	q.Advance(dst, Temper{Phi: 1}, s, 0)
	plain = math.Exp(q.LogE(g.Shares, s) - threshold)
	f := Recoup{Threshold: threshold, Shares: g.Shares, Null: b.Null, Block: x, Slopes: slopes}.LogShare(q, s, 1)
	for i := range q.Log {
		q.Log[i] += f
	}
	return math.Min(1, plain), math.Min(1, math.Exp(q.LogE(g.Shares, s)-threshold))
}

// TestRecoupExpectation sums over every outcome of small blocks: for rates on the
// null's side the evidence, cut at the threshold, does not grow on average.
func TestRecoupExpectation(t *testing.T) {
	g := Grid{Odds: []float64{1.5, 4, 20}, Shares: []float64{.5, .3, .2}}
	rapid.Check(t, func(t *rapid.T) {
		null := Null{1, 0}
		if rapid.Bool().Draw(t, "tolerant") {
			null = Null{rapid.Float64Range(1, 1.5).Draw(t, "ratio"), rapid.Float64Range(0, .05).Draw(t, "shift")}
		}
		pB := rapid.Float64Range(0, .5).Draw(t, "pB")
		pC := null.At(pB)
		if rapid.Bool().Draw(t, "inside") {
			pC *= rapid.Float64Range(0, 1).Draw(t, "below")
		}
		belief := rapid.Float64Range(.001, .5).Draw(t, "belief")
		s := Restarting(rapid.IntRange(0, 5).Draw(t, "slots"))
		p := NewProcess(3, s)
		for i := range p.Log {
			p.Log[i] += rapid.Float64Range(-1, 1).Draw(t, "past")
		}
		before := math.Exp(p.LogE(g.Shares, s))
		threshold := math.Log(before) + rapid.Float64Range(.01, 2).Draw(t, "to go")
		if threshold <= 0 {
			t.Skip("decided already")
		}
		bet := Bet{Null: null, Odds: g.Odds}
		nB, nC := rapid.IntRange(1, 9).Draw(t, "nB"), rapid.IntRange(1, 5).Draw(t, "nC")
		mean := 0.0
		for b := range nB + 1 {
			for c := range nC + 1 {
				x := Block{Count{float64(nB), float64(b)}, Count{float64(nC), float64(c)}}
				plain, raised := bet.after(p, g, s, x, belief, threshold)
				if raised < plain-1e-12 {
					t.Fatalf("%d and %d hits: evidence %v lowered to %v", b, c, plain, raised)
				}
				mean += pmf(nB, b, pB) * pmf(nC, c, pC) * raised
			}
		}
		if now := before / math.Exp(threshold); mean > now*(1+1e-9) {
			t.Fatalf("evidence %v grows to %v on average at p_B=%v p_C=%v", now, mean, pB, pC)
		}
	})
}

// TestRecoupOfOneHit compares with the published rule for a single request: at a
// hit on stable all stakes are multiplied by 1 + w(M_C−1/α)/((1−w)M_B).
func TestRecoupOfOneHit(t *testing.T) {
	g := Grid{Odds: []float64{2, 10}, Shares: []float64{.6, .4}}
	bet := Bet{Null: Equal, Odds: g.Odds}
	p := Process{Log: []float64{3.5, 3.9}}
	x := Block{Count{95, 1}, Count{5, 0}}
	dst, slopes := make([]float64, 2), make([]float64, 2)
	bet.Factors(dst, x, .01)
	bet.Slopes(slopes, x, .01)
	p.Advance(dst, Temper{Phi: 1}, Once, 0)
	mB := math.Exp(p.LogE(g.Shares, Once))
	canary := p.Clone()
	for i := range canary.Log {
		canary.Log[i] += slopes[i]
	}
	mC := math.Exp(canary.LogE(g.Shares, Once))
	if mC <= 100 || mB >= 100 {
		t.Fatalf("evidence %v or %v: the case does not overshoot 100", mC, mB)
	}
	r := Recoup{Threshold: math.Log(100), Shares: g.Shares, Null: Equal, Block: x, Slopes: slopes}
	near(t, "factor", r.LogShare(p, Once, 1), math.Log(1+.05*(mC-100)/(.95*mB)), 1e-12)
}

func TestRecoupDoesNothing(t *testing.T) {
	p := Process{Log: []float64{4}}
	ok := Recoup{
		Threshold: math.Log(100), Shares: []float64{1}, Null: Equal,
		Block: Block{Count{95, 1}, Count{5, 0}}, Slopes: []float64{3},
	}
	if ok.LogShare(p, Once, 1) <= 0 {
		t.Fatal("the case that the others are variations of recoups nothing")
	}
	for name, change := range map[string]func(*Recoup, *Process){
		"without a threshold":         func(r *Recoup, _ *Process) { r.Threshold = 0 },
		"without hits":                func(r *Recoup, _ *Process) { r.Block.Stable.K = 0 },
		"with fractions of hits":      func(r *Recoup, _ *Process) { r.Block.Stable.K = 1.5 },
		"with too many hits":          func(r *Recoup, _ *Process) { r.Block = Block{Count{1e6, 900}, Count{1e5, 20}} },
		"while evidence is held":      func(_ *Recoup, p *Process) { p.Held = []float64{0} },
		"under a null below 1":        func(r *Recoup, _ *Process) { r.Null.Ratio = .9 },
		"where nothing can overshoot": func(_ *Recoup, p *Process) { p.Log[0] = -5 },
	} {
		r, q := ok, p.Clone()
		change(&r, &q)
		if f := r.LogShare(q, Once, 1); f != 0 {
			t.Errorf("%s: factor e^%v, want 1", name, f)
		}
	}
}

// FuzzRecoupIsFinite: no counts and no evidence break it.
func FuzzRecoupIsFinite(f *testing.F) {
	f.Add(uint64(1<<53), uint64(64), uint64(1<<53), uint64(64), 4.0, .01)
	f.Add(uint64(1), uint64(1), uint64(1), uint64(1), 700.0, 0.0)
	f.Add(uint64(3), uint64(3), uint64(1<<53), uint64(0), -1e300, 1.0)
	f.Fuzz(func(t *testing.T, nB, kB, nC, kC uint64, log, belief float64) {
		if !(math.Abs(log) <= 1e300) || math.IsNaN(belief) {
			t.Skip()
		}
		nB, nC = nB%(1<<53+1), nC%(1<<53+1)
		x := Block{
			Count{float64(nB), float64(kB % (min(nB, 64) + 1))},
			Count{float64(nC), float64(kC % (min(nC, 64) + 1))},
		}
		g := Effects()
		bet := Bet{Null: Equal, Odds: g.Odds}
		p := NewProcess(g.Components(), Once)
		for i := range p.Log {
			p.Log[i] = log
		}
		slopes := make([]float64, g.Components())
		bet.Slopes(slopes, x, belief)
		r := Recoup{Threshold: 5, Shares: g.Shares, Null: Equal, Block: x, Slopes: slopes}
		if v := r.LogShare(p, Once, 1); math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
			t.Fatalf("factor e^%v for %+v at evidence %v", v, x, log)
		}
	})
}
