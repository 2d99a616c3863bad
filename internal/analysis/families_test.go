package analysis

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// play is a source of measures of metric "m", one a block.
type play func(r *rand.Rand) Measure

// run feeds blocks until the decision. Mirrored kinds are played at a shadow step.
func (p play) run(cfg Config, seed uint64, blocks int64, stop Decision) (bool, State) {
	r := rng(seed)
	var st State
	var v Verdict
	for i := range blocks {
		x := at(i, p(r))
		x.Stage.Shadow = cfg.Metrics[0].Kind.paired()
		if st, v = Step(cfg, st, x); v.Decision == stop {
			return true, st
		}
	}
	return false, st
}

// tally repeats it and returns how often it was reached and after how many blocks
// on average.
func (p play) tally(cfg Config, runs int, blocks int64, stop Decision) (hits int, mean float64) {
	for seed := range uint64(runs) {
		hit, st := p.run(cfg, seed, blocks, stop)
		if hit {
			hits++
		}
		mean += float64(st.Blocks) / float64(runs)
	}
	return hits, mean
}

// expect checks what becomes of equal arms, of arms at the margin and of worse ones.
func expect(t *testing.T, m Metric, blocks int64, equal, margin, worse play) {
	t.Helper()
	runs := 40
	if testing.Short() {
		runs = 12
	}
	cfg := judged(m)
	hits, _ := equal.tally(cfg, runs, blocks, Fail)
	atMost(t, "equal, taken back", hits, runs, .01)
	hits, mean := equal.tally(cfg, runs, blocks, Pass)
	t.Logf("equal passes %d of %d, %.0f blocks", hits, runs, mean)
	if hits < runs*9/10 {
		t.Errorf("equal arms pass %d of %d times", hits, runs)
	}
	hits, mean = worse.tally(cfg, runs, blocks, Fail)
	t.Logf("worse is taken back %d of %d, %.0f blocks", hits, runs, mean)
	if hits < runs*9/10 {
		t.Errorf("worse arms are taken back %d of %d times", hits, runs)
	}
	cfg.Metrics[0].Tolerate = 1
	hits, _ = margin.tally(cfg, runs, blocks, Pass)
	atMost(t, "at the margin, passes", hits, runs, .05)
	hits, _ = margin.tally(cfg, runs, blocks, Fail)
	atMost(t, "at the margin, all of it tolerated, taken back", hits, runs, .01)
}

// mirrored draws pairs: both arms fail a share of them, one arm alone another.
func mirrored(n int64, both, canaryOnly, stableOnly float64) play {
	return func(r *rand.Rand) Measure {
		return Measure{Pairs: n, CanaryOnlyBad: binomial(r, n, canaryOnly), StableOnlyBad: binomial(r, n, stableOnly)}
	}
}

// TestPairedErrors: 2% fail on stable, nine in ten of them on the canary too. The
// published pairs to find 3% are 1,200 paired and over 4,000 unpaired.
func TestPairedErrors(t *testing.T) {
	m := Metric{Kind: PairedErrors, MaxIncrease: .01, Tolerate: 0}
	expect(t, m, 400, mirrored(100, .018, .002, .002), mirrored(100, .018, .012, .002), mirrored(100, .018, .012, .002))
	_, blocks := mirrored(25, .018, .012, .002).tally(plain(judged(m)), 60, 400, Fail)
	t.Logf("2 against 3%%: %.0f pairs", 25*blocks)
	if 25*blocks > 1700 {
		t.Errorf("2 against 3%%: %.0f pairs, want about 1,500", 25*blocks)
	}
	_, st := mirrored(100, .018, .012, .002).run(judged(m), 1, 400, Fail)
	v := st.Verdict.Metrics[0]
	if !strings.HasPrefix(v.Reason, "of mirrored requests the canary alone failed ") || !v.Effect.Always ||
		v.Effect.Low > .01 || v.Effect.High < .01 || v.Effect.Low <= 0 {
		t.Errorf("%+v", v)
	}
}

// slowed draws the ratios of mirrored latencies: lognormal around a median.
func slowed(n int64, median, sigma float64) play {
	edges := []float64{.25, .5, .67, .8, .9, .95, 1, 1.025, 1.05, 1.1, 1.2, 1.4, 2, 4}
	return func(r *rand.Rand) Measure {
		return Measure{Edges: edges, Canary: lognormal(edges, median, median*math.Exp(2.3263*sigma), 1, 0)(r, n)}
	}
}

