package main

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestDrawRates: what is drawn has the rates, the split and the error shares that
// the workload says, and a baseline as large as the canary.
func TestDrawRates(t *testing.T) {
	for _, c := range []cell{
		{.01, 2, 1000, .05, time.Second, 20 * time.Minute},
		{.05, 1.5, 100, .5, 15 * time.Second, time.Hour},
	} {
		w := c.workload()
		s := w.draw(random(1, w.name, 0))
		all := c.rps * c.length.Seconds()
		for _, a := range []struct {
			name            string
			arm             series
			requests, share float64
		}{
			{"canary", s.canary, all * c.split, c.base * c.effect},
			{"stable", s.stable, all * (1 - c.split), c.base},
			{"baseline", s.baseline, all * c.split, c.base},
		} {
			counts := a.arm.between(0, s.ticks())
			n, k := float64(counts[0]+counts[1]), float64(counts[1])
			near(t, w.name+": requests of "+a.name, n, a.requests, 5*math.Sqrt(a.requests))
			near(t, w.name+": failures of "+a.name, k, a.requests*a.share, 5*math.Sqrt(a.requests*a.share))
		}
	}
}

// TestBursts: failures in runs have the same share, and a variance of counts about
// 2m−1 times that of independent ones.
func TestBursts(t *testing.T) {
	w := bursting(4, 1)
	w.tick, w.length = time.Minute, 2000*time.Minute
	s := w.draw(random(1, w.name, 0))
	var sum, squares, n float64
	for i := range s.ticks() {
		c := s.stable.between(i, i+1)
		k := float64(c[1])
		n += float64(c[0] + c[1])
		sum += k
		squares += k * k
	}
	near(t, "share", sum/n, .01, .0005)
	center := sum / 2000
	dispersion := (squares/2000 - center*center) / center
	near(t, "dispersion", dispersion, 7, 1.2)
}

func TestBuckets(t *testing.T) {
	edges := latencyEdges()
	at := func(d slowdown, q float64) float64 {
		p := buckets(edges, d)
		counts := make([]int64, len(p))
		for i := range p {
			counts[i] = int64(1e9 * p[i])
		}
		return quantile(edges, counts, q)
	}
	near(t, "median", at(slowdown{1, 0}, .5), .05, .0005)
	near(t, "p99", at(slowdown{1, 0}, .99), .202, .004)
	near(t, "median when 10% slower", at(slowdown{1.1, 0}, .5), .055, .0005)
	if p := at(slowdown{1, .03}, .99); p < .3 {
		t.Errorf("p99 with 3%% at 300 ms more is %v s", p)
	}
}

// TestSeed: equal seeds draw equal rollouts, others do not.
func TestSeed(t *testing.T) {
	w := typical(1)
	draw := func(seed uint64, run int) []int64 { return w.draw(random(seed, w.name, run)).canary.sums }
	if diff := cmp.Diff(draw(1, 0), draw(1, 0)); diff != "" {
		t.Error("equal seeds differ:", diff)
	}
	if cmp.Equal(draw(1, 0), draw(2, 0)) || cmp.Equal(draw(1, 0), draw(1, 1)) {
		t.Error("different seeds or runs draw the same")
	}
}

func TestSpecialWorkloads(t *testing.T) {
	ramp := ramping(2)
	for _, c := range []struct{ minute, rps, weight, share float64 }{{0, 50, .01, .005}, {30, 100, .25, .01}, {45, 164, .5, .0164}} {
		rps, weight := ramp.traffic(c.minute)
		near(t, fmt.Sprint("rate at ", c.minute), rps, c.rps, 2)
		near(t, fmt.Sprint("split at ", c.minute), weight, c.weight, 0)
		near(t, fmt.Sprint("errors at ", c.minute), ramp.stable(c.minute)[1], c.share, 2e-4)
		near(t, fmt.Sprint("the canary's at ", c.minute), ramp.canary(c.minute)[1], 2*c.share, 4e-4)
	}
	late := starting(2)
	near(t, "before the onset", late.canary(19.9)[1], .01, 0)
	near(t, "after the onset", late.canary(20)[1], .02, 0)
	near(t, "cold", warming(1).canary(.5)[1], .1, 0)
	near(t, "warm", warming(1).canary(1)[1], .01, 0)
}
