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
