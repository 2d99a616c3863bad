package main

import (
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
)

// tolerance is the share of the margin that is not yet worth a rollback.
type tolerance float64

const (
	strict   tolerance = 0  // any regression that can be shown, as the other rules have it
	tolerant tolerance = .5 // the default of a rollout file
)

// metric is the name under which all counts are judged.
const metric = "m"

// epoch is when simulated rollouts begin.
var epoch = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

// configured is the one configuration of all workloads: a rollout file's defaults,
// but for the tolerance where it is strict and the warm-up where there is none.
func configured(m analysis.Metric, delay time.Duration) analysis.Config {
	m.Name = metric
	return analysis.Config{
		FalseRollback: .01, FalsePromotion: .05, Warmup: delay, MaxDuration: 2 * time.Hour,
		Interval: 15 * time.Second, SRM: .001, Dispersion: true,
		Metrics: []analysis.Metric{m},
	}
}

// errorMetric is errorRate with its default margin.
func errorMetric(t tolerance) analysis.Metric {
	return analysis.Metric{Kind: analysis.ErrorRate, MaxRatio: 1.25, MaxIncrease: .001, Tolerate: float64(t)}
}

// latencyMetric is latency with its default margin.
func latencyMetric(t tolerance) analysis.Metric {
	return analysis.Metric{Kind: analysis.Latency, Tolerate: float64(t),
		Slower: []analysis.Slower{{Quantile: .5, Share: .1}, {Quantile: .99, Share: .25}}}
}

// haldane shows a workload to analysis.Step in blocks of the given length: blocks of
// a second are the gateway's own, which draws an arm for every request; longer ones
// are another program's, of whose split nothing of the kind is known.
func haldane(w workload, name string, t tolerance, block time.Duration) rule {
	m := errorMetric(t)
	if w.edges != nil {
		m = latencyMetric(t)
	}
	stop := []analysis.Decision{analysis.Fail, analysis.Pass}
	if w.paused {
		stop = stop[:1]
	}
	cfg := configured(m, w.delay)
	cfg.PerRequest = block == time.Second
	j := judge{cfg: cfg, block: max(block, w.tick), measure: measureOf(w), stop: stop}
	return rule{name, j.decide}
}

// judge runs analysis.Step over a stream until one of the decisions in stop.
type judge struct {
	cfg     analysis.Config
	block   time.Duration
	measure measure
	stop    []analysis.Decision
	shadow  bool             // traffic is mirrored: pairs alone are judged
	before  []analysis.Group // comes with the first block
}

// measure turns the counts of both arms' bins into what Step reads.
type measure func(stable, canary []int64) analysis.Measure

func measureOf(w workload) measure {
	switch {
	case w.measure != nil:
		return w.measure
	case w.edges == nil:
		return func(stable, canary []int64) analysis.Measure {
			return analysis.Measure{Stable: failures(stable), Canary: failures(canary)}
		}
	}
	return func(stable, canary []int64) analysis.Measure {
		return analysis.Measure{Edges: w.edges,
			Stable: analysis.Counts{Counts: stable}, Canary: analysis.Counts{Counts: canary}}
	}
}

func failures(counts []int64) analysis.Counts {
	return analysis.Counts{N: counts[0] + counts[1], K: counts[1]}
}

func (j judge) decide(s *stream) outcome {
	var state analysis.State
	var v analysis.Verdict
	step := s.at(j.block)
	block := int64(0)
	stages := stagesOf(s)
	for _, x := range j.past(s, step, stages[0]) {
		state, _ = analysis.Step(j.cfg, state, x)
		block = x.Block
	}
	for from := 0; from < s.ticks(); {
		to := min(from+step, s.ticks())
		for i := from + 1; i < to; i++ { // a change of the split closes the block
			if s.weights[i] != s.weights[from] {
				to = i
			}
		}
		block++
		stages[from].Shadow = j.shadow
		state, v = analysis.Step(j.cfg, state, j.sample(s, from, to, stages[from], block))
		for _, d := range j.stop {
			if v.Decision == d && (d == analysis.Fail || v.Stage.Last) {
				return outcome{ends[d], to}
			}
		}
		from = to
	}
	return undecided(s)
}

// past is what a source reports of stable before the canary had any traffic.
func (j judge) past(s *stream, step int, stage analysis.Stage) (out []analysis.Sample) {
	ticks := s.history.ticks()
	for from := 0; from < ticks; from += step {
		to := min(from+step, ticks)
		out = append(out, analysis.Sample{
			Block: int64(len(out) + 1), Start: epoch.Add(s.since(from - ticks)), End: epoch.Add(s.since(to - ticks)), Stage: stage,
			Metrics: map[string]analysis.Measure{metric: j.measure(s.history.between(from, to), make([]int64, s.history.bins))},
		})
	}
	return out
}

// ends says what a final verdict does to the rollout.
var ends = map[analysis.Decision]decision{analysis.Fail: rolledBack, analysis.Pass: promoted}

// sample is what a source reports of ticks from ≤ i < to.
func (j judge) sample(s *stream, from, to int, stage analysis.Stage, block int64) analysis.Sample {
	m := j.measure(s.stable.between(from, to), s.canary.between(from, to))
	if block == 1 {
		m.Before = j.before
	}
	x := analysis.Sample{
		Block: block, Start: epoch.Add(s.since(from)), End: epoch.Add(s.since(to)),
		Weight: s.weights[from], Stage: stage, Metrics: map[string]analysis.Measure{metric: m},
	}
	if !j.cfg.Sticky { // with users who stay, only the first sight of each is a random draw
		x.Assigned = []analysis.Assignment{{
			Weight: x.Weight, Stable: s.stable.requests(from, to), Canary: s.canary.requests(from, to)}}
	}
	return x
}

// stagesOf returns each tick's place in the plan: a step for every weight, with the
// default factors, and the last one the gate to promotion.
func stagesOf(s *stream) []analysis.Stage {
	out := make([]analysis.Stage, s.ticks())
	index := 0
	for i, w := range s.weights {
		if i > 0 && w != s.weights[i-1] {
			index++
		}
		out[i] = analysis.Stage{Index: index, Factor: factor(w)}
	}
	last := index
	for i := range out {
		if out[i].Index == last {
			out[i].Last, out[i].Factor = true, 1
		}
	}
	return out
}

// factor is the default margin factor of a step.
func factor(weight float64) float64 {
	switch {
	case weight < .2:
		return 4
	case weight < .5:
		return 2
	default:
		return 1
	}
}
