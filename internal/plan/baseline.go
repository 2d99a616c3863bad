package plan

import (
	"fmt"
	"math"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
)

// Baseline is what the version in service does today.
type Baseline struct {
	RPS        float64          // requests a second, of both arms together
	Dispersion float64          // how much more than independent requests it varies; below 1 means 1
	Habits     map[string]Habit // by name of the metric; one without is not foretold
}

// Habit is one metric's baseline. Which fields count depends on its kind.
type Habit struct {
	Share    float64       // trials per request, as the share of predictions that get a label; 0 means 1
	Rate     float64       // ErrorRate, Outcome, Pairs: the share of hits
	Maturity time.Duration // Outcome: how long a label is waited for
	Edges    []float64     // Latency: upper edges in seconds, as the source counts
	Counts   []float64     // Latency: stable's histogram over them, one more than edges
	Classes  []float64     // Drift: the share of each class or bin
	Ordered  bool          // Drift: bins of a score rather than classes
	Mean, SD float64       // Mean: of one value
	Binary   bool          // Mean: the value is one of its bounds, as of a conversion; SD follows
}

// check says what is wrong with a habit, "" if nothing.
func (h Habit) check(m analysis.Metric) error {
	switch m.Kind {
	case analysis.ErrorRate, analysis.Outcome, analysis.Pairs:
		if !(h.Rate >= 0 && h.Rate < 1) {
			return fmt.Errorf("metric %s: a share of %g is not between 0 and 1: write a percentage, like 1%%", m.Name, h.Rate)
		}
	case analysis.Latency:
		if len(h.Counts) != len(h.Edges)+1 || len(h.Edges) == 0 {
			return fmt.Errorf("metric %s: %d counts for %d edges", m.Name, len(h.Counts), len(h.Edges))
		}
	case analysis.Drift:
		sum := 0.0
		for _, p := range h.Classes {
			sum += p
		}
		if len(h.Classes) < 2 || math.Abs(sum-1) > 1e-6 {
			return fmt.Errorf("metric %s: the shares of %d classes sum to %g, want 1", m.Name, len(h.Classes), sum)
		}
	case analysis.Mean:
		if h.Mean < m.Lower || h.Mean > m.Upper || h.SD <= 0 && !h.Binary {
			return fmt.Errorf("metric %s: a mean of %g ± %g is outside its bounds of %g to %g", m.Name, h.Mean, h.SD, m.Lower, m.Upper)
		}
	}
	if h.Share < 0 {
		return fmt.Errorf("metric %s: %g trials per request", m.Name, h.Share)
	}
	return nil
}

// perRequest returns trials per request.
func (h Habit) perRequest() float64 {
	if h.Share == 0 {
		return 1
	}
	return h.Share
}

// Lognormal returns the histogram over edges of latencies with the given median
// and 99th percentile, in seconds, as shares of 1.
func Lognormal(edges []float64, median, p99 float64) []float64 {
	const z99 = 2.3263478740408408
	sigma := math.Log(p99/median) / z99
	out := make([]float64, len(edges)+1)
	below := 0.0
	for i, e := range edges {
		at := normal(math.Log(e/median) / sigma)
		out[i], below = at-below, at
	}
	out[len(edges)] = 1 - below
	return out
}
