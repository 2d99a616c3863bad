package main

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
)

// kind says what of a figure's rollouts is measured.
type kind int

const (
	falsely kind = iota // share of rollouts that end in the decision, which is an error
	median              // minutes until half of the rollouts have ended in it
	ratio               // mean canary requests until they have, over the information bound
)

// figure is a property that the decision core has to have, and how it is measured.
type figure struct {
	name     string
	kind     kind
	limit    float64
	workload workload
	judge    judge
	minimum  float64 // of ratios: the information bound in canary requests
	runs     int     // of the full form
	reduced  int     // of the reduced form
	open     bool    // not reached yet: shown, and no reason to fail
}

// measured is what came of a figure: the value with its interval at 95%.
type measured struct {
	figure
	n     int
	ended int // rollouts that ended in the decision
	value float64
	interval
}

// standing says how the measurement compares with the figure.
type standing string

const (
	reached standing = "reached"
	within  standing = "not told apart" // above, by less than the measurement's error
	missed  standing = "missed"
)

// standing compares the interval with the limit: more rollouts are stricter.
func (m measured) standing() standing {
	switch {
	case m.value <= m.limit:
		return reached
	case m.low <= m.limit:
		return within
	default:
		return missed
	}
}

// String tells the measurement on a line.
func (m measured) String() string {
	return fmt.Sprintf("%s: %s, at most %s (%d rollouts): %s", m.name, m.shown(), m.unit(m.limit), m.n, m.standing())
}

// shown writes the value and its interval.
func (m measured) shown() string {
	return fmt.Sprintf("%s [%s, %s]", m.unit(m.value), m.unit(m.low), m.unit(m.high))
}

func (f figure) unit(v float64) string {
	switch f.kind {
	case falsely:
		return fmt.Sprintf("%.2f%%", 100*v)
	case median:
		return fmt.Sprintf("%.2f min", v)
	default:
		return fmt.Sprintf("%.3f", v)
	}
}

// measure runs a figure's rollouts.
func (f figure) measure(seed uint64, n int) measured {
	f.judge.measure = measureOf(f.workload)
	all := parallel(n, func(i int) one {
		r, w, j := random(seed, f.name, i), f.workload, f.judge
		if w.each != nil {
			w = w.each(r)
			j.before = w.before
		}
		s := w.draw(r)
		o := j.decide(s)
		return one{outcome: o, requests: float64(s.canary.requests(0, o.tick))}
	})
	m := measured{figure: f, n: n}
	minutes, requests := make([]float64, n), make([]float64, n)
	for i, o := range all {
		requests[i] = o.requests
		minutes[i] = math.Inf(1)
		if o.outcome.decision != held {
			m.ended++
			minutes[i] = f.workload.tick.Minutes() * float64(o.outcome.tick)
		}
	}
	switch f.kind {
	case falsely:
		m.value, m.interval = float64(m.ended)/float64(n), wilson(m.ended, n)
	case median:
		slices.Sort(minutes)
		m.value = minutes[n/2]
		// Order statistics bound a median whatever the distribution.
		half := .98 * math.Sqrt(float64(n))
		m.interval = interval{minutes[max(0, n/2-int(half)-1)], minutes[min(n-1, n/2+int(half)+1)]}
	case ratio:
		center := mean(requests)
		squares := 0.0
		for _, r := range requests {
			squares += (r - center) * (r - center)
		}
		half := 1.96 * math.Sqrt(squares) / float64(n)
		m.value = center / f.minimum
		m.interval = interval{(center - half) / f.minimum, (center + half) / f.minimum}
	}
	return m
}

// judging is a judge of one metric that ends at one decision; in blocks of a
// second as the gateway has them.
func judging(m analysis.Metric, block time.Duration, stop analysis.Decision) judge {
	cfg := configured(m, 0)
	cfg.PerRequest = block == time.Second
	return judge{cfg: cfg, block: block, stop: []analysis.Decision{stop}}
}

// plain takes away what is not needed where requests are independent and the
// effect is there from the start: tempering, and restarts.
func plain(j judge) judge {
	j.cfg.Dispersion, j.cfg.MaxDuration = false, 0
	return j
}

// figures are all that have to be reached.
func figures() []figure {
	return slices.Concat(
		falseRollbacks(), requestFigures(), []figure{controlledFigure()}, burstFigures(), marginFigures(), promotionFigures(),
		latencyFigures(), answerFigures(), userFigures(), bareFigures())
}

// falseRollbacks are healthy canaries for an hour at every base and rate, which no
// promotion ends, at both block lengths.
func falseRollbacks() (out []figure) {
	for _, block := range []time.Duration{15 * time.Second, time.Second} {
		runs, reduced := 4000, 300
		if block == time.Second {
			runs, reduced = 1000, 30
		}
		for _, base := range bases {
			for _, rps := range rates {
				c := cell{base, 1, rps, .05, block, time.Hour}
				out = append(out, figure{
					name: fmt.Sprintf("false rollback, %v blocks: %s", block, c.name()), limit: .01,
					workload: c.workload(), judge: judging(errorMetric(strict), block, analysis.Fail), runs: runs, reduced: reduced,
				})
			}
		}
	}
	ramp := ramping(1)
	ramp.tick = 15 * time.Second
	out = append(out, figure{
		name: "false rollback: " + ramp.name, limit: .01, workload: ramp,
		judge: judging(errorMetric(strict), 15*time.Second, analysis.Fail), runs: 2000, reduced: 200,
	})
	cold := warming(1)
	cold.tick = 15 * time.Second
	j := judging(errorMetric(strict), 15*time.Second, analysis.Fail)
	j.cfg.Warmup = cold.delay
	return append(out, figure{
		name: "false rollback: " + cold.name, limit: .01, workload: cold, judge: j, runs: 2000, reduced: 200,
	})
}

