package plan

import (
	"math"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/stats"
)

// ladder foretells every step in turn, each beginning when a healthy canary is
// expected there.
func (r *Report) ladder() {
	s := r.settings
	clock, first := s.warmup, true
	mean, spread := s.warmup, 0.0
	most := 0.0
	r.Promotion.InTime = 1
	for i, step := range s.plan.Steps {
		s.carries(step, clock)
		out := Step{Index: i, Weight: 100 * step.Weight.Share(), Begins: Seconds(clock)}
		switch {
		case step.Pause != nil:
			out.Weight, out.Pause = 0, &Duration{Seconds(math.Inf(1))}
			if d := step.Pause.For.Seconds(); d > 0 {
				out.Pause.Seconds = Seconds(d)
				clock, mean = clock+d, mean+d
			}
		case step.Preview && step.Shadow == 0, step.For > 0 && !judged(step):
			d := step.For.Seconds()
			out.Pause = &Duration{Seconds(d)}
			clock, mean = clock+d, mean+d
		case judged(step):
			at := stageOf(s.plan, i)
			at.begins, at.first = clock, first
			// What would come later is looked at as well, so that it can be told how
			// much time is lacking.
			at.horizon = 20 * s.horizon
			passes, least := r.step(&out, at), step.For.Seconds()
			out.Least = Seconds(least)
			first = false
			half := math.Max(passes.quantile(.5), least)
			m, v := passes.atLeast(least).moments()
			clock, mean, spread = clock+half, mean+m, spread+v
			most = math.Max(most, math.Max(passes.quantile(.9), least)-half)
		default: // all traffic
			out.Passes = Times{}
			r.Steps = append(r.Steps, out)
			r.total(clock, mean, spread)
			return
		}
		r.Steps = append(r.Steps, out)
	}
	r.total(clock, mean, spread)
}

// total sums up: the times of the steps are independent, and their sum is taken
// to be lognormal.
func (r *Report) total(clock, mean, spread float64) {
	fixed := r.settings.warmup
	for _, s := range r.Steps {
		if s.Pause != nil && !math.IsInf(float64(s.Pause.Seconds), 1) {
			fixed += float64(s.Pause.Seconds)
		}
	}
	if math.IsInf(clock, 1) {
		r.Promotion = Promotion{Times: Times{Seconds(clock), Seconds(clock)}}
		return
	}
	m := math.Max(mean-fixed, 1e-9)
	sigma := math.Sqrt(math.Log1p(spread / (m * m)))
	mu := math.Log(m) - sigma*sigma/2
	r.Promotion.Half = Seconds(fixed + math.Exp(mu))
	r.Promotion.Most = Seconds(fixed + math.Exp(mu+1.2815515655446004*sigma))
	r.Promotion.InTime = 0
	if left := r.settings.horizon - fixed; left > 0 {
		r.Promotion.InTime = normal((math.Log(left) - mu) / math.Max(sigma, 1e-9))
	}
}

// moments returns the mean and the variance, what lies beyond the horizon taken
// to lie at it.
func (c curve) moments() (mean, variance float64) {
	square := 0.0
	last := 0.0
	for i := 1; i <= points; i++ {
		p, t := c.by[i]-last, (c.at(i)+c.at(i-1))/2
		mean, square, last = mean+p*t, square+p*t*t, c.by[i]
	}
	mean += (1 - last) * c.horizon
	square += (1 - last) * c.horizon * c.horizon
	return mean, math.Max(0, square-mean*mean)
}

