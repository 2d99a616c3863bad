package experiment

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/haldane-dev/haldane/internal/stats"
)

// covered simulates labels for a share of each arm's predictions and returns what
// is said of them.
func covered(seed uint64, first, second float64, blocks int) string {
	c := three()
	c.Arms = c.Arms[:2]
	s := Begin(c)
	rng := rand.New(rand.NewPCG(seed, 17))
	for range blocks {
		var x [2]stats.Count
		for range 60 {
			arm := rng.IntN(2)
			x[arm].N++
			if rng.Float64() < []float64{first, second}[arm] {
				x[arm].K++
			}
		}
		s.Pairs[0].cover(x[0], x[1])
		if why := s.selective(c); why != "" {
			return why
		}
	}
	return ""
}

func TestSelectiveLabelsAreSeen(t *testing.T) {
	if why := covered(1, .9, .5, 100); !strings.Contains(why, "of stable and for") {
		t.Errorf("labels for 90 and 50%% of predictions: %q", why)
	}
	if why := covered(1, .5, .9, 100); why == "" {
		t.Error("labels for 50 and 90% of predictions were not told apart")
	}
}

func TestEqualLabelsAreLeftAlone(t *testing.T) {
	n, said := runs(t, 300), 0
	for run := range n {
		if covered(uint64(run), .5, .5, 100) != "" {
			said++
		}
	}
	if low := stats.Wilson(stats.Count{N: float64(n), K: float64(said)}, stats.Z95).Low; low > falseSelective {
		t.Errorf("%d of %d", said, n)
	}
}

// TestNoWinnerBySelectiveLabels: whatever the labels say.
func TestNoWinnerBySelectiveLabels(t *testing.T) {
	c := three()
	w := &world{c: c, rng: rand.New(rand.NewPCG(1, 13)), right: []float64{.1, .1, .9}, n: 200}
	s, f := w.run(100)
	if f.Ending != Winner {
		t.Fatalf("%+v", f)
	}
	for range 50 {
		s.Pairs[1].cover(stats.Count{N: 100, K: 90}, stats.Count{N: 100, K: 30})
	}
	if f = Judge(c, s, 0); f.Ending != "" || !strings.Contains(f.Reason, "labels come for 90%") {
		t.Errorf("%+v", f)
	}
	if f = Judge(c, s, c.MaxDuration); f.Ending != OutTime {
		t.Errorf("%+v", f)
	}
}
