package analysis

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// epoch is when simulated rollouts begin.
var epoch = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

// drawer draws the counts of n requests of one arm.
type drawer = func(r *rand.Rand, n int64) Counts

// rng returns a source that depends on the seed alone.
func rng(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

// sim is simulated traffic of one metric: requests arrive as a Poisson process,
// each is assigned to the canary with probability weight.
type sim struct {
	rps, weight float64
	block       time.Duration
	stage       Stage
	stable      drawer
	canary      drawer
	shape       Measure // edges or bins
	assigned    float64 // the share assigned in truth; 0 means weight
}

// sample draws block number i, of metric "m".
func (s sim) sample(r *rand.Rand, i int64) Sample {
	w := s.weight
	if s.assigned > 0 {
		w = s.assigned
	}
	sec := s.block.Seconds()
	nB, nC := poisson(r, s.rps*sec*(1-w)), poisson(r, s.rps*sec*w)
	x := s.shape
	x.Stable, x.Canary = s.stable(r, nB), s.canary(r, nC)
	start := epoch.Add(time.Duration(i) * s.block)
	return Sample{
		Block: i + 1, Start: start, End: start.Add(s.block), Weight: s.weight, Stage: s.stage,
		Assigned: []Assignment{{Weight: s.weight, Stable: nB, Canary: nC}},
		Metrics:  map[string]Measure{"m": x},
	}
}

// outcome of one simulated rollout.
type outcome struct {
	decision Decision
	blocks   int64
	canaryN  int64
	last     State
}

// run steps until a decision other than Inconclusive, or until the blocks end.
// With stop, only that decision ends it.
func (s sim) run(cfg Config, seed uint64, blocks int64, stop ...Decision) outcome {
	r := rng(seed)
	var st State
	var v Verdict
	for i := range blocks {
		st, v = Step(cfg, st, s.sample(r, i))
		if slices.Contains(stop, v.Decision) {
			return outcome{v.Decision, i + 1, v.Metrics[0].CanaryN, st}
		}
	}
	n := int64(0)
	if len(v.Metrics) > 0 {
		n = v.Metrics[0].CanaryN
	}
	return outcome{Inconclusive, blocks, n, st}
}

// tally repeats runs with seeds 0..n−1 and returns how many ended with the
// decision, and the median number of blocks among those.
func (s sim) tally(cfg Config, n int, blocks int64, stop Decision) (hits int, median float64, requests float64) {
	var when []float64
	for seed := range n {
		o := s.run(cfg, uint64(seed), blocks, stop)
		requests += float64(o.canaryN) / float64(n)
		if o.decision == stop {
			when = append(when, float64(o.blocks))
		}
	}
	slices.Sort(when)
	if len(when) == 0 {
		return 0, math.Inf(1), requests
	}
	return len(when), when[len(when)/2], requests
}

// failing draws requests that fail independently with probability p.
func failing(p float64) drawer {
	return func(r *rand.Rand, n int64) Counts { return Counts{N: n, K: binomial(r, n, p)} }
}

// bursting draws requests that fail at rate p in bursts of geometric size with
// mean m.
func bursting(p, m float64) drawer {
	return func(r *rand.Rand, n int64) Counts {
		k := int64(0)
		for range poisson(r, float64(n)*p/m) {
			k += 1 + int64(math.Log(1-r.Float64())/math.Log(1-1/m))
		}
		return Counts{N: n, K: min(k, n)}
	}
}

// lognormal draws latencies with the given median and p99 in seconds, times
// slow; a share extra takes 300 ms more.
func lognormal(edges []float64, median, p99, slow, extra float64) drawer {
	sigma := math.Log(p99/median) / 2.3263
	return func(r *rand.Rand, n int64) Counts {
		c := Counts{Counts: make([]int64, len(edges)+1)}
		for range n {
			x := slow * median * math.Exp(sigma*r.NormFloat64())
			if extra > 0 && r.Float64() < extra {
				x += .3
			}
			i, _ := slices.BinarySearch(edges, x)
			c.Counts[i]++
		}
		return c
	}
}

// schema returns exponential edges 2^(k/2^schema) within [low, high].
func schema(schema int, low, high float64) []float64 {
	var edges []float64
	step := math.Pow(2, -float64(schema))
	for k := math.Ceil(math.Log2(low) / step); ; k++ {
		e := math.Exp2(k * step)
		if e > high {
			return edges
		}
		edges = append(edges, e)
	}
}

// choosing draws classes with the given probabilities.
func choosing(p ...float64) drawer {
	return func(r *rand.Rand, n int64) Counts {
		c := Counts{Counts: make([]int64, len(p))}
		for range n {
			u := r.Float64()
			i := 0
			for i < len(p)-1 && u >= p[i] {
				u -= p[i]
				i++
			}
			c.Counts[i]++
		}
		return c
	}
}

// scoring draws values from a normal distribution cut to [0,1].
func scoring(mean, sd float64) drawer {
	return func(r *rand.Rand, n int64) Counts {
		c := Counts{N: n}
		for range n {
			x := min(1, max(0, mean+sd*r.NormFloat64()))
			c.Sum += x
			c.SumSq += x * x
		}
		return c
	}
}

// poisson draws from a Poisson distribution, by its normal limit for large means.
func poisson(r *rand.Rand, mean float64) int64 {
	if mean > 500 {
		return max(0, int64(math.Round(mean+math.Sqrt(mean)*r.NormFloat64())))
	}
	n, p := int64(-1), 0.0
	for p <= mean {
		p += r.ExpFloat64()
		n++
	}
	return n
}

// binomial draws by the gaps between hits, so rare hits are cheap; many by their
// normal limit.
func binomial(r *rand.Rand, n int64, p float64) int64 {
	if p <= 0 {
		return 0
	}
	if v := float64(n) * p * (1 - p); v > 250 {
		k := int64(math.Round(float64(n)*p + math.Sqrt(v)*r.NormFloat64()))
		return min(max(k, 0), n)
	}
	if p > .5 {
		return n - binomial(r, n, 1-p)
	}
	k, at := int64(-1), int64(0)
	scale := math.Log1p(-p)
	for at <= n {
		at += 1 + int64(math.Log(1-r.Float64())/scale)
		k++
	}
	return k
}
