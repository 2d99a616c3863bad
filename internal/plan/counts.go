package plan

import (
	"math"

	"github.com/haldane-dev/haldane/internal/analysis"
)

// FromCounts takes a baseline from everything that both arms counted over some
// seconds: habits from stable's counts, the rate of requests from the metric with
// the most trials. Metrics without counts of stable are left out.
func FromCounts(metrics []analysis.Metric, all map[string]analysis.Measure, seconds float64) (rps float64, habits map[string]Habit) {
	habits = map[string]Habit{}
	most := 0.0
	trials := map[string]float64{}
	for _, m := range metrics {
		n := size(all[m.Name].Stable) + size(all[m.Name].Canary)
		if m.Kind == analysis.Pairs {
			n = float64(all[m.Name].Pairs)
		}
		trials[m.Name] = n
		most = math.Max(most, n)
	}
	for _, m := range metrics {
		h, ok := habitOf(m, all[m.Name])
		if !ok {
			continue
		}
		h.Share = trials[m.Name] / most
		habits[m.Name] = h
	}
	if seconds > 0 {
		rps = most / seconds
	}
	return rps, habits
}

func size(c analysis.Counts) float64 {
	n := float64(c.N)
	for _, k := range c.Counts {
		n += float64(k)
	}
	return n
}

func habitOf(m analysis.Metric, x analysis.Measure) (Habit, bool) {
	n := size(x.Stable)
	switch {
	case m.Kind == analysis.Pairs:
		// What differs today stands for a canary that is well.
		return Habit{Rate: float64(x.Disagree) / math.Max(1, float64(x.Pairs))}, x.Pairs > 0
	case n <= 0, m.Kind == analysis.Gauge: // no forecast: readings come by the clock
		return Habit{}, false
	case m.Kind == analysis.Latency:
		h := Habit{Edges: x.Edges}
		for _, k := range x.Stable.Counts {
			h.Counts = append(h.Counts, float64(k))
		}
		return h, true
	case m.Kind == analysis.Drift:
		h := Habit{Ordered: x.Ordered}
		for _, k := range x.Stable.Counts {
			h.Classes = append(h.Classes, float64(k)/n)
		}
		return h, len(h.Classes) > 1
	case m.Kind == analysis.Mean:
		mu := x.Stable.Sum / n
		return Habit{Mean: mu, SD: math.Sqrt(math.Max(1e-12, x.Stable.SumSq/n-mu*mu))}, true
	}
	return Habit{Rate: float64(x.Stable.K) / n}, true
}
