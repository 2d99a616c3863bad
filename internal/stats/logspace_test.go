package stats

import (
	"math"
	"testing"
)

func TestLogSpace(t *testing.T) {
	near(t, "LogAdd(ln 2, ln 3)", LogAdd(math.Log(2), math.Log(3)), math.Log(5), 1e-15)
	near(t, "LogAdd at 1e17", LogAdd(1e17, 1e17), 1e17, 1e-15)
	near(t, "LogAdd with nothing", LogAdd(Log(0), 1.5), 1.5, 0)
	near(t, "LogSum", LogSum(math.Log(1), math.Log(2), math.Log(4)), math.Log(7), 1e-15)
	near(t, "LogMean", LogMean(math.Log(1), math.Log(3)), math.Log(2), 1e-15)
	near(t, "LogMean of nothing", LogMean(), 0, 0)
	for _, v := range []float64{Log(0), Log(-1), LogSum(), LogSum(Log(0), Log(0)), LogAdd(Log(0), Log(0))} {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			t.Errorf("log of nothing = %v, want a finite floor", v)
		}
		if math.Exp(v) != 0 {
			t.Errorf("exp(%v) = %v, want 0", v, math.Exp(v))
		}
	}
}

func TestLog1p(t *testing.T) {
	for _, size := range []float64{1e-300, 1e-17, 1e-9, 1e-4, 9.99e-4, .001, .1, .24, .26, .75, 1 - 1e-12} {
		for _, z := range []float64{size, -size} {
			if got, want := log1p(z), math.Log1p(z); math.Abs(got-want) > 3e-14*math.Abs(want) {
				t.Errorf("log1p(%v) = %v, want %v", z, got, want)
			}
		}
	}
	near(t, "log1p(1e15)", log1p(1e15), math.Log1p(1e15), 1e-15)
}
