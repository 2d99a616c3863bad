package stats

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestBendBoundsTheLogarithm(t *testing.T) {
	for _, reach := range []float64{1e-9, 1e-4, .001, .01, .3, .5, .75} {
		c := bend(reach)
		for z := -reach; z <= 3; z += math.Max(reach/50, 1e-3) {
			if math.Log1p(z) < z-c*z*z-1e-15 {
				t.Fatalf("reach %v: ln(1+%v) is below z − %v·z²", reach, z, c)
			}
		}
	}
	near(t, "bend at one half", bend(.5), math.Log(2)/.25-2, 1e-12)
}

// TestSequenceExpectation sums over every outcome of small blocks: at the true
// difference neither side's evidence grows on average, whatever was expected.
func TestSequenceExpectation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Rates{rapid.Float64Range(0, 1).Draw(t, "pB"), rapid.Float64Range(0, 1).Draw(t, "pC")}
		belief := Rates{rapid.Float64Range(.001, .999).Draw(t, "qB"), rapid.Float64Range(.001, .999).Draw(t, "qC")}
		past := func(q float64) Moments { return Moments{50, 50 * q, 50 * (q*q + .02)} }
		inMoments := rapid.Bool().Draw(t, "moments")
		nB, nC := rapid.IntRange(0, 8).Draw(t, "nB"), rapid.IntRange(1, 6).Draw(t, "nC")
		d := p.Canary
		if nB > 0 {
			d -= p.Stable
		}
		bets := rapid.SampledFrom([]int{Fine, Coarse}).Draw(t, "bets")
		for i := range bets {
			for side, sign := range []float64{1, -1} {
				e := expected(nB, nC, p, func(x Block) float64 {
					s := NewSequence(bets)
					b, c := Share(x.Stable, belief.Stable), Share(x.Canary, belief.Canary)
					if inMoments {
						b = Values(Moments{x.Stable.N, x.Stable.K, x.Stable.K}, past(belief.Stable))
						c = Values(Moments{x.Canary.N, x.Canary.K, x.Canary.K}, past(belief.Canary))
					}
					s.Advance(b, c, Temper{Phi: 1})
					at := 2*bets*side + i
					return s.Evidence.Log[at] - sign*d*s.Evidence.Log[at+bets]
				})
				if e > 1+1e-9 {
					t.Fatalf("bet %d, side %v: expected factor %v > 1", i, sign, e)
				}
			}
		}
	})
}

// TestSequenceOfPairsExpectation sums over the outcomes of one pair.
func TestSequenceOfPairsExpectation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.Float64Range(0, 1).Draw(t, "canary only")
		b := rapid.Float64Range(0, 1-c).Draw(t, "stable only")
		past := Pairs{N: 100, CanaryOnly: rapid.Float64Range(0, 50).Draw(t, "past c"), StableOnly: rapid.Float64Range(0, 50).Draw(t, "past b")}
		mean := .5 + (c-b)/2
		outcomes := []struct {
			p float64
			x Pairs
		}{{c, Pairs{1, 1, 0}}, {b, Pairs{1, 0, 1}}, {1 - b - c, Pairs{1, 0, 0}}}
		for i := range Fine {
			above, below := 0.0, 0.0
			for _, o := range outcomes {
				s := NewSequence(Fine)
				s.Advance(Arm{}, Differences(o.x, past), Temper{Phi: 1})
				log := s.Evidence.Log
				above += o.p * math.Exp(log[i]-mean*log[Fine+i])
				below += o.p * math.Exp(log[2*Fine+i]+mean*log[3*Fine+i])
			}
			if above > 1+1e-9 || below > 1+1e-9 {
				t.Fatalf("bet %d: expected factors %v and %v > 1", i, above, below)
			}
		}
	})
}

