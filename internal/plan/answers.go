package plan

import (
	"math"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/stats"
)

// drift judges how answers are distributed. A canary that is worse gives one
// answer more often and another less: the most and the least common, or for bins
// of a score the lower half less often than the upper.
type drift struct {
	m analysis.Metric
	h Habit
}

// event is one comparison of drift: how often it happens on each arm.
type event struct{ stable, canary float64 }

// most is the largest change that the baseline leaves room for.
func (d drift) most() float64 {
	if d.h.Ordered {
		return d.lower() * .999
	}
	i, _ := d.extremes()
	return d.h.Classes[i] * .999
}

// extremes returns the indices of the most and the least common class.
func (d drift) extremes() (most, least int) {
	for i, p := range d.h.Classes {
		if p > d.h.Classes[most] {
			most = i
		}
		if p <= d.h.Classes[least] {
			least = i
		}
	}
	return most, least
}

// lower is the share of the bins up to the middle one.
func (d drift) lower() float64 {
	sum := 0.0
	for _, p := range d.h.Classes[:d.middle()] {
		sum += p
	}
	return sum
}

// middle is the number of bins that hold about the lower half.
func (d drift) middle() int {
	sum := 0.0
	for i, p := range d.h.Classes[:len(d.h.Classes)-1] {
		if sum += p; sum >= .5 {
			return i + 1
		}
	}
	return len(d.h.Classes) - 1
}

// events lists what is compared at a size.
func (d drift) events(size float64) []event {
	delta := d.value(size)
	var out []event
	if d.h.Ordered {
		low, sum := d.lower(), 0.0
		for _, p := range d.h.Classes[:len(d.h.Classes)-1] {
			sum += p
			// Mass leaves the lower half evenly and reaches the upper one evenly.
			move := sum / low
			if sum > low {
				move = (1 - sum) / (1 - low)
			}
			out = append(out, event{sum, sum - delta*move})
		}
		return out
	}
	from, to := d.extremes()
	for i, p := range d.h.Classes {
		e := event{p, p}
		switch i {
		case from:
			e.canary -= delta
		case to:
			e.canary += delta
		}
		out = append(out, e)
	}
	return out
}

// bet returns the process of one direction of one event.
func (e event) bet(more bool, n stats.Null, side stats.Side, g stats.Grid, r rates) process {
	truth := stats.Rates{Stable: e.stable, Canary: e.canary}
	if !more {
		truth = stats.Rates{Stable: 1 - e.stable, Canary: 1 - e.canary}
	}
	o := odds{bet: stats.Bet{Null: n, Side: side, Odds: g.Odds}, shares: g.Shares, theta: truth.Stable, truth: truth}
	if side == stats.Promotion {
		o.theta = (truth.Stable*r.stable + truth.Canary*r.canary) / (r.stable + r.canary)
	}
	return o.walk(r.stable, r.canary)
}

func (d drift) rollback(size float64, r rates) process {
	null := stats.Null{Ratio: 1, Shift: d.m.Tolerate * d.m.Max}
	var all []process
	for _, e := range d.events(size) {
		for _, more := range []bool{true, false} {
			all = append(all, e.bet(more, null, stats.Rollback, stats.Shifts(), r))
		}
	}
	kept := 1.0
	if !d.h.Ordered {
		kept = .9 // a tenth is kept for classes that turn up later
	}
	return average(all...).staked(restartShare * kept)
}

// promotion returns both directions of every class. Bins of a score go together
// with their neighbours, so that the slowest stands for all of them.
func (d drift) promotion(size, factor float64, r rates) []process {
	null := stats.Null{Ratio: 1, Shift: factor * d.m.Max}
	var all, slowest []process
	least := math.Inf(1)
	for _, e := range d.events(size) {
		both := []process{
			e.bet(true, null, stats.Promotion, stats.Pass(), r), e.bet(false, null, stats.Promotion, stats.Pass(), r),
		}
		all = append(all, both...)
		if speed := math.Min(both[0].drift[0], both[1].drift[0]); speed < least {
			least, slowest = speed, both
		}
	}
	if d.h.Ordered {
		return slowest
	}
	return all
}

func (d drift) value(size float64) float64 { return size * d.most() }

