package stats

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// separate keeps every start apart, which Process folds into one number.
type separate struct {
	stakes [][]float64 // per start, per component: what has become of it
	shares []float64
}

func (s *separate) start(stake float64) {
	row := make([]float64, len(s.shares))
	for i := range row {
		row[i] = stake
	}
	s.stakes = append(s.stakes, row)
}

func (s *separate) grow(factors []float64, phi float64) {
	for _, row := range s.stakes {
		for i := range row {
			row[i] *= math.Exp(factors[i] / phi)
		}
	}
}

func (s *separate) logE(waiting float64) float64 {
	sum := waiting
	for _, row := range s.stakes {
		for i, v := range row {
			sum += s.shares[i] * v
		}
	}
	return math.Log(sum)
}

// TestRestartsAgainstSeparateStarts compares the folded recursion with one that
// remembers every start.
func TestRestartsAgainstSeparateStarts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shares := []float64{.5, .3, .2}
		slots := rapid.IntRange(0, 12).Draw(t, "slots")
		s := Restarting(slots)
		p := NewProcess(3, s)
		slow := separate{shares: shares}
		slow.start(s.First)
		waiting := 1 - s.First
		started := 0
		for b := range rapid.IntRange(1, 30).Draw(t, "blocks") {
			phi := rapid.Float64Range(1, 4).Draw(t, "phi")
			f := []float64{
				rapid.Float64Range(-2, 2).Draw(t, "f0"),
				rapid.Float64Range(-2, 2).Draw(t, "f1"),
				rapid.Float64Range(-2, 2).Draw(t, "f2"),
			}
			due := b / 2
			for started < min(due, slots) {
				slow.start((1 - s.First) / float64(slots))
				waiting -= (1 - s.First) / float64(slots)
				started++
			}
			slow.grow(f, phi)
			p.Advance(f, Temper{Phi: phi}, s, due)
			got, want := p.LogE(shares, s), slow.logE(math.Max(0, waiting))
			if math.Abs(got-want) > 1e-9 {
				t.Fatalf("block %d: folded %v, separate %v", b, got, want)
			}
		}
	})
}

func TestProcessStartsAtOne(t *testing.T) {
	g := Effects()
	for _, s := range []Schedule{Once, Restarting(60), Restarting(0), Restarting(-1)} {
		near(t, "ln E", NewProcess(g.Components(), s).LogE(g.Shares, s), 0, 1e-15)
	}
}

func TestGridsStakeEverything(t *testing.T) {
	for name, g := range map[string]Grid{
		"effects": Effects(), "outcomes": Outcomes(), "slowdowns": Slowdowns(), "shifts": Shifts(), "pass": Pass(),
		"faster": Faster(), "agreements": Agreements(), "leaps": Leaps(),
	} {
		sum := 0.0
		for _, s := range g.Shares {
			sum += s
		}
		near(t, name, sum, 1, 1e-12)
		if len(g.Odds) > 0 && len(g.Odds) != len(g.Shares) {
			t.Errorf("%s: %d odds, %d shares", name, len(g.Odds), len(g.Shares))
		}
	}
}

// TestHeldEvidence: while held, evidence counts for a sixteenth; once released it
// enters whole, divided by the dispersion found, and restarts follow.
func TestHeldEvidence(t *testing.T) {
	s := Restarting(10)
	p := NewProcess(1, s)
	one := []float64{1}
	p.Advance([]float64{8}, Temper{Phi: 1, Hold: true}, s, 0)
	p.Advance([]float64{8}, Temper{Phi: 1, Hold: true}, s, 1)
	near(t, "held", p.LogE(one, s), math.Log(.9*math.E+.1), 1e-12)
	p.Advance([]float64{4}, Temper{Phi: 2}, s, 2)
	near(t, "released", p.LogE(one, s), math.Log(.9*math.Exp(10)+.1), 1e-12)
	if p.Held != nil || p.Restarts != 0 {
		t.Errorf("held %v, restarts %d: want nothing held and no restart yet", p.Held, p.Restarts)
	}
	p.Advance([]float64{1}, Temper{Phi: 1}, s, 3)
	near(t, "restarted", p.LogE(one, s), math.Log((.9*math.Exp(10)+.03)*math.E+.07), 1e-12)
}

func TestProcessJSONAndClone(t *testing.T) {
	s := Restarting(7)
	p := NewProcess(2, s)
	p.Advance([]float64{1. / 3, -math.Pi}, Temper{Phi: 1}, s, 0)
	p.Advance([]float64{1e15, -1e16}, Temper{Phi: 1.7}, s, 3)
	raw, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var back Process
	if err := json.Unmarshal(raw, &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(p, back); d != "" {
		t.Errorf("JSON changed the process:\n%s", d)
	}
	c := p.Clone()
	c.Advance([]float64{5, 5}, Temper{Phi: 1}, s, 4)
	if d := cmp.Diff(p, back); d != "" {
		t.Errorf("advancing a clone changed the original:\n%s", d)
	}
}
