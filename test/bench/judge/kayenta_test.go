package main

import (
	"math"
	"testing"
	"time"
)

// high returns n values of which k are 100 and the others 1.
func high(k, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = 1
		if i < k {
			out[i] = 100
		}
	}
	return out
}

// TestKayentaPublishedVerdicts are cases that its users published: of ten ones,
// seven may become a hundred and pass, eight fail (spinnaker/spinnaker#6278); few
// errors among none pass (spinnaker/kayenta#426).
func TestKayentaPublishedVerdicts(t *testing.T) {
	if kayentaHigh(high(0, 10), high(7, 10)) {
		t.Error("seven hundreds among ten fail, published: pass")
	}
	if !kayentaHigh(high(0, 10), high(8, 10)) {
		t.Error("eight hundreds among ten pass, published: fail")
	}
	if kayentaHigh(make([]float64, 6), []float64{0, 1, 2, 1, 0, 0}) {
		t.Error("sparse errors fail, published: pass")
	}
	// The limits and the estimate that #6278 prints for seven.
	m := mannWhitney{x: high(7, 10), y: high(0, 10)}
	near(t, "lower limit", m.lower(), 0, 1e-4)
	near(t, "upper limit", m.upper(), 99, 1e-4)
	near(t, "estimate", m.estimate(), 99, 1e-4)
}

// TestMannWhitneyByHand: the ranks of 3, 4, 5 among 1, 2 are 3, 4, 5, so U is 6 of
// 6, 3 above its mean; without ties the variance is 3·2·6/12 = 3.
func TestMannWhitneyByHand(t *testing.T) {
	m := mannWhitney{x: []float64{3, 4, 5}, y: []float64{1, 2}}
	near(t, "z", m.z(0), 2.5/math.Sqrt(3), 1e-12)
	// The median of the differences 2, 1, 3, 2, 4, 3 lies between 2 and 3.
	if e := m.estimate(); e < 2-shiftTolerance || e > 3+shiftTolerance {
		t.Errorf("estimate %v, want between 2 and 3", e)
	}
	// One tie of two: the rank 2.5 twice, and the variance shrinks by 6/12·(2³−2)/20.
	tied := mannWhitney{x: []float64{2, 3, 4}, y: []float64{1, 2}}
	near(t, "z with a tie", tied.z(0), (11.5-6-3-.5)/math.Sqrt(.5*(6-6./20)), 1e-12)
	if z := (mannWhitney{x: []float64{1, 1}, y: []float64{1, 1}}).z(0); z != 0 {
		t.Errorf("z of equal observations is %v", z)
	}
}

// TestKayentaTolerance: a shift is High when the lower limit of its interval
// exceeds a quarter of its estimate, so certainty counts and size does not.
func TestKayentaTolerance(t *testing.T) {
	control, surely, unsurely := make([]float64, 60), make([]float64, 60), make([]float64, 60)
	for i := range control {
		control[i] = 10 + math.Mod(float64(i)*.618, 1)
		surely[i] = control[i] + .5
		unsurely[i] = control[i] + .1
	}
	if !kayentaHigh(control, surely) {
		t.Error("a shift by half the range passes")
	}
	if kayentaHigh(control, unsurely) {
		t.Error("a shift by a tenth of the range is High")
	}
	if kayentaHigh(surely, control) {
		t.Error("less is High where more is worse")
	}
}

func TestKayentaRuns(t *testing.T) {
	every := func(d time.Duration) rule { return kayenta{every: d}.rule("Kayenta") }
	good, bad := canaries(repeat(0, 60)...), record(func() (out []minute) {
		for i := range int64(60) {
			out = append(out, minute{[2]int64{980 - i, 20 + i%7}, [2]int64{990, 10 + i%5}})
		}
		return out
	}()...)
	wantOutcome(t, every(time.Hour), good, promoted, 60)
	wantOutcome(t, every(time.Hour), bad, rolledBack, 60)
	// Five points against five: z at most (25/2 − ½)/√(25·11/12) = 2.51, just above
	// the quantile of 2.33.
	wantOutcome(t, every(5*time.Minute), bad, rolledBack, 5)
	// Four against four cannot fail: z at most (16/2 − ½)/√(16·9/12) = 2.17.
	wantOutcome(t, every(4*time.Minute), bad, rolledBack, 8)
	// No data on one side is a score of 0.
	wantOutcome(t, every(5*time.Minute), canaries(repeat(-1, 10)...), rolledBack, 5)
	if s := kayentaScore([]float64{1}, []float64{1}); s != 100 {
		t.Errorf("identical data score %v", s)
	}
}
