package main

import (
	"fmt"
	"math"
	"time"

	"gonum.org/v1/gonum/stat/distuv"
)

// The grid of constant error shares.
var (
	bases   = []float64{.001, .01, .05}
	effects = []float64{1, 1.5, 2, 5}
	rates   = []float64{10, 100, 1000}
	splits  = []float64{.05, .5}
)

// cell is a workload of constant error shares.
type cell struct {
	base, effect, rps, split float64
	tick, length             time.Duration
}

// name is the same for cells that differ only in how finely they are recorded.
func (c cell) name() string {
	if c.effect == 1 {
		return fmt.Sprintf("errors %s, equal, %v rps, %v%%", percent(c.base), c.rps, 100*c.split)
	}
	return fmt.Sprintf("errors %s → %s, %v rps, %v%%", percent(c.base), percent(c.base*c.effect), c.rps, 100*c.split)
}

// percent writes a share without digits it does not need.
func percent(p float64) string { return fmt.Sprintf("%v%%", math.Round(p*1e6)/1e4) }

func failing(p float64) []float64 { return []float64{1 - p, p} }

func (c cell) workload() workload {
	return workload{
		name: c.name(), length: c.length, tick: c.tick,
		traffic:   steady(c.rps, c.split),
		stable:    constant(failing(c.base)),
		canary:    constant(failing(c.base * c.effect)),
		regressed: c.effect > 1,
		excess:    constant(c.base * (c.effect - 1)),
		twins: func() (workload, workload) {
			healthy, worse := c, c
			healthy.effect = 1
			if c.effect == 1 {
				worse.effect = 2
			}
			return healthy.workload(), worse.workload()
		},
	}
}

// typical is the cell that special workloads start from: 1% errors, 100 requests a
// second, 5% to the canary, an hour in seconds.
func typical(effect float64) workload {
	return cell{.01, effect, 100, .05, time.Second, time.Hour}.workload()
}

// variants gives a workload the healthy and the regressed one of its family.
func variants(build func(effect float64) workload, effect float64) workload {
	w := build(effect)
	w.twins = func() (workload, workload) { return build(1), build(math.Max(effect, 2)) }
	return w
}

// ramping raises the split every quarter of an hour while traffic and the errors
// of both arms rise to four times as many, as from night to noon.
func ramping(effect float64) workload {
	return variants(func(effect float64) workload {
		w := typical(effect)
		w.name = fmt.Sprintf("ramp and wave, errors ×%v", effect)
		wave := func(minute float64) float64 { return math.Exp2(-math.Cos(math.Pi * minute / 60)) }
		w.traffic = func(minute float64) (float64, float64) {
			return 100 * wave(minute), []float64{.01, .05, .25, .5}[int(minute/15)%4]
		}
		w.stable = func(minute float64) []float64 { return failing(.01 * wave(minute)) }
		w.canary = func(minute float64) []float64 { return failing(.01 * effect * wave(minute)) }
		w.excess = func(minute float64) float64 { return .01 * (effect - 1) * wave(minute) }
		return w
	}, effect)
}

// bursting has failures in runs of mean length m.
func bursting(m, effect float64) workload {
	return variants(func(effect float64) workload {
		w := typical(effect)
		w.name = fmt.Sprintf("bursts of %v, errors ×%v", m, effect)
		w.burst = m
		return w
	}, effect)
}

// starting is a canary that is well for 20 minutes.
func starting(effect float64) workload {
	return variants(func(effect float64) workload {
		w := typical(effect)
		if effect > 1 {
			w.name = fmt.Sprintf("errors ×%v from minute 20 on", effect)
		}
		w.onset, w.paused = 20*time.Minute, true
		canary, excess := w.canary, w.excess
		w.canary = func(minute float64) []float64 {
			if minute < 20 {
				return w.stable(minute)
			}
			return canary(minute)
		}
		w.excess = func(minute float64) float64 {
			if minute < 20 {
				return 0
			}
			return excess(minute)
		}
		return w
	}, effect)
}

// warming is a healthy canary that fails ten times as often in its first minute.
func warming(effect float64) workload {
	return variants(func(effect float64) workload {
		w := typical(effect)
		w.name = fmt.Sprintf("cold start, then errors ×%v", effect)
		w.delay = 90 * time.Second
		canary := w.canary
		w.canary = func(minute float64) []float64 {
			if minute < 1 {
				return failing(.1)
			}
			return canary(minute)
		}
		return w
	}, effect)
}

// slowdown is how a canary's latencies differ: all are longer by a factor, and a
// share takes 300 ms more.
type slowdown struct {
	factor, share float64
}

func (d slowdown) name() string {
	switch {
	case d.share > 0:
		return fmt.Sprintf("latency, %s of requests 300 ms slower", percent(d.share))
	case d.factor > 1:
		return fmt.Sprintf("latency ×%v", d.factor)
	default:
		return "latency, equal"
	}
}

var slowdowns = []slowdown{{1, 0}, {1.05, 0}, {1.1, 0}, {1.25, 0}, {1, .01}, {1, .03}}

// latencyEdges are those of a native histogram of schema 3, from 5 ms to 3 s.
func latencyEdges() (edges []float64) {
	for k := -61; k <= 12; k++ {
		edges = append(edges, math.Exp2(float64(k)/8))
	}
	return edges
}

// buckets returns the shares of lognormal latencies (median 50 ms, p99 202 ms) in
// each bucket.
func buckets(edges []float64, d slowdown) []float64 {
	law := distuv.LogNormal{Mu: math.Log(.05), Sigma: math.Log(202./50) / distuv.UnitNormal.Quantile(.99)}
	below := func(x float64) float64 {
		late := 0.0
		if x > .3 {
			late = law.CDF((x - .3) / d.factor)
		}
		return (1-d.share)*law.CDF(x/d.factor) + d.share*late
	}
	out := make([]float64, 0, len(edges)+1)
	last := 0.0
	for _, e := range edges {
		out = append(out, below(e)-last)
		last = below(e)
	}
	return append(out, 1-last)
}

// slowing is the typical cell with latencies instead of errors, in blocks of 15 s.
func slowing(d slowdown) workload {
	edges := latencyEdges()
	worse := d.share
	if d.factor > 1 {
		worse = 1 // every request is slower
	}
	return workload{
		name: d.name(), length: time.Hour, tick: 15 * time.Second, edges: edges,
		traffic:   steady(100, .05),
		stable:    constant(buckets(edges, slowdown{1, 0})),
		canary:    constant(buckets(edges, d)),
		regressed: d != slowdown{1, 0},
		excess:    constant(worse),
		twins: func() (workload, workload) {
			bad := d
			if d == (slowdown{1, 0}) {
				bad = slowdown{1.25, 0}
			}
			return slowing(slowdown{1, 0}), slowing(bad)
		},
	}
}

// warmingSlowly answers at a third of its speed for a minute, then as stable does.
func warmingSlowly() workload {
	w := slowing(slowdown{1, 0})
	w.name, w.delay = "cold start, latency ×3 for 60 s", 90*time.Second
	cold, warm := buckets(w.edges, slowdown{3, 0}), w.canary(0)
	w.canary = func(minute float64) []float64 {
		if minute < 1 {
			return cold
		}
		return warm
	}
	twins := w.twins
	w.twins = func() (workload, workload) { // the oracle knows of the cold start
		_, worse := twins()
		return w, worse
	}
	return w
}