func (d drift) say(size float64) string {
	what := " of answers change class"
	if d.h.Ordered {
		what = " of scores move"
	}
	return percent(d.value(size)) + what
}

func (d drift) hits() float64 {
	least := .25
	for _, e := range d.events(0) {
		least = math.Min(least, math.Max(variance(e.stable), bestRate))
	}
	return least
}

// mean judges the mean of a bounded value. A canary that is worse has it moved
// towards the bad bound; its spread stays the same, unless the value is one of two.
type mean struct {
	m   analysis.Metric
	h   Habit
	off float64 // by how much the arms may differ for who their users are, on [0,1]
}

// down reports whether less is worse.
func (a mean) down() bool { return a.m.MaxDecrease > 0 }

// unit is a value on [0,1], where more is worse.
func (a mean) unit(v float64) float64 {
	u := (v - a.m.Lower) / (a.m.Upper - a.m.Lower)
	if a.down() {
		return 1 - u
	}
	return u
}

func (a mean) null() stats.Null {
	r := a.m.Upper - a.m.Lower
	if a.down() {
		return stats.Null{Ratio: 1, Shift: a.m.MaxDecrease / r}
	}
	n := nullOf(a.m)
	return stats.Null{Ratio: n.Ratio, Shift: (n.Shift + (n.Ratio-1)*a.m.Lower) / r}
}

func (a mean) value(size float64) float64 {
	if a.down() {
		return a.h.Mean - size*(a.h.Mean-a.m.Lower)
	}
	return a.h.Mean + size*(a.m.Upper-a.h.Mean)
}

// sd is the standard deviation of one value on [0,1] where the mean is so much.
func (a mean) sd(value float64) float64 {
	if u := a.unit(value); a.h.Binary {
		return math.Sqrt(math.Max(variance(u), bestRate))
	}
	return a.h.SD / (a.m.Upper - a.m.Lower)
}

// walk returns the random walk of a bet on moments, whose log factors are linear
// in the sums.
func (a mean) walk(size float64, bet stats.MeanBet, shares []float64, r rates) process {
	bet.Null.Shift += a.off
	muB, muC := a.unit(a.h.Mean), a.unit(a.value(size))
	sdB, sdC := a.sd(a.h.Mean), a.sd(a.value(size))
	moments := func(n, mu, sd float64) stats.Moments {
		return stats.Moments{N: n, Sum: n * mu, SumSq: n * (mu*mu + sd*sd)}
	}
	// A value more or less moves its square too.
	square := func(mu float64) float64 {
		if a.h.Binary {
			return 1
		}
		return 2 * mu
	}
	past := moments(1e6, muB, sdB)
	factors := func(dB, dC float64) []float64 {
		b, c := moments(r.stable, muB, sdB), moments(r.canary, muC, sdC)
		b.Sum, b.SumSq = b.Sum+dB, b.SumSq+square(muB)*dB
		c.Sum, c.SumSq = c.Sum+dC, c.SumSq+square(muC)*dC
		dst := make([]float64, len(shares))
		bet.Factors(dst, b, c, past)
		return dst
	}
	p := process{
		share: shares, drift: factors(0, 0), slope: make([][2]float64, len(shares)),
		spread: [2]float64{r.stable * sdB * sdB, r.canary * sdC * sdC},
	}
	b, c := factors(1, 0), factors(0, 1)
	for i := range shares {
		p.slope[i] = [2]float64{b[i] - p.drift[i], c[i] - p.drift[i]}
	}
	return p
}

func (a mean) rollback(size float64, r rates) process {
	g := stats.Leaps()
	return a.walk(size, stats.MeanBet{Null: a.null().Scale(a.m.Tolerate), Side: stats.Rollback, Leaps: g.Odds}, g.Shares, r).staked(restartShare)
}

func (a mean) promotion(size, factor float64, r rates) []process {
	return []process{a.walk(size, stats.MeanBet{Null: a.null().Scale(factor), Side: stats.Promotion}, []float64{1}, r)}
}

func (a mean) say(size float64) string {
	if a.h.Binary {
		return "a share of " + percent(a.value(size))
	}
	return "a mean of " + number(a.value(size), 3)
}

// hits is as large as a coin's, so that every block is one observation.
func (a mean) hits() float64 {
	sd := a.sd(a.h.Mean)
	return math.Min(.25, sd*sd)
}
