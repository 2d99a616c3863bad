package analysis

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// tenMetrics is a rollout judged by ten metrics, one of them latency over 64
// edges at the default quantiles.
func tenMetrics() Config {
	cfg := Config{
		FalseRollback: .01, FalsePromotion: .05, MaxDuration: 2 * time.Hour,
		Interval: 15 * time.Second, SRM: .001, Dispersion: true,
	}
	for i := range 4 {
		cfg.Metrics = append(cfg.Metrics, Metric{
			Name: fmt.Sprint("errors", i), Kind: ErrorRate, MaxRatio: 1.25, MaxIncrease: .001, Tolerate: .5})
	}
	for i := range 2 {
		cfg.Metrics = append(cfg.Metrics, Metric{
			Name: fmt.Sprint("mean", i), Kind: Mean, Upper: 1, MaxDecrease: .02, Tolerate: .5})
	}
	return Config{
		FalseRollback: cfg.FalseRollback, FalsePromotion: cfg.FalsePromotion, MaxDuration: cfg.MaxDuration,
		Interval: cfg.Interval, SRM: cfg.SRM, Dispersion: true,
		Metrics: append(cfg.Metrics,
			Metric{Name: "latency", Kind: Latency, Tolerate: .5,
				Slower: []Slower{{Quantile: .5, Share: .1}, {Quantile: .99, Share: .25}}},
			Metric{Name: "answers", Kind: Drift, Max: .05, Tolerate: 1},
			Metric{Name: "wrong", Kind: Outcome, MaxIncrease: .01, Tolerate: .5},
			Metric{Name: "agreement", Kind: Pairs, Max: .02, Tolerate: 1},
		),
	}
}

// edges64 are latency edges from 1 ms up.
func edges64() []float64 { return schema(5, .02, .082)[:64] }

// tenMeasures draws a block for tenMetrics.
func tenMeasures(r *rand.Rand, i int64) Sample {
	edges := edges64()
	arms := func(f func(*rand.Rand, int64) Counts) Measure {
		return Measure{Stable: f(r, 1425), Canary: f(r, 75)}
	}
	x := sim{rps: 100, weight: .05, block: 15 * time.Second, stage: Stage{Factor: 1, Last: true},
		stable: failing(.01), canary: failing(.01)}.sample(r, i)
	x.Metrics = map[string]Measure{"agreement": {Pairs: 1425, Disagree: binomial(r, 1425, .005)}, "wrong": arms(failing(.2))}
	for k := range 4 {
		x.Metrics[fmt.Sprint("errors", k)] = arms(failing(.01))
	}
	for k := range 2 {
		x.Metrics[fmt.Sprint("mean", k)] = arms(scoring(.6, .15))
	}
	latency := arms(lognormal(edges, .03, .075, 1, 0))
	latency.Edges = edges
	answers := arms(choosing(.6, .3, .1))
	answers.Bins = []string{"no", "yes", "maybe"}
	x.Metrics["latency"], x.Metrics["answers"] = latency, answers
	return x
}

func BenchmarkStep(b *testing.B) {
	cfg := tenMetrics()
	r := rand.New(rand.NewPCG(1, 1))
	samples := make([]Sample, 64)
	for i := range samples {
		samples[i] = tenMeasures(r, int64(i))
	}
	var st State
	for _, x := range samples {
		st, _ = Step(cfg, st, x)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		x := samples[i%len(samples)]
		x.Block = int64(len(samples) + i + 1)
		st, _ = Step(cfg, st, x)
	}
	b.StopTimer()
	raw, err := json.Marshal(st)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(len(raw)), "state-bytes")
}