// requestFigures compare with the information bound at the whole α of 1%, in
// blocks of a second. Records are long enough for all to be caught.
func requestFigures() (out []figure) {
	for _, c := range []struct {
		cell
		limit float64
	}{
		{cell{.01, 1.5, 100, .05, time.Second, 100 * time.Minute}, 1.16},
		{cell{.01, 2, 100, .05, time.Second, 40 * time.Minute}, 1.16},
		{cell{.01, 5, 100, .05, time.Second, 10 * time.Minute}, 1.31},
		{cell{.05, 2, 100, .05, time.Second, 20 * time.Minute}, 1.16},
		{cell{.001, 2, 1000, .05, time.Second, 40 * time.Minute}, 1.16},
	} {
		f := overBound(c.cell, "requests over the bound, not tempered: ", c.limit)
		f.judge = plain(f.judge)
		out = append(out, f)
	}
	return out
}

// controlledFigure is the same with every control on.
func controlledFigure() figure {
	return overBound(cell{.01, 2, 100, .05, time.Second, 40 * time.Minute}, "requests over the bound, every control on: ", 1.33)
}

// overBound is the mean number of requests to a rollback in a cell.
func overBound(c cell, name string, limit float64) figure {
	return figure{
		name: name + c.name(), kind: ratio, limit: limit,
		workload: c.workload(), judge: judging(errorMetric(strict), time.Second, analysis.Fail),
		minimum: bound(c.base, c.base*c.effect, c.split, .01), runs: 1500, reduced: 300,
	}
}

// burstFigures are failures that come in runs, whose dispersion is not given: on
// both arms, or on the canary's alone, which fails as often as stable does.
func burstFigures() (out []figure) {
	for _, m := range []float64{2, 4, 8} {
		w := bursting(m, 1)
		w.tick = 15 * time.Second
		out = append(out, figure{
			name: fmt.Sprintf("false rollback, bursts of %v", m), limit: .02, workload: w,
			judge: judging(errorMetric(strict), 15*time.Second, analysis.Fail), runs: 2000, reduced: 150,
		})
		w.alone = true
		out = append(out, figure{
			name: fmt.Sprintf("false rollback, bursts of %v of the canary's alone", m), limit: .034, workload: w,
			judge: judging(errorMetric(strict), 15*time.Second, analysis.Fail), runs: 2000, reduced: 100, open: m > 4,
		})
	}
	return out
}

// marginFigures are canaries exactly at the margin, 1.35% against 1%, which must
// not be promoted.
func marginFigures() (out []figure) {
	for _, m := range []float64{0, 2, 4, 8} {
		name, allowed := "wrong promotion at the margin of errors", .05
		if m > 0 {
			name, allowed = fmt.Sprintf("%s, bursts of %v", name, m), .08
		}
		w := bursting(m, 1.35)
		w.tick = 15 * time.Second
		out = append(out, figure{
			name: name, limit: allowed, workload: w,
			judge: judging(errorMetric(1), 15*time.Second, analysis.Pass), runs: 1000, reduced: 100,
		})
	}
	return out
}

// promotionFigures are canaries as good as stable, whose errors may rise by some
// points: how soon that is shown.
func promotionFigures() (out []figure) {
	for _, c := range []struct{ base, margin, rps, minutes float64 }{
		{.001, .005, 10, 22}, {.001, .005, 100, 2.25}, {.01, .005, 100, 8.5}, {.05, .01, 100, 9.25},
	} {
		healthy := cell{c.base, 1, c.rps, .05, 15 * time.Second, 2 * time.Hour}
		out = append(out, figure{
			name: fmt.Sprintf("promotion: %s, up to %v points more", healthy.name(), 100*c.margin), kind: median, limit: c.minutes,
			workload: healthy.workload(), runs: 500, reduced: 40, open: true,
			judge: judging(analysis.Metric{Kind: analysis.ErrorRate, MaxIncrease: c.margin}, 15*time.Second, analysis.Pass),
		})
	}
	return out
}

// latencyFigures: p50 at most 10% and p99 at most 25% longer.
func latencyFigures() []figure {
	block := 15 * time.Second
	at := func(t tolerance, stop analysis.Decision) judge { return judging(latencyMetric(t), block, stop) }
	soon := func(d slowdown, minutes float64) figure {
		return figure{name: "rollback: " + d.name(), kind: median, limit: minutes, workload: slowing(d),
			judge: at(strict, analysis.Fail), runs: 300, reduced: 25, open: true}
	}
	return []figure{
		{name: "false rollback: latency, equal", limit: .01, workload: slowing(slowdown{1, 0}),
			judge: at(strict, analysis.Fail), runs: 500, reduced: 25},
		soon(slowdown{1.05, 0}, 10.8),
		soon(slowdown{1.1, 0}, 2.5),
		soon(slowdown{1.25, 0}, .5),
		soon(slowdown{1, .01}, 2.75),
		soon(slowdown{1, .03}, .75),
		{name: "promotion: latency, equal", kind: median, limit: 14, workload: slowing(slowdown{1, 0}),
			judge: at(tolerant, analysis.Pass), runs: 300, reduced: 25},
		{name: "wrong promotion at the margin of latency", limit: .05, workload: slowing(slowdown{1.1, 0}),
			judge: at(1, analysis.Pass), runs: 500, reduced: 25},
		{name: "false rollback at the margin of latency", limit: .01, workload: slowing(slowdown{1.1, 0}),
			judge: at(1, analysis.Fail), runs: 500, reduced: 25},
	}
}