// intervals feeds blocks of equal size and calls look with the interval after each.
func intervals(seed uint64, p Rates, nB, nC float64, blocks, bets int, look func(Interval)) {
	r := rand.New(rand.NewPCG(seed, 9))
	s := NewSequence(bets)
	var b, c Past
	for range blocks {
		x := Block{Count{nB, drawn(r, nB, p.Stable)}, Count{nC, drawn(r, nC, p.Canary)}}
		qB := b.Rate(RarePrior)
		qC := c.Rate(Prior{N: .5 / qB, K: .5})
		s.Advance(Share(x.Stable, qB), Share(x.Canary, qC), Temper{Phi: 1})
		b.Add(x.Stable, 1)
		c.Add(x.Canary, 1)
		look(s.Interval(.05, -1, 1))
	}
}

// drawn is a binomial draw.
func drawn(r *rand.Rand, n, p float64) float64 {
	k := 0.0
	for range int(n) {
		if r.Float64() < p {
			k++
		}
	}
	return k
}

// TestSequenceCovers looks after every block: in at most 5% of rollouts may the
// interval ever leave out the difference.
func TestSequenceCovers(t *testing.T) {
	const runs = 400
	for _, p := range []Rates{{.01, .01}, {.01, .03}, {.3, .25}, {.002, .002}} {
		missed := 0
		for seed := range uint64(runs) {
			out := false
			intervals(seed, p, 190, 10, 60, Fine, func(i Interval) {
				out = out || p.Canary-p.Stable < i.Low || p.Canary-p.Stable > i.High
			})
			if out {
				missed++
			}
		}
		t.Logf("%v: missed in %d of %d", p, missed, runs)
		if limit := runs*.05 + 4*math.Sqrt(runs*.05*.95); float64(missed) > limit {
			t.Errorf("%v: the interval left the difference out in %d of %d rollouts", p, missed, runs)
		}
	}
}

// TestSequenceNarrows: against the interval for a single look, which is valid at
// that look alone, it is at most twice as wide from the first thousand canary
// requests on.
func TestSequenceNarrows(t *testing.T) {
	p := Rates{.05, .05}
	for _, n := range []int{1000, 10000, 100000} {
		var last Interval
		intervals(3, p, float64(19*n/100), float64(n/100), 100, Fine, func(i Interval) { last = i })
		coarse := last
		intervals(3, p, float64(19*n/100), float64(n/100), 100, Coarse, func(i Interval) { coarse = i })
		if wider := (coarse.High - coarse.Low) / (last.High - last.Low); wider > 1.4 {
			t.Errorf("%d canary requests: coarse bets give an interval %v times as wide as fine ones", n, wider)
		}
		once := 2 * Z95 * math.Sqrt(.05*.95*(1/float64(n)+1/(19*float64(n))))
		ratio := (last.High - last.Low) / once
		t.Logf("%d canary requests: %.2f times as wide as at one look", n, ratio)
		if ratio > 2 || ratio < 1 {
			t.Errorf("%d canary requests: %v times as wide as at one look", n, ratio)
		}
		if last.Low > 0 || last.High < 0 {
			t.Errorf("%d canary requests: %+v leaves out no difference", n, last)
		}
	}
}

// TestSequenceOfOneArm covers a rate by itself, as of mirrored pairs.
func TestSequenceOfOneArm(t *testing.T) {
	s := NewSequence(Fine)
	if got := (Sequence{}).Interval(.05, -1, 1); got != (Interval{-1, 1}) {
		t.Errorf("not begun: %+v", got)
	}
	if got := s.Interval(.05, 0, 1); got != (Interval{0, 1}) {
		t.Errorf("nothing seen: %+v", got)
	}
	s.Advance(Arm{}, Arm{}, Temper{Phi: 1})
	for range 100 {
		s.Advance(Arm{}, Share(Count{50, 1}, .02), Temper{Phi: 1})
	}
	got := s.Interval(.05, 0, 1)
	if got.Low < .008 || got.Low > .02 || got.High < .02 || got.High > .035 {
		t.Errorf("2%% of 5,000: %+v", got)
	}
	loose := NewSequence(Fine)
	for range 100 {
		loose.Advance(Arm{}, Share(Count{50, 1}, .02), Temper{Phi: 3})
	}
	if wide := loose.Interval(.05, 0, 1); wide.Low >= got.Low || wide.High <= got.High {
		t.Errorf("dispersed values give %+v, independent ones %+v: want wider", wide, got)
	}
}

