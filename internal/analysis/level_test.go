package analysis

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// atTheNull is every kind of metric with traffic that lies on the boundary of what
// is tolerated: any more often taken back and the declared rate is broken.
func atTheNull() map[string]struct {
	metric Metric
	play   func() play
} {
	edges := schema(3, .01, 1)
	arms := func(shape Measure, stable, canary drawer) func() play {
		return func() play {
			return func(r *rand.Rand) Measure {
				x := shape
				x.Stable, x.Canary = stable(r, poisson(r, 380)), canary(r, poisson(r, 20))
				return x
			}
		}
	}
	always := func(p play) func() play { return func() play { return p } }
	return map[string]struct {
		metric Metric
		play   func() play
	}{
		"errors":                {Metric{Kind: ErrorRate, MaxIncrease: .01}, arms(Measure{}, failing(.02), failing(.02))},
		"errors, tolerated":     {Metric{Kind: ErrorRate, MaxRatio: 1.25, MaxIncrease: .01, Tolerate: 1}, arms(Measure{}, failing(.02), failing(.035))},
		"latency":               {Metric{Kind: Latency, Slower: []Slower{{Quantile: .5, Share: .1}, {Quantile: .99, Share: .25}}}, arms(Measure{Edges: edges}, lognormal(edges, .05, .2, 1, 0), lognormal(edges, .05, .2, 1, 0))},
		"latency over a time":   {Metric{Kind: Latency, Over: []Over{{100 * time.Millisecond, .02}}}, arms(Measure{Edges: edges}, lognormal(edges, .05, .2, 1, 0), lognormal(edges, .05, .2, 1, 0))},
		"classes":               {Metric{Kind: Drift, Max: .05}, arms(Measure{Bins: []string{"a", "b", "c"}}, choosing(.6, .3, .1), choosing(.6, .3, .1))},
		"score, tolerated":      {Metric{Kind: Drift, Max: .05, Tolerate: 1}, arms(Measure{Bins: []string{"1", "2", "3"}, Ordered: true}, choosing(.3, .3, .4), choosing(.25, .3, .45))},
		"bounded mean":          {Metric{Kind: Mean, Upper: 1, MaxDecrease: .02}, arms(Measure{}, scoring(.6, .15), scoring(.6, .15))},
		"unbounded mean":        {Metric{Kind: Mean, Unbounded: true, BurnIn: 200, MaxDecrease: 5}, arms(Measure{}, heavy(100, .5), heavy(100, .5))},
		"gauge":                 {Metric{Kind: Gauge, MaxRatio: 1.1}, levels(20, 20)},
		"disagreement":          {Metric{Kind: Pairs, Max: .02, Tolerate: 1}, always(func(r *rand.Rand) Measure { return Measure{Pairs: 200, Disagree: binomial(r, 200, .02)} })},
		"paired errors":         {Metric{Kind: PairedErrors, MaxIncrease: .01}, always(mirrored(200, .01, .02, .02))},
		"paired latency":        {Metric{Kind: PairedLatency, Max: .1}, always(slowed(100, 1, .3))},
		"share of errors":       {Metric{Kind: ErrorShare, MaxRatio: 1.5}, always(failuresOnly(20, 1))},
		"outcome":               {Metric{Kind: Outcome, MaxIncrease: .02}, arms(Measure{}, failing(.2), failing(.2))},
		"outcome, some labels":  {Metric{Kind: Outcome, MaxIncrease: .02}, arms(Measure{Bins: []string{"no", "yes"}}, labelled(0), labelled(1))},
		"exponential histogram": {Metric{Kind: Latency, Slower: []Slower{{Quantile: .5, Share: .1}}}, arms(Measure{}, native(4, .05, .6), native(4, .05, .6))},
	}
}

// labelled draws labels that come for some classes more often, alike on both arms.
func labelled(arm int) drawer {
	return func(r *rand.Rand, n int64) Counts { return asGood.arm(r, arm, n) }
}

// TestEveryKindKeepsItsLevel: with every control on and looked at after every one
// of 80 blocks, no kind takes back more than the declared 1% at its null.
func TestEveryKindKeepsItsLevel(t *testing.T) {
	runs := 250
	if testing.Short() {
		runs = 25
	}
	for name, c := range atTheNull() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, hits, seen := judged(c.metric), 0, int64(0)
			for seed := range uint64(runs) {
				failed, st := c.play().run(cfg, seed, 80, Fail)
				if failed {
					hits++
				}
				seen += st.Metrics[0].CanaryN
			}
			if seen == 0 {
				t.Fatal("nothing was evidence")
			}
			atMost(t, "taken back", hits, runs, .01)
		})
	}
}

// TestEvidenceIsOfTheCountsAlone: the same counts are the same evidence whenever
// they were taken, and however often the verdict was asked for in between.
func TestEvidenceIsOfTheCountsAlone(t *testing.T) {
	cfg := tenMetrics()
	var once, later State
	a, b := rng(5), rng(5)
	for i := range int64(20) {
		x, y := tenMeasures(a, i), tenMeasures(b, i)
		y.Start, y.End = y.Start.Add(7777*time.Hour), y.End.Add(7777*time.Hour)
		var want, got Verdict
		once, want = Step(cfg, once, x)
		later, _ = Step(cfg, later, y)
		later, got = Step(cfg, reread(t, later), y) // asked again after a restart
		if d := cmp.Diff(evidence(want), evidence(got)); d != "" {
			t.Fatalf("block %d: %s", i, d)
		}
	}
}
