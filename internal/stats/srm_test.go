package stats

import (
	"math"
	"testing"
)

// TestTrafficExpectation: each tilt is a likelihood ratio, so under the
// configured split its expectation is exactly 1, whatever the shares.
func TestTrafficExpectation(t *testing.T) {
	for _, w := range []float64{.01, .05, .5, .9} {
		for _, tilt := range tilts {
			for _, sign := range []float64{-1, 1} {
				e := 0.0
				for k := range 41 {
					e += pmf(40, k, w) * math.Exp(tilted(w, sign*tilt, float64(40-k), float64(k)))
				}
				near(t, "expectation", e, 1, 1e-9)
			}
		}
	}
}

func TestTrafficGolden(t *testing.T) {
	// Tilt ln 2 at a share of 1/2: odds 2, share 2/3, against three canary and one
	// stable decisions: (2/3)³(1/3)/(1/2)⁴.
	got := tilted(.5, math.Log(2), 1, 3)
	near(t, "log ratio", got, math.Log(8./81*16), 1e-12)
}

// TestTrafficFindsMismatch feeds expected counts of a wrong split: the published
// times at 100 requests a second are 350, 84, 11 and 8 seconds for 5.5, 6, 8 and
// 2% instead of 5%.
func TestTrafficFindsMismatch(t *testing.T) {
	for _, c := range []struct {
		actual  float64
		seconds int
	}{{.055, 350}, {.06, 84}, {.08, 11}, {.02, 8}} {
		var x Traffic
		s := 0
		for ; x.LogE() < math.Log(1000) && s < 2*c.seconds; s++ {
			x.Observe(.05, 100*(1-c.actual), 100*c.actual)
		}
		if s > c.seconds*13/10+2 {
			t.Errorf("%v instead of 5%%: found after %d s, want about %d", c.actual, s, c.seconds)
		}
	}
}

func TestTrafficFollowsTheShare(t *testing.T) {
	var x Traffic
	for _, w := range []float64{.05, .25, .5, .05} {
		x.Observe(w, 10000*(1-w), 10000*w)
	}
	if x.LogE() > 0 {
		t.Errorf("evidence %v against a split that was followed", x.LogE())
	}
	before := x
	x.Observe(0, 100, 0)
	x.Observe(1, 0, 100)
	x.Observe(.5, -1, 5)
	if x != before {
		t.Error("shares of 0 and 1 or negative counts are no evidence")
	}
	var silent Traffic
	silent.Observe(.05, 200, 0)
	if silent.LogE() < math.Log(1000) {
		t.Errorf("a silent canary after 200 stable requests: evidence %v", silent.LogE())
	}
	silent.Observe(.5, 1<<53, 1<<53)
	if v := silent.LogE(); math.IsNaN(v) || math.IsInf(v, 0) {
		t.Errorf("evidence %v", v)
	}
}
