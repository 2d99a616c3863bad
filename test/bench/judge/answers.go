package main

import (
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"gonum.org/v1/gonum/stat/distuv"
)

// answering is traffic of the typical cell whose bins are something other than
// errors or latencies, in blocks of 15 s.
func answering(name string, stable, canary []float64, m measure) workload {
	return workload{
		name: name, length: time.Hour, tick: 15 * time.Second, traffic: steady(100, .05),
		stable: constant(stable), canary: constant(canary), measure: m,
	}
}

// tenths are ten equally likely bins of a score, the first of which a drift of size
// ks makes rarer and the last as much more frequent: so large is then the
// Kolmogorov–Smirnov distance.
func tenths(ks float64) []float64 {
	p := make([]float64, 10)
	for i := range p {
		p[i] = .1
	}
	p[0] -= min(ks, .1)
	p[1] -= max(0, ks-.1)
	p[9] += ks
	return p
}

var bins = []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}

func scores(stable, canary []int64) analysis.Measure {
	return analysis.Measure{Bins: bins, Ordered: true,
		Stable: analysis.Counts{Counts: stable}, Canary: analysis.Counts{Counts: canary}}
}

// levels are the values that means are taken of: middles of 64 equal parts of [0, 1].
const levels = 64

// confident returns the shares of the levels for a normal distribution cut to [0, 1].
func confident(mean, sd float64) []float64 {
	law := distuv.Normal{Mu: mean, Sigma: sd}
	p, last := make([]float64, levels), 0.0
	for i := range p {
		next := law.CDF(float64(i+1) / levels)
		if i == levels-1 {
			next = 1
		}
		p[i], last = next-last, next
	}
	return p
}

func moments(stable, canary []int64) analysis.Measure {
	sum := func(counts []int64) (c analysis.Counts) {
		for i, n := range counts {
			x := (float64(i) + .5) / levels
			c.N += n
			c.Sum += float64(n) * x
			c.SumSq += float64(n) * x * x
		}
		return c
	}
	return analysis.Measure{Stable: sum(stable), Canary: sum(canary)}
}

// pairs reads stable's bins, agreement and disagreement, as mirrored pairs.
func pairs(stable, _ []int64) analysis.Measure {
	return analysis.Measure{Pairs: stable[0] + stable[1], Disagree: stable[1]}
}

// answerFigures are about what the models say: drift of scores up to a distance of
// 0.05, mean confidence at most 0.02 lower, mirrored answers that may differ in 2%.
func answerFigures() []figure {
	block := 15 * time.Second
	drift := analysis.Metric{Kind: analysis.Drift, Max: .05, Tolerate: 1}
	lower := analysis.Metric{Kind: analysis.Mean, Upper: 1, MaxDecrease: .02}
	atMargin := lower
	atMargin.Tolerate = 1
	differ := analysis.Metric{Kind: analysis.Pairs, Max: .02, Tolerate: 1}
	drifted := func(ks float64) workload { return answering("", tenths(0), tenths(ks), scores) }
	confidence := func(mean float64) workload {
		return answering("", confident(.6, .15), confident(mean, .15), moments)
	}
	mirrored := func(p float64) workload { return answering("", failing(p), failing(p), pairs) }
	return []figure{
		{name: "false rollback: drift of 0.05, all of it tolerated", limit: .01, workload: drifted(.05),
			judge: judging(drift, block, analysis.Fail), runs: 1000, reduced: 100},
		{name: "rollback: drift of 0.109", kind: median, limit: 3.5, workload: drifted(.109),
			judge: judging(drift, block, analysis.Fail), runs: 500, reduced: 40},
		{name: "wrong promotion at the margin of drift", limit: .05, workload: drifted(.05),
			judge: judging(drift, block, analysis.Pass), runs: 1000, reduced: 100},
		{name: "false rollback: means, equal", limit: .01, workload: confidence(.6),
			judge: judging(lower, block, analysis.Fail), runs: 1000, reduced: 100},
		{name: "rollback: mean 0.12 standard deviations lower", kind: median, limit: 6.5, workload: confidence(.582),
			judge: judging(lower, block, analysis.Fail), runs: 500, reduced: 40},
		{name: "wrong promotion at the margin of means", limit: .05, workload: confidence(.58),
			judge: judging(atMargin, block, analysis.Pass), runs: 1000, reduced: 100},
		{name: "false rollback: pairs that differ in 2%", limit: .01, workload: mirrored(.02),
			judge: judging(differ, block, analysis.Fail), runs: 1000, reduced: 100},
		{name: "wrong promotion: pairs that differ in 2%", limit: .05, workload: mirrored(.02),
			judge: shadowing(judging(differ, block, analysis.Pass)), runs: 1000, reduced: 100},
	}
}

// shadowing judges mirrored traffic.
func shadowing(j judge) judge {
	j.shadow = true
	return j
}
