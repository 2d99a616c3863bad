package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestConformalGolden: values of a program of its own that sums instead of
// searching, and carries no logarithms.
func TestConformalGolden(t *testing.T) {
	history := []float64{3, 1, 4, 1, 5, 9, 2, 6, math.NaN(), math.Inf(1)}
	next, draws := []float64{10, 1, 12, 11, 7, 20}, []float64{.5, .25, .9, .1, .75, .03}
	ranks := []float64{0.05555555555555555, 0.775, 0.08181818181818182, 0.09166666666666667, 0.36538461538461536, 0.002142857142857143}
	for d, want := range map[Direction]float64{EitherWay: 1.3807705349042392, Upward: 1.9995645937478685, Downward: -0.5619581267468525} {
		c := NewConformal(history, d)
		if c.LogE() != 0 || c.N() != 8 || c.Median() != 3.5 {
			t.Errorf("at first %v of %d around %v", c.LogE(), c.N(), c.Median())
		}
		for i, x := range next {
			near(t, "rank", c.Add(x, draws[i]), ranks[i], 1e-12)
		}
		near(t, "evidence", c.LogE(), want, 1e-9)
	}
	// The first of Steele's generator at seed 0 is 0xe220a8397b1dcdaf.
	if got := Draw(0, 0); got != float64(0xe220a8397b1dcdaf>>11)/(1<<53) {
		t.Errorf("draw %v", got)
	}
	near(t, "draw", Draw(42, 7), 0.8006318767135033, 1e-15)
}

// TestConformalBetsAreFair integrates what one bet pays over a uniform rank.
func TestConformalBetsAreFair(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Direction(rapid.IntRange(0, 2).Draw(t, "direction"))
		past := rapid.SliceOfN(rapid.Float64Range(.001, .999), 0, 20).Draw(t, "ranks")
		// The ends pay without bound: points crowd there.
		const steps = 300
		mean := 0.0
		for i := range steps {
			v := (float64(i) + .5) / steps
			p := math.Pow(v, 12) / 2
			for _, p := range []float64{p, 1 - p} {
				c := NewConformal(nil, d)
				for _, q := range past {
					c.bet(q)
				}
				before := c.LogE()
				c.bet(p)
				mean += math.Exp(c.LogE()-before) * 6 * math.Pow(v, 11) / steps
			}
		}
		if mean > 1.001 || mean < .98 {
			t.Fatalf("a bet pays %v on average", mean)
		}
	})
}

// TestConformalRanks: the whole history matters and not its order, and what is
// larger has a smaller rank.
func TestConformalRanks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := rapid.SliceOfN(rapid.Float64Range(-9, 9), 1, 40).Draw(t, "history")
		x, y := rapid.Float64Range(-9, 9).Draw(t, "x"), rapid.Float64Range(-9, 9).Draw(t, "y")
		u := rapid.Float64Range(0, .999).Draw(t, "u")
		turned := slices.Clone(h)
		slices.Reverse(turned)
		a, b := NewConformal(h, Upward), NewConformal(turned, Upward)
		p := a.Add(x, u)
		if q := b.Add(x, u); p != q || a.LogE() != b.LogE() {
			t.Fatalf("ranks %v and %v of the same history", p, q)
		}
		if q := NewConformal(h, Upward).Add(max(x, y), u); q > p {
			t.Fatalf("%v has rank %v and %v has %v", max(x, y), q, x, p)
		}
		if p < 0 || p > 1 {
			t.Fatalf("rank %v", p)
		}
	})
}

// watch returns at which of n readings the evidence first reaches 1/α, 0 if it
// never does. next draws the readings, those of the history first.
func watch(seed uint64, d Direction, history, n int, alpha float64, next func(r *rand.Rand, i int) float64) int {
	r := rand.New(rand.NewPCG(seed, 11))
	h := make([]float64, history)
	for i := range h {
		h[i] = next(r, i-history)
	}
	c := NewConformal(h, d)
	for i := range n {
		c.Add(next(r, i), Draw(seed, uint64(i)))
		if c.LogE() >= -math.Log(alpha) {
			return i + 1
		}
	}
	return 0
}

func alarms(runs int, d Direction, history, n int, alpha float64, process func() func(*rand.Rand, int) float64) int {
	hits := 0
	for seed := range uint64(runs) {
		if watch(seed, d, history, n, alpha, process()) > 0 {
			hits++
		}
	}
	return hits
}

