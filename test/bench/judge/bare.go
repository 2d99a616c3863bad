package main

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"gonum.org/v1/gonum/stat/distuv"
)

// bare leaves of a judge the test alone: no tempering, no restarts, nothing kept
// for a second attempt. So the requests that a test needs are compared with what
// theory says it needs, all of the 1% being spent as the bound spends it.
func bare(j judge) judge {
	j = plain(j)
	const firstAttempt = .9 // of α, by the documentation of Config.Attempt
	j.cfg.FalseRollback = .01 / firstAttempt
	return j
}

// known is for how long stable was counted before the canary had any traffic.
const known = 10 * time.Minute

// bareFigures are those of the tests alone. The same properties with every control
// on are among the others.
func bareFigures() (out []figure) {
	for _, f := range append(requestFigures(), promotionFigures()...) {
		f.name = strings.Replace("the test alone, "+f.name, ", not tempered", "", 1)
		f.judge, f.open = bare(f.judge), f.kind == ratio && f.limit > 1.3
		f.workload.history, f.reduced = known, min(f.reduced, 100)
		out = append(out, f)
	}
	return append(append(out, bareLatency()...), append(bareAnswers(), bareUsers()...)...)
}

// sixQuantiles is latency looked at from the median to the p99.9.
func sixQuantiles() analysis.Metric {
	m := analysis.Metric{Kind: analysis.Latency}
	for _, q := range []float64{.5, .75, .9, .95, .99, .999} {
		m.Slower = append(m.Slower, analysis.Slower{Quantile: q, Share: .1})
	}
	return m
}

// bareLatency looks at six quantiles that stable's past has named.
func bareLatency() (out []figure) {
	j := bare(judging(sixQuantiles(), 15*time.Second, analysis.Fail))
	from := func(d slowdown) workload {
		w := slowing(d)
		w.history = known
		return w
	}
	out = append(out, figure{name: "the test alone, false rollback: latency, equal, six quantiles", limit: .01,
		workload: from(slowdown{1, 0}), judge: j, runs: 500, reduced: 25})
	for _, c := range []struct {
		slowdown
		minutes float64
	}{{slowdown{1.05, 0}, 10.8}, {slowdown{1.1, 0}, 2.5}, {slowdown{1.25, 0}, .5}, {slowdown{1, .01}, 2.75}, {slowdown{1, .03}, .75}} {
		out = append(out, figure{name: "the test alone, rollback: " + c.name() + ", six quantiles", kind: median, limit: c.minutes,
			workload: from(c.slowdown), judge: j, runs: 300, reduced: 25})
	}
	return out
}

// bareAnswers are changes of the distribution of scores where none is tolerated,
// and mirrored pairs of which the canary fails 3% and stable 2%, or of which the
// canary's answers take 5% longer.
func bareAnswers() (out []figure) {
	drift := analysis.Metric{Kind: analysis.Drift, Max: .05}
	moved := tenths(.0535)
	index := 0.0
	for _, p := range moved {
		index += (p - .1) * math.Log(p/.1)
	}
	for _, c := range []struct{ rps, minutes float64 }{{10, 10.8}, {100, 1.25}} {
		w := answering("", tenths(0), moved, scores)
		w.traffic, w.history = steady(c.rps, .05), known
		out = append(out, figure{
			name: fmt.Sprintf("the test alone, rollback: drift of index %.3f, %v rps", index, c.rps), kind: median, limit: c.minutes,
			workload: w, judge: bare(judging(drift, 15*time.Second, analysis.Fail)), runs: 500, reduced: 40, open: c.rps < 100,
		})
	}
	for _, c := range []struct{ recur, pairs float64 }{{0, 5050}, {.5, 3175}, {.9, 1200}} {
		out = append(out, inPairs(figure{
			name: fmt.Sprintf("the test alone, rollback: mirrored, errors 2%% → 3%%, %v%% of stable's recur", 100*c.recur), limit: c.pairs, open: c.recur > .5,
			workload: failingTwice(.02, .03, c.recur), judge: judge{cfg: configured(analysis.Metric{Kind: analysis.PairedErrors, MaxIncrease: .01}, 0)},
		}))
	}
	for _, c := range []struct{ correlation, pairs float64 }{{0, 6170}, {.5, 3310}, {.9, 530}} {
		out = append(out, inPairs(figure{
			name: fmt.Sprintf("the test alone, rollback: mirrored, latency ×1.05, correlation %v", c.correlation), limit: c.pairs,
			workload: slowTwice(1.05, c.correlation), judge: judge{cfg: configured(analysis.Metric{Kind: analysis.PairedLatency, Max: .1}, 0)},
		}))
	}
	return out
}

// pairsPerSecond is how many requests are mirrored in the figures about pairs.
const pairsPerSecond = 10

// inPairs makes a figure about the median number of pairs.
func inPairs(f figure) figure {
	f.kind, f.runs, f.reduced = median, 500, 40
	f.limit /= 60 * pairsPerSecond
	f.judge.block, f.judge.shadow, f.judge.stop = time.Second, true, []analysis.Decision{analysis.Fail}
	f.judge = bare(f.judge)
	return f
}

// mirrored is traffic of pairs whose bins the canary's series holds.
func mirrored(bins []float64, m measure) workload {
	return workload{length: time.Hour, tick: time.Second, traffic: steady(2*pairsPerSecond, .5),
		stable: constant(bins), canary: constant(bins), measure: m}
}

// failingTwice has requests that stable fails with probability p, the canary with q,
// and of those that stable fails a share recur on the canary.
func failingTwice(p, q, recur float64) workload {
	both := p * recur
	return mirrored([]float64{1 - p - q + both, p - both, q - both, both}, func(_, pairs []int64) analysis.Measure {
		return analysis.Measure{Pairs: pairs[0] + pairs[1] + pairs[2] + pairs[3], StableOnlyBad: pairs[1], CanaryOnlyBad: pairs[2]}
	})
}

// slowTwice has pairs of lognormal latencies of which the canary's are longer by a
// factor, and whose logarithms are correlated.
func slowTwice(factor, correlation float64) workload {
	edges := []float64{.9, 1, 1.05, 1.1, 1.2}
	sigma := math.Log(202./50) / distuv.UnitNormal.Quantile(.99)
	law := distuv.LogNormal{Mu: math.Log(factor), Sigma: sigma * math.Sqrt(2*(1-correlation))}
	bins, last := []float64{}, 0.0
	for _, e := range edges {
		bins = append(bins, law.CDF(e)-last)
		last = law.CDF(e)
	}
	return mirrored(append(bins, 1-last), func(_, ratios []int64) analysis.Measure {
		return analysis.Measure{Edges: edges, Canary: analysis.Counts{Counts: ratios}}
	})
}

// bareUsers are users who stay, with the test of shares alone.
func bareUsers() (out []figure) {
	for _, f := range userFigures() {
		if f.kind == median {
			f.name, f.judge, f.open = "the test alone, "+f.name, bare(f.judge), false
			out = append(out, f)
		}
	}
	return out
}
