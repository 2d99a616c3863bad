package main

import (
	"crypto/sha256"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"gonum.org/v1/gonum/stat/distuv"
)

// workload is a kind of rollout: what traffic does and how the canary differs.
// Functions of time take minutes since the canary's first request.
type workload struct {
	name    string
	length  time.Duration
	tick    time.Duration
	edges   []float64 // of latency buckets; nil for errors
	traffic func(minute float64) (rps, weight float64)
	stable  func(minute float64) []float64 // shares of requests by bin
	canary  func(minute float64) []float64
	burst   float64 // failures come in runs of geometric length with this mean; 0 for one by one

	regressed bool                         // the canary is worse, at least at times
	onset     time.Duration                // when that begins
	excess    func(minute float64) float64 // share of requests that are worse than stable's would be
	delay     time.Duration                // the warm-up that rules may wait for, if they know one
	paused    bool                         // the plan pauses for the hour: nothing can be promoted before
	measure   measure                      // how Haldane reads the bins, for signals the other rules do not know
	history   time.Duration                // for which stable's traffic was counted before the canary had any
	alone     bool                         // bursts are the canary's alone
	each      func(*rand.Rand) workload    // what differs from rollout to rollout before any request is drawn
	before    []analysis.Group             // what stable did before, by group of users
	twins     func() (healthy, worse workload)
}

// constant is a function that does not depend on time.
func constant[T any](v T) func(float64) T { return func(float64) T { return v } }

// steady is traffic at one rate and one split.
func steady(rps, weight float64) func(float64) (float64, float64) {
	return func(float64) (float64, float64) { return rps, weight }
}

// random returns the source of one run. Runs, workloads and purposes draw
// independently, whatever pattern their names and numbers have; the seed decides
// all of them.
func random(seed uint64, name string, run int) *rand.Rand {
	return rand.New(rand.NewChaCha8(sha256.Sum256(fmt.Appendf(nil, "%d/%d/%s", seed, run, name))))
}

// draw simulates one rollout. Requests arrive as a Poisson process and are split
// at random, so each bin of each arm is an independent Poisson count.
func (w workload) draw(r *rand.Rand) *stream {
	ticks := int(w.length / w.tick)
	bins := len(w.stable(0))
	s := &stream{
		tick: w.tick, edges: w.edges, weights: make([]float64, ticks),
		stable: newSeries(bins, ticks), baseline: newSeries(bins, ticks), canary: newSeries(bins, ticks),
	}
	arms := [3]arm{w.arm(r), w.arm(r), w.arm(r)}
	if w.alone {
		arms[1].mean, arms[2].mean = 0, 0
	}
	counts := make([]int64, bins)
	rest := make([]int64, bins)
	past := int(w.history / w.tick)
	s.history = newSeries(bins, past)
	for range past {
		rps, _ := w.traffic(0)
		arms[2].fill(counts, rps*w.tick.Seconds(), w.stable(0))
		s.history.push(counts)
	}
	for i := range ticks {
		minute := s.since(i).Minutes()
		rps, weight := w.traffic(minute)
		s.weights[i] = weight
		n := rps * w.tick.Seconds()
		arms[0].fill(counts, n*weight, w.canary(minute))
		s.canary.push(counts)
		arms[1].fill(counts, n*math.Min(weight, 1-weight), w.stable(minute))
		s.baseline.push(counts)
		arms[2].fill(rest, n*math.Max(0, 1-2*weight), w.stable(minute))
		for j := range counts {
			counts[j] += rest[j]
		}
		s.stable.push(counts)
	}
	return s
}

// arm draws the counts of one arm, tick after tick.
type arm struct {
	r     *rand.Rand
	mean  float64 // length of a run of failures; 0 for independent ones
	good  int64   // requests left that go well
	bad   int64   // then as many that fail
	begun bool
}

func (w workload) arm(r *rand.Rand) arm { return arm{r: r, mean: w.burst} }

// fill draws one tick's counts for a mean number of requests and their shares.
func (a *arm) fill(dst []int64, requests float64, shares []float64) {
	if a.mean > 0 {
		n := poisson(a.r, requests)
		bad := a.failures(n, shares[1])
		dst[0], dst[1] = n-bad, bad
		return
	}
	for i, p := range shares {
		dst[i] = poisson(a.r, requests*p)
	}
}

// failures returns how many of the next n requests fail, when a share p fails in
// runs. Runs go on across ticks.
func (a *arm) failures(n int64, p float64) (bad int64) {
	if !a.begun {
		a.begun = true
		if a.r.Float64() < p {
			a.bad = geometric(a.r, a.mean)
		} else {
			a.good = geometric(a.r, a.gap(p))
		}
	}
	for n > 0 {
		if a.good == 0 && a.bad == 0 {
			a.good, a.bad = geometric(a.r, a.gap(p)), geometric(a.r, a.mean)
		}
		use := min(n, a.good)
		a.good -= use
		n -= use
		use = min(n, a.bad)
		a.bad -= use
		n -= use
		bad += use
	}
	return bad
}

// gap is the mean length of runs without failure that makes their share p.
func (a *arm) gap(p float64) float64 { return a.mean * (1 - p) / p }

// geometric draws from 1, 2, … with the given mean ≥ 1.
func geometric(r *rand.Rand, mean float64) int64 {
	if mean <= 1 {
		return 1
	}
	return 1 + int64(math.Log(1-r.Float64())/math.Log(1-1/mean))
}

// poisson draws a Poisson count; a mean of 0 gives 0.
func poisson(r *rand.Rand, mean float64) int64 {
	if mean <= 0 {
		return 0
	}
	return int64(distuv.Poisson{Lambda: mean, Src: r}.Rand())
}
