package plan

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// The metrics of the tests, by name.
var (
	errorRate  = analysis.Metric{Name: "errors", Kind: analysis.ErrorRate, MaxRatio: 1.25, MaxIncrease: .001, Tolerate: .5}
	slower     = analysis.Metric{Name: "latency", Kind: analysis.Latency, Tolerate: .5, Slower: []analysis.Slower{{Quantile: .5, Share: .1}, {Quantile: .99, Share: .25}}}
	answers    = analysis.Metric{Name: "answers", Kind: analysis.Drift, Max: .05, Tolerate: 1}
	confidence = analysis.Metric{Name: "confidence", Kind: analysis.Mean, Upper: 1, MaxDecrease: .02, Tolerate: .5}
	agreement  = analysis.Metric{Name: "agreement", Kind: analysis.Pairs, Max: .02, Tolerate: 1}
)

// planOf is a rollout of several weights, in percent.
func planOf(weights []float64, metrics ...analysis.Metric) rollout.Plan {
	p := rollout.Plan{
		Name: "test", MaxDuration: 4 * time.Hour,
		Analysis: analysis.Config{
			FalseRollback: .01, FalsePromotion: .05, MaxDuration: 4 * time.Hour, Interval: 15 * time.Second,
			Warmup: 90 * time.Second, Dispersion: true, SRM: .001, Metrics: metrics,
		},
	}
	for _, w := range weights {
		p.Steps = append(p.Steps, rollout.Step{Weight: traffic.Percent(w)})
	}
	return p
}

// edges are 9% apart from 5 ms to 3 s.
func edges() []float64 {
	var out []float64
	for e := .005; e < 3; e *= math.Pow(2, 1./8) {
		out = append(out, e)
	}
	return out
}

// habits is a baseline of every metric of the tests.
func habits() Baseline {
	return Baseline{RPS: 100, Habits: map[string]Habit{
		"errors":     {Rate: .01},
		"latency":    {Edges: edges(), Counts: Lognormal(edges(), .05, .202)},
		"answers":    {Classes: []float64{.6, .3, .1}},
		"confidence": {Mean: .7, SD: .15},
		"agreement":  {Rate: .008},
	}}
}

// draw gives the measure of one metric for n requests of an arm.
type draw func(r *rand.Rand, n int64) analysis.Counts

// world is simulated traffic of one metric.
type world struct {
	rps, weight    float64
	block          time.Duration
	shape          analysis.Measure
	stable, canary draw
	shadow         bool
	factor         float64
}

// run feeds analysis.Step until the canary fails or passes, and returns what
// happened and after how many seconds.
func (w world) run(cfg analysis.Config, seed uint64, horizon float64) (analysis.Decision, float64) {
	r := rand.New(rand.NewPCG(seed, 11))
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	began := at
	var st analysis.State
	var v analysis.Verdict
	for i := int64(1); at.Sub(began).Seconds() < horizon; i++ {
		sec := w.block.Seconds()
		nB, nC := poisson(r, w.rps*sec*(1-w.weight)), poisson(r, w.rps*sec*w.weight)
		x := w.shape
		if w.shadow {
			x.Pairs = nB + nC
			x.Disagree = w.canary(r, x.Pairs).K
		} else {
			x.Stable, x.Canary = w.stable(r, nB), w.canary(r, nC)
		}
		st, v = analysis.Step(cfg, st, analysis.Sample{
			Block: i, Start: at, End: at.Add(w.block), Weight: w.weight,
			Stage:   analysis.Stage{Factor: w.factor, Last: w.factor == 1, Shadow: w.shadow},
			Metrics: map[string]analysis.Measure{cfg.Metrics[0].Name: x},
		})
		at = at.Add(w.block)
		if v.Decision == analysis.Fail || v.Decision == analysis.Pass {
			return v.Decision, at.Sub(began).Seconds()
		}
	}
	return analysis.Inconclusive, horizon
}

// tally repeats runs and returns the share that ended with a decision and the
// median time of those.
func (w world) tally(cfg analysis.Config, n int, horizon float64, want analysis.Decision) (share, median float64) {
	var when []float64
	for seed := range n {
		if d, t := w.run(cfg, uint64(seed), horizon); d == want {
			when = append(when, t)
		}
	}
	slices.Sort(when)
	if len(when) == 0 {
		return 0, math.Inf(1)
	}
	return float64(len(when)) / float64(n), when[len(when)/2]
}

func hitting(p float64) draw {
	return func(r *rand.Rand, n int64) analysis.Counts { return analysis.Counts{N: n, K: binomial(r, n, p)} }
}

// slowed draws from the baseline histogram with every latency times f.
func slowed(f float64) draw {
	e := edges()
	shares := Lognormal(e, .05*f, .202*f)
	return func(r *rand.Rand, n int64) analysis.Counts { return analysis.Counts{Counts: multinomial(r, n, shares)} }
}

func choosing(p ...float64) draw {
	return func(r *rand.Rand, n int64) analysis.Counts { return analysis.Counts{Counts: multinomial(r, n, p)} }
}

func scoring(mu, sd float64) draw {
	return func(r *rand.Rand, n int64) analysis.Counts {
		c := analysis.Counts{N: n}
		for range n {
			x := min(1, max(0, mu+sd*r.NormFloat64()))
			c.Sum += x
			c.SumSq += x * x
		}
		return c
	}
}

func multinomial(r *rand.Rand, n int64, p []float64) []int64 {
	out, left := make([]int64, len(p)), 1.
	for i, q := range p {
		if i == len(p)-1 || left <= 1e-12 {
			out[i] = n
			break
		}
		out[i] = binomial(r, n, min(1, q/left))
		n, left = n-out[i], left-q
	}
	return out
}

func poisson(r *rand.Rand, mean float64) int64 {
	if mean > 500 {
		return max(0, int64(math.Round(mean+math.Sqrt(mean)*r.NormFloat64())))
	}
	n, p := int64(-1), 0.
	for p <= mean {
		p += r.ExpFloat64()
		n++
	}
	return n
}

func binomial(r *rand.Rand, n int64, p float64) int64 {
	switch {
	case p <= 0 || n <= 0:
		return 0
	case p >= 1:
		return n
	case p > .5:
		return n - binomial(r, n, 1-p)
	case float64(n)*p > 200: // normal is good enough here, and quick
		k := math.Round(float64(n)*p + math.Sqrt(float64(n)*p*(1-p))*r.NormFloat64())
		return min(n, max(0, int64(k)))
	}
	k, at := int64(-1), int64(0)
	scale := math.Log1p(-p)
	for at <= n {
		at += 1 + int64(math.Log(1-r.Float64())/scale)
		k++
	}
	return k
}

// once is the forecast of a single step at a weight and its model.
func once(t testing.TB, weight float64, m analysis.Metric, b Baseline) (*Report, namedModel, stage) {
	t.Helper()
	p := planOf([]float64{weight, 100}, m)
	if m.Kind == analysis.Pairs {
		p.Steps[0] = rollout.Step{Shadow: traffic.Percent(weight)}
	}
	r, err := forecast(p, b)
	if err != nil {
		t.Fatal(err)
	}
	at := stageOf(p, 0)
	at.begins, at.first, at.horizon = r.Warmup, true, r.MaxDuration-r.Warmup
	return r, r.models[0], at
}
