package main

import (
	"math"
	"slices"
	"time"
)

// static rolls back when the canary's value was above a limit in so many of the
// minutes so far: what Flagger and Argo Rollouts do, with the limit set by an
// oracle.
type static struct {
	limit  float64
	checks int // minutes above the limit until rollback
}

func (r static) rule(name string) rule { return rule{name, r.decide} }

func (r static) decide(s *stream) outcome {
	above := 0
	for _, to := range s.spans(0, time.Minute) {
		if s.value(s.canary, to-s.at(time.Minute), to) > r.limit {
			if above++; above >= r.checks {
				return outcome{rolledBack, to}
			}
		}
	}
	return passed(s)
}

const (
	oracleRuns  = 1000 // healthy rollouts that set the limit
	oracleTrial = 200  // regressed ones that choose the number of checks
	oracleAlpha = .01
)

// tune sets a static rule as well as it can be set by someone who knows what is to
// come: for each number of checks the lowest limit that takes back at most 1% of
// healthy rollouts, then the number that catches the regression soonest. The choice
// favours limits that chance has made low, so that of other healthy rollouts it
// takes back somewhat more. Nobody who rolls out a new version knows either.
func tune(w workload, seed uint64) static {
	healthy, worse := w.twins()
	worst := make([][]float64, 0, oracleRuns) // minutes of a run, the worst first
	for i := range oracleRuns {
		v := minutes(healthy, seed, "oracle: ", i)
		slices.SortFunc(v, func(a, b float64) int { return compare(b, a) })
		worst = append(worst, v)
	}
	trials := make([][]float64, oracleTrial)
	for i := range trials {
		trials[i] = minutes(worse, seed, "oracle, trial: ", i)
	}
	best, soonest := static{limit: math.Inf(1), checks: 1}, math.Inf(1)
	for _, checks := range []int{1, 2, 3, 5, 8, 12, 20, 30} {
		r := static{limit: limit(worst, checks), checks: checks}
		if t := r.meanMinutes(trials); t < soonest {
			best, soonest = r, t
		}
	}
	return best
}

// limit returns the lowest limit that at most oracleAlpha of the runs exceed in so
// many minutes.
func limit(worst [][]float64, checks int) float64 {
	var kth []float64
	for _, v := range worst {
		if checks <= len(v) {
			kth = append(kth, v[checks-1])
		} else {
			kth = append(kth, math.Inf(-1))
		}
	}
	slices.SortFunc(kth, func(a, b float64) int { return compare(b, a) })
	return kth[int(oracleAlpha*float64(len(kth)))]
}

// meanMinutes returns the mean time to a rollback, those without one counting to
// the end.
func (r static) meanMinutes(trials [][]float64) float64 {
	sum := 0.0
	for _, v := range trials {
		above := 0
		for _, x := range v {
			sum++
			if x > r.limit {
				if above++; above >= r.checks {
					break
				}
			}
		}
	}
	return sum / float64(len(trials))
}

// minutes draws a rollout, as coarsely as its counts allow, and returns the
// canary's values minute by minute.
func minutes(w workload, seed uint64, purpose string, run int) []float64 {
	switch {
	case w.edges != nil:
		w.tick = time.Minute
	case w.burst == 0:
		w.tick = max(w.tick, 15*time.Second)
	}
	s := w.draw(random(seed, purpose+w.name, run))
	var out []float64
	for _, to := range s.spans(0, time.Minute) {
		v := s.value(s.canary, to-s.at(time.Minute), to)
		if math.IsNaN(v) {
			v = math.Inf(-1) // a minute without requests is above no limit
		}
		out = append(out, v)
	}
	return out
}

func compare(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
