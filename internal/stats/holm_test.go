package stats

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestFamily(t *testing.T) {
	claims := []Claim{
		{Share: .5, LogE: math.Log(100)}, {Share: .3, LogE: math.Log(10)}, {Share: .2, Clock: 1, LogE: math.Log(400)},
	}
	// 50 + 3 within clock 0; 80 on clock 1 alone.
	near(t, "family", Family(claims), math.Log(80), 1e-12)
	claims[2].LogE = 0
	near(t, "family", Family(claims), math.Log(53), 1e-12)
}

// TestHolmAgainstAllSubfamilies tries every subfamily.
func TestHolmAgainstAllSubfamilies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 7).Draw(t, "n")
		claims := make([]Claim, n)
		total := 0.0
		for i := range claims {
			claims[i].Share = rapid.Float64Range(.05, 1).Draw(t, "share")
			claims[i].LogE = rapid.Float64Range(-5, 8).Draw(t, "logE")
			total += claims[i].Share
		}
		for i := range claims {
			claims[i].Share /= total
		}
		got := Holm(claims)
		for i := range claims {
			want := math.Inf(1)
			for set := range 1 << n {
				if set&(1<<i) == 0 {
					continue
				}
				mass, sum := 0.0, 0.0
				for j, c := range claims {
					if set&(1<<j) != 0 {
						mass += c.Share
						sum += c.Share * math.Exp(c.LogE)
					}
				}
				want = math.Min(want, math.Log(sum/mass))
			}
			if math.Abs(got[i]-want) > 1e-9 {
				t.Fatalf("claim %d: %v, smallest over subfamilies %v", i, got[i], want)
			}
		}
	})
}

func TestHolmAcrossClocksIsTheUnionBound(t *testing.T) {
	claims := []Claim{{Share: .8, LogE: 2}, {Share: .2, Clock: 1, LogE: 6}}
	got := Holm(claims)
	near(t, "own clock only", got[1], 6+math.Log(.2), 1e-12)
	near(t, "own clock only", got[0], 2+math.Log(.8), 1e-12)
}