// TestPairedLatency: mirrored requests whose own length cancels. Published: 5%
// slower is found after 530 pairs at a correlation of 0.9.
func TestPairedLatency(t *testing.T) {
	m := Metric{Kind: PairedLatency, Max: .1, Tolerate: .5}
	expect(t, m, 200, slowed(100, 1, .3), slowed(100, 1.1, .3), slowed(100, 1.2, .3))
	_, st := slowed(100, 1.2, .3).run(judged(m), 1, 200, Fail)
	v := st.Verdict.Metrics[0]
	if !strings.Contains(v.Reason, "longer") || v.Effect.Low > .2 || v.Effect.High < .2 || !v.Effect.Always {
		t.Errorf("%+v", v)
	}
	_, st = slowed(100, .8, .2).run(judged(m), 1, 20, Fail)
	if v := st.Verdict.Metrics[0]; !strings.Contains(v.Reason, "at most 8") || v.Decision != Pass {
		t.Errorf("a faster canary: %s: %s", v.Decision, v.Reason)
	}
}

// failuresOnly draws failures without the requests behind them, at 5% of traffic.
func failuresOnly(stable, ratio float64) play {
	return func(r *rand.Rand) Measure {
		return Measure{Stable: Counts{K: poisson(r, .95*stable)}, Canary: Counts{K: poisson(r, .05*stable*ratio)}}
	}
}

func TestErrorShare(t *testing.T) {
	m := Metric{Kind: ErrorShare, MaxRatio: 1.5, Tolerate: .5}
	expect(t, m, 400, failuresOnly(60, 1), failuresOnly(60, 1.5), failuresOnly(60, 2.5))
	_, st := failuresOnly(60, 3).run(judged(m), 1, 400, Fail)
	if r := st.Verdict.Reason; !strings.HasPrefix(r, "the canary has ") || !strings.Contains(r, "of all failures, 5.0% if it fails as stable does") {
		t.Errorf("reason %q", r)
	}
	if _, v := Step(judged(Metric{Kind: ErrorShare}), State{}, at(0, Measure{})); v.Decision != Invalid {
		t.Errorf("no ratio: %s", v.Decision)
	}
	if _, v := Step(judged(m), State{}, at(0, Measure{Stable: Counts{K: 50}})); v.Metrics[0].Decision != Inconclusive {
		t.Errorf("a canary that never failed, and may have had no traffic: %s", v.Metrics[0].Decision)
	}
}

// levels draws simultaneous readings whose noise has a standard deviation of 1 and
// lasts for about two blocks.
func levels(stable, canary float64) func() play {
	return func() play {
		var drift float64
		return func(r *rand.Rand) Measure {
			drift = .5*drift + r.NormFloat64()
			return Measure{
				Stable: Counts{N: 1, Sum: stable + drift}, Canary: Counts{N: 1, Sum: canary + drift + r.NormFloat64()},
			}
		}
	}
}

func TestGauges(t *testing.T) {
	fresh := func(f func() play) play {
		// Each run starts its own noise; runs are told apart by their source.
		plays := map[*rand.Rand]play{}
		return func(r *rand.Rand) Measure {
			if plays[r] == nil {
				plays[r] = f()
			}
			return plays[r](r)
		}
	}
	up := Metric{Kind: Gauge, MaxRatio: 1.1, Tolerate: .5}
	expect(t, up, 300, fresh(levels(20, 20)), fresh(levels(20, 22)), fresh(levels(20, 23)))
	down := Metric{Kind: Gauge, MaxDecrease: 2, Tolerate: .5}
	expect(t, down, 300, fresh(levels(20, 20)), fresh(levels(20, 18)), fresh(levels(20, 17)))
	_, st := fresh(levels(20, 23)).run(judged(up), 1, 300, Fail)
	v := st.Verdict.Metrics[0]
	if !strings.Contains(v.Reason, ", tolerated up to 2") || v.Effect.Low > 3 || v.Effect.High < 3 || !v.Effect.Always {
		t.Errorf("%+v", v)
	}
	bad := Measure{Stable: Counts{N: 1, Sum: math.NaN()}}
	if _, v := Step(judged(up), State{}, at(0, bad)); v.Decision != Invalid {
		t.Errorf("no number: %s", v.Decision)
	}
}