// TestConformalFalseAlarms: looked at after every reading, at most α of the runs
// whose readings are exchangeable raise an alarm, whatever they are like.
func TestConformalFalseAlarms(t *testing.T) {
	runs := 1500
	if testing.Short() {
		runs = 200
	}
	always := func(f func(*rand.Rand, int) float64) func() func(*rand.Rand, int) float64 {
		return func() func(*rand.Rand, int) float64 { return f }
	}
	urn := func() func(*rand.Rand, int) float64 { // Pólya's: exchangeable and far from independent
		balls := []float64{0, 1, 2}
		return func(r *rand.Rand, _ int) float64 {
			x := balls[r.IntN(len(balls))]
			balls = append(balls, x)
			return x
		}
	}
	for name, process := range map[string]func() func(*rand.Rand, int) float64{
		"normal":      always(func(r *rand.Rand, _ int) float64 { return r.NormFloat64() }),
		"heavy tails": always(func(r *rand.Rand, _ int) float64 { return math.Exp(2 * r.NormFloat64()) }),
		"few values":  always(func(r *rand.Rand, _ int) float64 { return float64(r.IntN(3)) }),
		"constant":    always(func(*rand.Rand, int) float64 { return 7 }),
		"urn":         urn,
	} {
		for _, d := range []Direction{EitherWay, Upward} {
			const alpha = .05
			hits := alarms(runs, d, 60, 200, alpha, process)
			t.Logf("%s, direction %d: %d of %d", name, d, hits, runs)
			if limit := float64(runs)*alpha + 4*math.Sqrt(float64(runs)*alpha*(1-alpha)); float64(hits) > limit {
				t.Errorf("%s, direction %d: %d of %d reach 1/%v", name, d, hits, runs, alpha)
			}
		}
	}
}

// TestConformalDependence shows what readings that depend on each other do to the
// rate of false alarms, and that Serial tells of them.
func TestConformalDependence(t *testing.T) {
	runs := 400
	if testing.Short() {
		runs = 60
	}
	for _, rho := range []float64{0, .3, .5, .8, .95} {
		process := func() func(*rand.Rand, int) float64 {
			level, begun := 0.0, false
			return func(r *rand.Rand, _ int) float64 {
				e := r.NormFloat64()
				if !begun {
					level, begun = e, true
					return level
				}
				level = rho*level + math.Sqrt(1-rho*rho)*e
				return level
			}
		}
		hits, told := alarms(runs, EitherWay, 60, 120, .001, process), 0
		for seed := range uint64(runs) {
			r, next := rand.New(rand.NewPCG(seed, 11)), process()
			h := make([]float64, 60)
			for i := range h {
				h[i] = next(r, i)
			}
			if _, z := Serial(h); z > 3 {
				told++
			}
		}
		t.Logf("correlation %v: %d of %d false alarms at 0.1%%, %d told", rho, hits, runs, told)
		switch {
		case rho == 0 && (hits > 4 || told > runs/50+2):
			t.Errorf("independent readings: %d alarms, %d told, of %d", hits, told, runs)
		case rho == .8 && (hits < runs/4 || told < runs*9/10):
			t.Errorf("correlation %v: %d alarms, %d told, of %d: dependence is worse than that", rho, hits, told, runs)
		}
	}
}

// TestConformalDelay: a lasting change is found, and soon, early and late in a
// rollout.
func TestConformalDelay(t *testing.T) {
	runs := 200
	if testing.Short() {
		runs = 40
	}
	for _, c := range []struct {
		shift float64
		onset int
		most  int // of the median, in readings
	}{{10, 10, 10}, {10, 60, 10}, {10, 360, 14}, {3, 60, 16}, {2, 60, 40}} {
		var delays []int
		missed := 0
		for seed := range uint64(runs) {
			at := watch(seed, EitherWay, 60, c.onset+120, .001, func(r *rand.Rand, i int) float64 {
				x := r.NormFloat64()
				if i >= c.onset {
					x += c.shift
				}
				return x
			})
			if at <= c.onset {
				missed++
				continue
			}
			delays = append(delays, at-c.onset)
		}
		slices.Sort(delays)
		if len(delays) == 0 {
			t.Errorf("a shift by %v after %d readings is never found", c.shift, c.onset)
			continue
		}
		median := delays[len(delays)/2]
		t.Logf("shift by %v after %d readings: median %d, longest %d, not found %d of %d", c.shift, c.onset, median, delays[len(delays)-1], missed, runs)
		if median > c.most || missed > runs/20 {
			t.Errorf("shift by %v after %d readings: median delay %d, want at most %d; not found %d of %d", c.shift, c.onset, median, c.most, missed, runs)
		}
	}
}

func TestSerial(t *testing.T) {
	if r, z := Serial([]float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}); r < .7 || z < 2 {
		t.Errorf("a trend: %v, %v", r, z)
	}
	if r, z := Serial([]float64{1, 9, 1, 9, 1, 9, 1, 9, 1, 9, 1, 9}); r > -.7 || z > -2 {
		t.Errorf("to and fro: %v, %v", r, z)
	}
	for _, x := range [][]float64{nil, {1, 2, 3}, {5, 5, 5, 5, 5, 5, 5, 5, 5}} {
		if r, z := Serial(x); r != 0 || z != 0 {
			t.Errorf("%v: %v, %v", x, r, z)
		}
	}
}
