package stats

import (
	"math"
	"testing"
)

func TestPast(t *testing.T) {
	var p Past
	near(t, "rate before anything was seen", p.Rate(RarePrior), .01, 1e-15)
	p.Add(Count{950, 19}, 1)
	near(t, "rate", p.Rate(RarePrior), 19.5/1000, 1e-15)
	p.Add(Count{}, Decay(Memory))
	near(t, "after ten minutes", p.N, 950/math.E, 1e-12)
	near(t, "pooled", Pooled(Past{100, 10}, Past{100, 20}, Prior{}), .15, 1e-15)
	near(t, "prior at", Past{}.Rate(PriorAt(.2)), .2, 1e-15)
	near(t, "no time", Decay(0), 1, 0)
	near(t, "time running backwards", Decay(-5), 1, 0)
}

func TestShifted(t *testing.T) {
	p := Past{N: 10000, K: 100}
	for _, c := range []struct {
		x    Count
		phi  float64
		want bool
	}{
		{Count{1400, 14}, 1, false}, {Count{1400, 30}, 1, false}, {Count{1400, 700}, 1, true},
		{Count{1400, 60}, 1, false}, {Count{1400, 140}, 1, true}, {Count{1400, 140}, 9, false}, {Count{}, 1, false},
	} {
		if got := p.Shifted(c.x, c.phi); got != c.want {
			t.Errorf("1%% before, then %v in %v at dispersion %v: %v", c.x.K, c.x.N, c.phi, got)
		}
	}
	if (Past{}).Shifted(Count{100, 50}, 1) {
		t.Error("shifted from nothing")
	}
}