// heavy draws values from a lognormal distribution with the given mean.
func heavy(mean, sigma float64) drawer {
	mu := math.Log(mean) - sigma*sigma/2
	return func(r *rand.Rand, n int64) Counts {
		c := Counts{N: n}
		for range n {
			x := math.Exp(mu + sigma*r.NormFloat64())
			c.Sum += x
			c.SumSq += x * x
		}
		return c
	}
}

func TestUnboundedMeans(t *testing.T) {
	drawn := func(canary float64) play {
		return func(r *rand.Rand) Measure {
			return Measure{Stable: heavy(100, .8)(r, 475), Canary: heavy(canary, .8)(r, 75)}
		}
	}
	m := Metric{Kind: Mean, Unbounded: true, MaxIncrease: 10, Tolerate: .5}
	expect(t, m, 240, drawn(100), drawn(110), drawn(115))
	cfg := judged(m)
	_, st := drawn(100).run(cfg, 1, 8, Fail)
	if r := st.Verdict.Reason; !strings.HasPrefix(r, "m: waiting for 1,000 canary values, since the value has no bounds: ") {
		t.Errorf("reason %q", r)
	}
	_, st = drawn(115).run(cfg, 1, 240, Fail)
	if e := st.Verdict.Metrics[0].Effect; !e.Always || e.Low > 15 || e.High < 15 {
		t.Errorf("%+v", e)
	}
	bad := Measure{Stable: Counts{N: 2, Sum: 10, SumSq: 1}}
	if _, v := Step(cfg, State{}, at(0, bad)); v.Decision != Invalid {
		t.Errorf("impossible squares: %s", v.Decision)
	}
}

// families is a rollout judged by the kinds that tenMetrics leaves out.
func families() Config {
	return Config{
		FalseRollback: .01, FalsePromotion: .05, MaxDuration: time.Hour, Dispersion: true, SRM: .001, Sticky: true,
		Metrics: []Metric{
			{Name: "pairedErrors", Kind: PairedErrors, MaxIncrease: .01, Tolerate: .5},
			{Name: "pairedLatency", Kind: PairedLatency, Max: .1, Tolerate: .5},
			{Name: "share", Kind: ErrorShare, MaxRatio: 1.5, Tolerate: .5},
			{Name: "memory", Kind: Gauge, MaxRatio: 1.1, Tolerate: .5},
			{Name: "revenue", Kind: Mean, Unbounded: true, BurnIn: 200, MaxDecrease: 5, Tolerate: .5},
			{Name: "strict", Kind: Drift, Max: .05, Tolerate: 0},
			{Name: "labels", Kind: Outcome, MaxIncrease: .02, Tolerate: .5},
			{Name: "native", Kind: Latency, Slower: []Slower{{Quantile: .5, Share: .1}}, Tolerate: .5},
			{Name: "users", Kind: ErrorRate, MaxIncrease: .005, Tolerate: .5},
		},
	}
}

// TestFamiliesKeepTheirState: what the kinds remember survives JSON, and a mirror
// or a weight change in the middle does not confuse them.
func TestFamiliesKeepTheirState(t *testing.T) {
	cfg := families()
	r := rng(3)
	level := levels(20, 20)()
	people := populate(r, 500, 20, true)
	var kept, stored State
	for i := range int64(30) {
		x := at(i, Measure{})
		x.Stage.Shadow = i%10 == 9
		x.Metrics = map[string]Measure{
			"pairedErrors":  mirrored(50, 0, .01, .01)(r),
			"pairedLatency": slowed(50, 1, .3)(r),
			"share":         failuresOnly(20, 1)(r),
			"memory":        level(r),
			"revenue":       {Stable: heavy(100, .5)(r, 95), Canary: heavy(100, .5)(r, 20)},
			"strict":        {Bins: []string{"a", "b"}, Stable: choosing(.6, .4)(r, 95), Canary: choosing(.6, .4)(r, 5)},
			"labels":        {Bins: []string{"no", "yes"}, Stable: asGood.arm(r, 0, 95), Canary: asGood.arm(r, 1, 20)},
			"native":        {Stable: native(4, .05, .6)(r, 95), Canary: native(4, .05, .6)(r, 20)},
			"users":         people.block(r, 1500, .05, 1),
		}
		kept, _ = Step(cfg, kept, x)
		before := asJSON(t, stored)
		next, _ := Step(cfg, stored, x)
		if asJSON(t, stored) != before {
			t.Fatalf("block %d modified its input", i)
		}
		stored = reread(t, next)
		if asJSON(t, kept) != asJSON(t, stored) {
			t.Fatalf("block %d: JSON changed the state", i)
		}
	}
}