// step foretells one judged step and returns the law of a healthy canary's pass.
func (r *Report) step(out *Step, at stage) curve {
	s := r.settings
	out.Weight, out.Shadow, out.Margin, out.Last = 100*at.weight, at.Shadow, at.Factor, at.Last
	all := certain(at.horizon)
	healthy := make([]curve, len(r.models))
	gates := 0
	for i, m := range r.models {
		healthy[i] = s.passes(m, 0, at)
		if m.gates(at) {
			all = all.and(healthy[i])
			gates++
		}
	}
	out.Passes = Times{Seconds(all.quantile(.5)), Seconds(all.quantile(.9))}
	// A mirror whose metrics have no baseline is taken to pass: that they are not
	// foretold is said.
	if gates == 0 && (at.Last && !at.Shadow || at.Shadow && len(r.Unforeseen) == 0) {
		all = curve{horizon: at.horizon} // nothing can be shown here
		out.Passes = Times{Seconds(math.Inf(1)), Seconds(math.Inf(1))}
	}
	// Regressions have what is left of the time, and a canary that takes long to
	// arrive has none.
	within := at
	within.horizon = s.horizon - at.begins
	for i, m := range r.models {
		if !m.compared(at) {
			continue
		}
		line := Metric{Name: m.metric.Name, Gates: m.gates(at), Limit: m.limit(at.Factor)}
		if line.Gates {
			line.Passes = Times{Seconds(healthy[i].quantile(.5)), Seconds(healthy[i].quantile(.9))}
		}
		if within.horizon > 0 {
			others := r.others(i, within)
			line.Four = r.smallest(m, .8, within, others)
			line.Most = r.smallest(m, .95, within, others)
		}
		out.Metrics = append(out.Metrics, line)
	}
	return all
}

// others is the law of the pass of every other metric that gates, by a healthy
// canary.
func (r *Report) others(i int, at stage) curve {
	all := certain(at.horizon)
	for j, m := range r.models {
		if j != i && m.gates(at) {
			all = all.and(r.settings.passes(m, 0, at))
		}
	}
	return all
}

// caught is the law of being taken back at a stage before the step passes.
func (r *Report) caught(m namedModel, size float64, at stage, others curve) curve {
	fails := r.settings.fails(m, size, at)
	if !m.gates(at) {
		return fails.before(others)
	}
	return fails.before(others.and(r.settings.passes(m, size, at)))
}

// smallest returns the smallest regression caught with a probability q.
func (r *Report) smallest(m namedModel, q float64, at stage, others curve) Caught {
	return m.smallest(q, func(size float64) curve { return r.caught(m, size, at, others) })
}

// smallest returns the smallest size of which what is asked comes with a probability q.
func (m namedModel) smallest(q float64, of func(size float64) curve) Caught {
	if of(1).end() < q {
		return Caught{Fails: Seconds(math.Inf(1))}
	}
	lo, hi := 0.0, 1.0
	for hi-lo > 1e-3*hi+1e-6 {
		mid := (lo + hi) / 2
		if of(mid).end() >= q {
			hi = mid
		} else {
			lo = mid
		}
	}
	c := of(hi)
	return Caught{m.say(hi), m.value(hi), c.end(), Seconds(c.quantile(c.end() / 2))}
}

// limit says what a canary must be shown to stay under at a margin factor.
func (m namedModel) limit(f float64) string {
	switch m.metric.Kind {
	case analysis.ErrorRate, analysis.Outcome:
		return "at most " + percent(nullOf(m.metric).Scale(f).At(m.habit.Rate))
	case analysis.Pairs:
		return "at most " + percent(f*m.metric.Max)
	case analysis.Drift:
		return "a change of at most " + number(100*f*m.metric.Max, 3) + " points"
	case analysis.Mean:
		value := func(x float64) string { return number(x, 3) }
		if m.habit.Binary {
			value = percent
		}
		if m.metric.MaxDecrease > 0 {
			return "at least " + value(math.Max(m.metric.Lower, m.habit.Mean-f*m.metric.MaxDecrease))
		}
		return "at most " + value(math.Min(m.metric.Upper, stats.Null.At(nullOf(m.metric).Scale(f), m.habit.Mean)))
	}
	text := ""
	for _, s := range m.metric.Slower {
		by := "+" + number(100*f*s.Share, 3) + "%"
		if s.By > 0 {
			by = "+" + number(1000*f*s.By.Seconds(), 3) + " ms"
		}
		text += ", p" + number(100*s.Quantile, 4) + " " + by
	}
	for _, o := range m.metric.Over {
		text += ", over " + o.Threshold.String() + " +" + number(100*f*o.MaxIncrease, 3) + " points"
	}
	return text[min(2, len(text)):]
}
