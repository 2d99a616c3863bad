package experiment

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/haldane-dev/haldane/internal/stats"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// TestDealMovesNobodyInVain: everybody has what is wanted, and who is moved had
// too much before.
func TestDealMovesNobodyInVain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		arms := rapid.IntRange(2, traffic.MaxArms).Draw(t, "arms")
		shares := func(label string) []int {
			x := make([]float64, arms)
			sum := 0.
			for i := range x {
				x[i] = rapid.Float64Range(.01, 1).Draw(t, label)
				sum += x[i]
			}
			for i := range x {
				x[i] /= sum
			}
			return whole(x)
		}
		before, want := shares("before"), shares("want")
		slots := ""
		for arm, n := range before {
			slots += strings.Repeat(digit(arm), n)
		}
		after := deal(slots, want)
		moved, least := 0, 0
		for arm := range want {
			if n := strings.Count(after, digit(arm)); n != want[arm] {
				t.Fatalf("arm %d has %d slots, want %d", arm, n, want[arm])
			}
			least += max(0, want[arm]-before[arm])
		}
		for i := range slots {
			if slots[i] != after[i] {
				moved++
			}
		}
		if moved != least {
			t.Fatalf("%d slots changed hands where %d would do", moved, least)
		}
	})
}

func TestWholeSumsToAHundred(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 8).Draw(t, "n")
		x, sum := make([]float64, n), 0.
		for i := range x {
			x[i] = rapid.Float64Range(.001, 1).Draw(t, "share")
			sum += x[i]
		}
		total := 0
		for i := range x {
			x[i] /= sum
		}
		for i, k := range whole(x) {
			total += k
			if math.Abs(float64(k)-100*x[i]) >= 1+1e-6 {
				t.Fatalf("%v became %d", x[i], k)
			}
		}
		if total != 100 {
			t.Fatalf("%v sums to %d", x, total)
		}
	})
}

// TestProbabilitiesAreThoseOfDraws compares the quadrature with draws.
func TestProbabilitiesAreThoseOfDraws(t *testing.T) {
	of := []posterior{{41, 61}, {45, 57}, {9, 13}}
	rng := rand.New(rand.NewPCG(5, 5))
	const n = 100_000
	var won [3]float64
	for range n {
		best, at := -1., 0
		for i, p := range of {
			if x := beta(rng, p); x > best {
				best, at = x, i
			}
		}
		won[at]++
	}
	for i, p := range probabilities(of) {
		if math.Abs(p-won[i]/n) > .01 {
			t.Errorf("arm %d is the best with probability %.3f, of draws %.3f", i, p, won[i]/n)
		}
	}
}

// beta draws from a Beta distribution of whole parameters: the a-th smallest of
// a+b−1 uniform numbers, by ratios of sums of exponentials.
func beta(rng *rand.Rand, p posterior) float64 {
	x, y := 0., 0.
	for range int(p.a) {
		x += rng.ExpFloat64()
	}
	for range int(p.b) {
		y += rng.ExpFloat64()
	}
	return x / (x + y)
}

func TestProbabilitiesOfCertainty(t *testing.T) {
	got := probabilities([]posterior{{2e6, 8e6}, {3e6, 7e6}, {2.5e6, 7.5e6}})
	if got[1] < .999 {
		t.Errorf("an arm that is surely the best has %v", got)
	}
	same := probabilities([]posterior{{1, 1}, {1, 1}, {1, 1}, {1, 1}})
	for _, p := range same {
		if math.Abs(p-.25) > 1e-9 {
			t.Errorf("of arms of which nothing is known %v", same)
		}
	}
}

func TestPosteriorOfHitsIsExact(t *testing.T) {
	p := posteriorOf(stats.Moments{N: 1e6, Sum: 3e5, SumSq: 3e5})
	if math.Abs(p.a-300001) > 50 || math.Abs(p.b-700001) > 100 {
		t.Errorf("%+v", p)
	}
	// Values that vary less than hits do are known better.
	if q := posteriorOf(stats.Moments{N: 1e4, Sum: 5e3, SumSq: 2600}); q.sd() > .0011 || math.Abs(q.mean()-.5) > 1e-3 {
		t.Errorf("%+v: mean %v, deviation %v", q, q.mean(), q.sd())
	}
}