// TestSequenceOfAMovingDifference: a canary that gets much worse leaves no single
// difference standing; what is shown is how far it has moved at least.
func TestSequenceOfAMovingDifference(t *testing.T) {
	s := NewSequence(Coarse)
	for i := range 200 {
		bad := 0.
		if i >= 100 {
			bad = 40
		}
		s.Advance(Share(Count{950, 10}, .01), Share(Count{50, bad}, .1), Temper{Phi: 1})
	}
	got := s.Interval(.05, -1, 1)
	if got.Low > got.High || got.Low < -.01 || got.High > .8 {
		t.Errorf("%+v, want a stretch between −0.01 and 0.79", got)
	}
}

func TestSequenceJSONAndClone(t *testing.T) {
	s := NewSequence(Coarse)
	s.Advance(Share(Count{95, 3}, .02), Share(Count{5, 1}, .1), Temper{Phi: 1, Hold: true})
	s.Advance(Share(Count{95, 0}, .02), Share(Count{5, 0}, .1), Temper{Phi: 1.3})
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var back Sequence
	if err := json.Unmarshal(raw, &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(s, back); d != "" {
		t.Errorf("JSON changed it:\n%s", d)
	}
	c := s.Clone()
	c.Advance(Share(Count{95, 3}, .02), Share(Count{5, 5}, .1), Temper{Phi: 1})
	if d := cmp.Diff(back, s); d != "" {
		t.Errorf("advancing a clone changed the original:\n%s", d)
	}
}

// FuzzSequenceIsFinite: whatever is counted up to 2^53, state and interval are
// finite and in order.
func FuzzSequenceIsFinite(f *testing.F) {
	f.Add(uint64(1<<53), uint64(1<<53), uint64(1<<53), uint64(0), .5, .5)
	f.Add(uint64(0), uint64(0), uint64(1), uint64(1), 0.0, 1.0)
	f.Add(uint64(1), uint64(1), uint64(1<<53), uint64(1<<53), 1.0, 0.0)
	f.Fuzz(func(t *testing.T, nB, kB, nC, kC uint64, qB, qC float64) {
		if math.IsNaN(qB) || math.IsNaN(qC) {
			t.Skip()
		}
		nB, nC = nB%(1<<53+1), nC%(1<<53+1)
		b, c := Count{float64(nB), float64(kB % (nB + 1))}, Count{float64(nC), float64(kC % (nC + 1))}
		mB, mC := Moments{b.N, b.K, b.K}, Moments{c.N, c.K, c.K}
		s, m := NewSequence(Fine), NewSequence(Coarse)
		for range 3 {
			s.Advance(Share(b, qB), Share(c, qC), Temper{Phi: 1})
			m.Advance(Values(mB, mC), Values(mC, mB), Temper{Phi: 1})
		}
		for _, x := range []Sequence{s, m} {
			i := x.Interval(.05, -1, 1)
			if !(i.Low >= -1 && i.High <= 1) || math.IsNaN(i.Low+i.High) {
				t.Fatalf("interval %+v", i)
			}
			if _, err := json.Marshal(x); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestLinesAreTheInterval: an end of the interval is where the average over the
// bets of one side has come to what the error allows, held back or not.
func TestLinesAreTheInterval(t *testing.T) {
	for _, hold := range []bool{false, true} {
		s := NewSequence(Coarse)
		for range 40 {
			s.Advance(Share(Count{N: 500, K: 200}, .4), Share(Count{N: 400, K: 200}, .5), Temper{Phi: 1, Hold: hold})
		}
		above, below := s.Lines()
		x := s.Interval(.05, -1, 1)
		if x.Low <= -1 || x.High >= 1 || len(above) != Coarse {
			t.Fatalf("%+v of %d bets", x, len(above))
		}
		for _, side := range []struct {
			lines []Line
			at    float64
		}{{above, x.Low}, {below, -x.High}} {
			logs := make([]float64, len(side.lines))
			for i, l := range side.lines {
				logs[i] = l.Log - side.at*l.Stake
			}
			near(t, "evidence at an end", LogMean(logs...), math.Log(2/.05), 1e-4)
		}
	}
}
