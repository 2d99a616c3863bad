package main

import (
	"math"
	"runtime"
	"slices"
	"sync"
	"time"

	"gonum.org/v1/gonum/stat/distuv"
)

// tally is how one rule did on the rollouts of one workload.
type tally struct {
	rule      string
	runs      int
	early     int       // taken back although nothing was wrong, or nothing yet
	caught    int       // taken back while the canary was worse
	promoted  int       // promoted, rightly or wrongly
	minutes   []float64 // from onset to rollback, of those caught, ascending
	served    float64   // mean of requests made worse, to the end of the record
	requests  float64   // mean of canary requests before the decision
	errorOfIt float64   // standard error of requests
}

// held is how many rollouts ended undecided.
func (t tally) held() int { return t.runs - t.early - t.caught - t.promoted }

// median is the middle of the times to rollback in minutes, NaN if nothing was
// caught.
func (t tally) median() float64 {
	if len(t.minutes) == 0 {
		return math.NaN()
	}
	return t.minutes[len(t.minutes)/2]
}

// result is a workload and how every rule did on it.
type result struct {
	workload workload
	tallies  []tally
}

// one is what came of one rollout under one rule.
type one struct {
	outcome  outcome
	served   float64
	requests float64
}

// compete draws a workload's rollouts and shows each to every rule.
func compete(w workload, rules []rule, seed uint64, runs int) result {
	all := parallel(runs, func(i int) []one {
		s := w.draw(random(seed, w.name, i))
		out := make([]one, len(rules))
		for j, r := range rules {
			o := r.decide(s)
			out[j] = one{o, w.worsened(s, o), float64(s.canary.requests(0, o.tick))}
		}
		return out
	})
	res := result{workload: w}
	for j, r := range rules {
		t := tally{rule: r.name, runs: runs}
		squares := 0.0
		for i := range all {
			t.count(w, all[i][j])
			squares += all[i][j].requests * all[i][j].requests
		}
		n := float64(runs)
		t.served /= n
		t.requests /= n
		t.errorOfIt = math.Sqrt(math.Max(0, squares/n-t.requests*t.requests) / n)
		slices.Sort(t.minutes)
		res.tallies = append(res.tallies, t)
	}
	return res
}

// count adds one rollout.
func (t *tally) count(w workload, o one) {
	at := w.tick.Minutes() * float64(o.outcome.tick)
	switch {
	case o.outcome.decision == promoted:
		t.promoted++
	case o.outcome.decision == rolledBack && (!w.regressed || at <= w.onset.Minutes()):
		t.early++
	case o.outcome.decision == rolledBack:
		t.caught++
		t.minutes = append(t.minutes, at-w.onset.Minutes())
	}
	t.served += o.served
	t.requests += o.requests
}

// worsened returns how many requests were served worse than stable would have
// served them, until the end of the record: the canary's until the decision, and
// everyone's after a promotion.
func (w workload) worsened(s *stream, o outcome) float64 {
	if !w.regressed {
		return 0
	}
	sum := 0.0
	step := s.at(15 * time.Second)
	for i := 0; i < s.ticks(); i += step {
		to := min(i+step, s.ticks())
		excess := w.excess(s.since(i).Minutes())
		switch {
		case i < o.tick:
			sum += excess * float64(s.canary.requests(i, min(to, o.tick)))
		case o.decision == promoted:
			sum += excess * float64(s.canary.requests(i, to)+s.stable.requests(i, to))
		}
	}
	return sum
}

// parallel runs f(0) … f(n−1) on all processors and returns their results in order.
func parallel[T any](n int, f func(int) T) []T {
	out := make([]T, n)
	var wg sync.WaitGroup
	next := make(chan int)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range next {
				out[i] = f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	return out
}

// interval is a confidence interval.
type interval struct{ low, high float64 }

// wilson is the Wilson score interval at 95% for a probability, of hits in n.
func wilson(hits, n int) interval {
	if n == 0 {
		return interval{0, 1}
	}
	z := distuv.UnitNormal.Quantile(.975)
	p, m := float64(hits)/float64(n), float64(n)
	center := (p + z*z/(2*m)) / (1 + z*z/m)
	half := z / (1 + z*z/m) * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	return interval{math.Max(0, center-half), math.Min(1, center+half)}
}
