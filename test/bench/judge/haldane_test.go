package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/haldane-dev/haldane/internal/analysis"
)

// TestStages: every split is a step with its default factor; the last is the gate.
func TestStages(t *testing.T) {
	s := &stream{tick: time.Minute, weights: []float64{.01, .01, .25, .5, .5}}
	want := []analysis.Stage{{Index: 0, Factor: 4}, {Index: 0, Factor: 4}, {Index: 1, Factor: 2},
		{Index: 2, Factor: 1, Last: true}, {Index: 2, Factor: 1, Last: true}}
	if diff := cmp.Diff(want, stagesOf(s)); diff != "" {
		t.Error(diff)
	}
	s.weights = []float64{.05, .05}
	if diff := cmp.Diff([]analysis.Stage{{Factor: 1, Last: true}, {Factor: 1, Last: true}}, stagesOf(s)); diff != "" {
		t.Error("one step:", diff)
	}
}

// TestBlocks: blocks follow each other, have the length asked for, end where the
// split changes, and together hold every request once.
func TestBlocks(t *testing.T) {
	w := ramping(1)
	s := w.draw(random(1, w.name, 0))
	var samples []analysis.Sample
	j := judge{cfg: configured(errorMetric(strict), 0), block: 7 * time.Second}
	j.measure = func(stable, canary []int64) analysis.Measure {
		m := measureOf(w)(stable, canary)
		samples = append(samples, analysis.Sample{Metrics: map[string]analysis.Measure{metric: m}})
		return m
	}
	wantOutcome(t, rule{"to the end", j.decide}, s, held, s.ticks())
	var canary, stable int64
	for _, x := range samples {
		canary += x.Metrics[metric].Canary.N
		stable += x.Metrics[metric].Stable.N
	}
	if want := [2]int64{s.canary.requests(0, s.ticks()), s.stable.requests(0, s.ticks())}; want != [2]int64{canary, stable} {
		t.Errorf("judged %d and %d requests, want %v", canary, stable, want)
	}
	// A quarter of an hour is 128 blocks of 7 s and one of 4.
	if len(samples) != 4*129 {
		t.Errorf("%d blocks, want %d", len(samples), 4*129)
	}
}

// TestHaldane: the rule as a whole, on canaries that leave no doubt.
func TestHaldane(t *testing.T) {
	decide := func(effect float64) outcome {
		w := cell{.01, effect, 100, .5, 15 * time.Second, time.Hour}.workload()
		return haldane(w, "Haldane", strict, 15*time.Second).decide(w.draw(random(1, w.name, 0)))
	}
	if o := decide(50); o.decision != rolledBack || o.tick > 12 {
		t.Errorf("half of the requests fail: %+v", o)
	}
	if o := decide(.01); o.decision != promoted || o.tick > 60 {
		t.Errorf("far better than stable: %+v", o)
	}
	w := starting(5)
	if o := haldane(w, "Haldane", strict, 15*time.Second).decide(w.draw(random(1, w.name, 0))); o.decision != rolledBack || o.tick < 1200 {
		t.Errorf("wrong from minute 20, the plan paused: %+v", o)
	}
}
