package stats

import (
	"testing"

	"pgregory.net/rapid"
)

// TestWilsonGolden uses table I of Newcombe (1998, Statistics in Medicine 17:857),
// score method without continuity correction.
func TestWilsonGolden(t *testing.T) {
	for _, c := range []struct{ k, n, low, high float64 }{
		{81, 263, .2553, .3662}, {15, 148, .0624, .1605}, {0, 20, 0, .1611}, {1, 29, .0061, .1718},
	} {
		got := Wilson(Count{c.n, c.k}, Z95)
		near(t, "low", got.Low, c.low, 6e-5)
		near(t, "high", got.High, c.high, 6e-5)
	}
}

func TestIntervalsOfNothing(t *testing.T) {
	if got := Wilson(Count{}, Z95); got != (Interval{0, 1}) {
		t.Errorf("Wilson of nothing = %v", got)
	}
}

// TestStandardisedRates: traffic that moves to the canary while failures become
// more common for both must not make the canary look worse.
func TestStandardisedRates(t *testing.T) {
	var s Standard
	s.Add(Block{Stable: Count{9500, 95}, Canary: Count{500, 5}})
	s.Add(Block{Stable: Count{5000, 250}, Canary: Count{5000, 250}})
	s.Add(Block{Stable: Count{100, 50}})
	got := s.Block()
	near(t, "difference", got.Canary.Share()-got.Stable.Share(), 0, 1e-12)
	if got.Canary.N > 5500 || got.Canary.N < 2500 {
		t.Errorf("precision of %v canary trials", got.Canary.N)
	}
	if (Standard{}).Block() != (Block{}) {
		t.Error("nothing seen gives counts")
	}
}

func TestStandardOfOneBlockIsTheBlock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := func(s string) float64 { return float64(rapid.Int64Range(1, 1<<53).Draw(t, s)) }
		x := Block{Stable: Count{n("nB"), 0}, Canary: Count{n("nC"), 0}}
		x.Stable.K = x.Stable.N * rapid.Float64Range(0, 1).Draw(t, "pB")
		x.Canary.K = x.Canary.N * rapid.Float64Range(0, 1).Draw(t, "pC")
		var s Standard
		s.Add(x)
		got := s.Block()
		for _, d := range []float64{got.Stable.N/x.Stable.N - 1, got.Canary.N/x.Canary.N - 1,
			got.Stable.Share() - x.Stable.Share(), got.Canary.Share() - x.Canary.Share()} {
			if !(d < 1e-9 && d > -1e-9) {
				t.Fatalf("%+v became %+v", x, got)
			}
		}
	})
}
