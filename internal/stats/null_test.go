package stats

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// divergence is what Project minimises.
func divergence(theta, q Rates, nB, nC float64) float64 {
	kl := func(p, q float64) float64 { return p*math.Log(p/q) + (1-p)*math.Log((1-p)/(1-q)) }
	return nC*kl(theta.Canary, q.Canary) + nB*kl(theta.Stable, q.Stable)
}

func TestProjectEqualityIsThePooledRate(t *testing.T) {
	got := Equal.Project(Rates{Stable: .01, Canary: .03}, 1425, 75)
	want := (1425*.01 + 75*.03) / 1500
	near(t, "q_B", got.Stable, want, 1e-16)
	near(t, "q_C", got.Canary, want, 1e-16)
	// The general solver agrees when the line is equality in all but name.
	general := Null{Ratio: 1, Shift: 1e-18}.Project(Rates{Stable: .01, Canary: .03}, 1425, 75)
	near(t, "general q_B", general.Stable, want, 1e-14)
}

func TestNullLines(t *testing.T) {
	n := Null{Ratio: 1.25, Shift: .001}
	near(t, "At", n.At(.01), .0135, 1e-15)
	near(t, "half of it", n.Scale(.5).At(.01), .01175, 1e-15)
	near(t, "none of it", n.Scale(0).At(.01), .01, 1e-15)
	near(t, "four times", n.Scale(4).At(.01), .024, 1e-15)
}

// TestProjectIsTheMinimum compares with every other point of the line tried, and
// checks the stationarity that the proof of validity rests on.
func TestProjectIsTheMinimum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := Null{Ratio: rapid.Float64Range(.8, 3).Draw(t, "ratio"), Shift: rapid.Float64Range(0, .2).Draw(t, "shift")}
		b := rapid.Float64Range(1e-6, .3).Draw(t, "stable")
		c := rapid.Float64Range(1e-6, .999).Draw(t, "canary")
		nB := rapid.Float64Range(1, 1e6).Draw(t, "nB")
		nC := rapid.Float64Range(1, 1e6).Draw(t, "nC")
		if n.At(b) >= 1 {
			t.Skip("the line leaves the unit square")
		}
		theta := Rates{Stable: b, Canary: c}
		q := n.Project(theta, nB, nC)
		if math.Abs(q.Canary-n.At(q.Stable)) > 1e-11 {
			t.Fatalf("(%v, %v) is not on the line", q.Stable, q.Canary)
		}
		best := divergence(theta, q, nB, nC)
		for _, f := range []float64{.5, .9, .99, .999, 1.001, 1.01, 1.1, 2} {
			other := Rates{Stable: q.Stable * f, Canary: n.At(q.Stable * f)}
			if other.Stable <= 0 || other.Stable >= 1 || other.Canary <= 0 || other.Canary >= 1 {
				continue
			}
			if d := divergence(theta, other, nB, nC); d < best*(1-1e-12)-1e-9 {
				t.Fatalf("at %v the divergence is %v, less than %v at the projection %v", other, d, best, q)
			}
		}
		if q.Stable < 1e-9 || q.Canary < 1e-9 || q.Canary > 1-1e-9 {
			return // clamped: the point is the nearest that float64 allows
		}
		lC := nC * (c - q.Canary) / (q.Canary * (1 - q.Canary))
		lB := nB * (b - q.Stable) / (q.Stable * (1 - q.Stable))
		if math.Abs(n.Ratio*lC+lB) > 1e-8*(math.Abs(lB)+math.Abs(lC)+nB+nC) {
			t.Fatalf("not stationary: ρ·n_C·a_C = %v, n_B·a_B = %v", n.Ratio*lC, lB)
		}
	})
}
