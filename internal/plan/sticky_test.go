package plan

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/stats"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// sales and failures are what a flag's rollout compares.
var (
	sales    = analysis.Metric{Name: "sales", Kind: analysis.Mean, Upper: 1, MaxDecrease: .02, Tolerate: .5}
	failures = analysis.Metric{Name: "failures", Kind: analysis.Mean, Upper: 1, MaxIncrease: .01, Tolerate: .5}
)

// converting draws conversions by group of users, of those from first to last.
func converting(p float64, first, last int) draw {
	return func(r *rand.Rand, n int64) analysis.Counts {
		c := analysis.Counts{N: n, Values: make([]stats.Moments, traffic.NumSlots)}
		left, groups := n, last-first
		for g := first; g < last; g++ {
			part := binomial(r, left, 1/float64(groups))
			left, groups = left-part, groups-1
			k := float64(binomial(r, part, p))
			c.Values[g] = stats.Moments{N: float64(part), Sum: k, SumSq: k}
			c.Sum, c.SumSq = c.Sum+k, c.SumSq+k
		}
		return c
	}
}

// TestStickyForecastsMatchSimulation runs analysis.Step on conversions of users who
// stay on their arm, as a flag's are.
func TestStickyForecastsMatchSimulation(t *testing.T) {
	for name, c := range map[string]struct {
		metric    analysis.Metric
		weight    int // percent
		rps       float64
		base, bad float64
		sticky    bool
	}{
		"half of the users":           {sales, 50, 10, .1, .05, true},
		"a tenth of the users":        {sales, 10, 40, .1, .05, true},
		"more of what is rare":        {failures, 25, 30, .005, .025, true},
		"conversions of single calls": {failures, 25, 30, .005, .025, false},
	} {
		if testing.Short() && c.rps > 30 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := 40
			if testing.Short() {
				n = 25
			}
			b := habits()
			b.RPS = c.rps
			b.Habits[c.metric.Name] = Habit{Mean: c.base, Binary: true}
			p := planOf([]float64{float64(c.weight), 100}, c.metric)
			p.Analysis.Sticky = c.sticky
			r, err := forecast(p, b)
			if err != nil {
				t.Fatal(err)
			}
			m, at := r.models[0], stageOf(p, 0)
			at.begins, at.first, at.horizon = r.Warmup, true, r.MaxDuration-r.Warmup
			w := world{
				rps: c.rps, weight: float64(c.weight) / 100, block: 15 * time.Second, factor: 1,
				stable: converting(c.base, c.weight, traffic.NumSlots), canary: converting(c.bad, 0, c.weight),
			}
			size := sizeOf(m, c.bad)
			fails := r.settings.fails(m, size, at).before(r.settings.passes(m, size, at))
			share, median := w.tally(p.Analysis, n, r.MaxDuration, analysis.Fail)
			compare(t, "taken back", fails, share, median-r.Warmup)
			w.canary = converting(c.base, 0, c.weight)
			share, median = w.tally(p.Analysis, n, r.MaxDuration, analysis.Pass)
			compare(t, "passes", r.settings.passes(m, 0, at), share, median-r.Warmup)
		})
	}
}

// TestWhatComesBackLater: the first step waits for it, and later ones have what was
// predicted in those before.
func TestWhatComesBackLater(t *testing.T) {
	s := &settings{timeline: []phase{{100, .1}, {1100, .5}, {9000, .9}}}
	first := stage{weight: .1, begins: 100}
	second := stage{weight: .5, begins: 1100}
	for _, c := range []struct {
		at            stage
		seconds, want float64
	}{
		{first, 500, 0}, {first, 700, 100},
		// 600 s before the second step the first one had its 400th second of traffic.
		{second, 100, 100 * .09 / .25}, {second, 600, 600 * .09 / .25}, {second, 1000, 600*.09/.25 + 400},
	} {
		if got := s.matured(c.at, c.seconds, 600); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%v s into the step at %v: %v s of evidence, want %v", c.seconds, c.at.weight, got, c.want)
		}
	}
	if got := s.matured(second, 100, 0); got != 100 {
		t.Errorf("without a delay %v", got)
	}
	b := habits()
	b.Habits["sales"] = Habit{Mean: .1, Binary: true, Maturity: 20 * time.Minute}
	r, err := Forecast(fiftyFifty(sales), b)
	if err != nil {
		t.Fatal(err)
	}
	if first := r.Steps[0].Passes.Half; first < 1200 {
		t.Errorf("the first step is passed after %s, before anything came back", first)
	}
	if second := r.Steps[1].Passes.Half; second > 1800 {
		t.Errorf("the second takes %s, as if it had nothing of the first", second)
	}
}

// TestStickyWarnings: what is reckoned with is not warned of as if it were not.
func TestStickyWarnings(t *testing.T) {
	b := habits()
	b.Habits["sales"] = Habit{Mean: .1, Binary: true}
	p := fiftyFifty(sales)
	p.Split.Sticky.Header, p.Analysis.Sticky = "targetingKey", true
	of := func(p rollout.Plan) *Report {
		r, err := Forecast(p, b)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := of(p)
	if len(r.Warnings) != 1 || r.Warnings[0] != usersWhoStay {
		t.Errorf("%v", r.Warnings)
	}
	p.Analysis.Sticky = false
	if other := of(p); other.Promotion.Half >= r.Promotion.Half {
		t.Errorf("users who stay are compared in %s, single calls in %s", r.Promotion.Half, other.Promotion.Half)
	}
	p.Analysis.Metrics = append(p.Analysis.Metrics, errorRate)
	p.Analysis.Sticky = true
	if r = of(p); len(r.Warnings) != 1 || r.Warnings[0] == usersWhoStay {
		t.Errorf("%v", r.Warnings)
	}
}
