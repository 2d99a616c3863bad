package analysis

import (
	"slices"

	"github.com/haldane-dev/haldane/internal/stats"
)

// meanState judges the mean of a bounded value. Values are mapped onto [0,1], and
// for a limit on decline mirrored, so that more is always worse.
type meanState struct {
	Stable stats.Moments    `json:"stable"` // on [0,1], discounted by age
	Canary stats.Moments    `json:"canary"`
	Spread stats.Dispersion `json:"spread"`
	Sides  []meanSide       `json:"sides,omitempty"` // one per limit declared
	Seen   stats.Standard   `json:"seen"`            // of values as they are
	Range  span             `json:"range,omitzero"`  // on [0,1]
}

// meanSide is the evidence for one limit.
type meanSide struct {
	Rollback  trial `json:"rollback"`
	Promotion trial `json:"promotion"`
}

func (s meanState) clone() meanState {
	s.Sides = slices.Clone(s.Sides)
	for i := range s.Sides {
		s.Sides[i].Rollback = s.Sides[i].Rollback.clone()
		s.Sides[i].Promotion = s.Sides[i].Promotion.clone()
	}
	s.Range = s.Range.clone()
	return s
}

// limit is one line that a mean must stay under, on [0,1].
type limit struct {
	mirror bool
	margin stats.Null
}

// limits returns what is declared: a largest decrease, a largest increase (with
// or without a ratio), or both.
func (m Metric) limits() []limit {
	r := m.Upper - m.Lower
	var out []limit
	up := m.margin()
	if m.MaxIncrease > 0 || up.Ratio != 1 {
		// μ ≤ ρμ_B+δ reads (μ'−…) on [0,1]: μ' ≤ ρμ'_B + (δ+(ρ−1)·lower)/r.
		out = append(out, limit{margin: stats.Null{Ratio: up.Ratio, Shift: (up.Shift + (up.Ratio-1)*m.Lower) / r}})
	}
	if m.MaxDecrease > 0 || len(out) == 0 {
		out = append(out, limit{mirror: true, margin: stats.Null{Ratio: 1, Shift: m.MaxDecrease / r}})
	}
	return out
}

func (s *meanState) check(m Metric, x Measure) string {
	if m.Upper <= m.Lower {
		return "the bounds of the value are missing"
	}
	return checkBoth(x, func(c Counts) string {
		if why := checkMoments(c, m.Lower, m.Upper); why != "" {
			return why
		}
		return checkValues(c)
	})
}

// unit maps one arm's moments onto [0,1].
func (m Metric) unit(c Counts) stats.Moments {
	return stats.Moments{N: float64(c.N), Sum: c.Sum, SumSq: c.SumSq}.Unit(m.Lower, m.Upper)
}

func (s *meanState) learn(m Metric, x Measure, decay float64) {
	s.observe(m.unit(x.Stable), stats.Moments{}, decay)
}

// observe remembers one block.
func (s *meanState) observe(stable, canary stats.Moments, decay float64) {
	s.Stable = s.Stable.Times(decay).Plus(stable)
	s.Canary = s.Canary.Times(decay).Plus(canary)
	s.Spread.Observe(
		stats.Stretch{N: stable.N, Sum: stable.Sum}, stats.Stretch{N: canary.N, Sum: canary.Sum},
		s.Stable.Variance(), s.Canary.Variance())
}

func (s *meanState) bet(m Metric, x Measure, at moment) float64 {
	limits := m.limits()
	if s.Sides == nil {
		s.Sides = make([]meanSide, len(limits))
	}
	stable, canary := m.unit(x.Stable), m.unit(x.Canary)
	past, expected := s.Stable, s.canary()
	s.observe(stable, canary, at.decay)
	t := stats.Temper{Phi: 1}
	if at.temper {
		t = s.Spread.Temper()
	}
	for i, l := range limits {
		b, c, p := stable, canary, past
		if l.mirror {
			b, c, p = b.Mirror(), c.Mirror(), p.Mirror()
		}
		var roll [5]float64
		var pass [1]float64
		if !at.who.sticky || !at.who.gap.unknown {
			l.rollback(m.Tolerate, at.who).Factors(roll[:], b, c, p)
			l.promotion(at.factor, at.who).Factors(pass[:], b, c, p)
		}
		s.Sides[i].Rollback.advance(roll[:], t, at.schedule, at.due)
		s.Sides[i].Promotion.advance(pass[:], t.ForPromotion(), stats.Once, 0)
	}
	s.Range.advance(stats.Fine, stats.Values(stable, past), stats.Values(canary, expected), t)
	s.Seen.Add(stats.Block{
		Stable: stats.Count{N: float64(x.Stable.N), K: x.Stable.Sum},
		Canary: stats.Count{N: float64(x.Canary.N), K: x.Canary.Sum},
	})
	return t.Phi
}

// canary returns what the canary's values are expected to be, leaning on stable's
// with the weight of ten.
func (s *meanState) canary() stats.Moments {
	const weight = 10
	if s.Stable.N <= weight {
		return s.Canary.Plus(s.Stable)
	}
	return s.Canary.Plus(s.Stable.Times(weight / s.Stable.N))
}

func (l limit) rollback(tolerate float64, w who) stats.MeanBet {
	return stats.MeanBet{Null: w.rollback(l.margin.Scale(tolerate)), Side: stats.Rollback, Leaps: leaps.Odds}
}

func (l limit) promotion(factor float64, w who) stats.MeanBet {
	return stats.MeanBet{Null: w.promotion(l.margin.Scale(factor)), Side: stats.Promotion}
}

func (s *meanState) restage() {
	for i := range s.Sides {
		s.Sides[i].Promotion = trial{}
	}
}

func (s *meanState) summary(m Metric, v view) summary {
	seen := s.Seen.Block()
	stable, canary := seen.Stable.Share(), seen.Canary.Share()
	out := summary{stable: stable, canary: canary, speed: -1, effect: Effect{Estimate: canary - stable, Unit: "value"}}
	s.Range.put(&out.effect, -1, 1, m.Upper-m.Lower)
	out.phrase = "canary mean of " + m.Name + " " + number(canary) + " against " + number(stable)
	s.evidence(m, v, &out)
	return out
}

// evidence fills in both sides' evidence and how the limits read: the average
// over the limits for a rollback, every one of them for a pass.
func (s *meanState) evidence(m Metric, v view, out *summary) {
	var rolls []float64
	for i, l := range m.limits() {
		line := func(low, high string, f float64) bound {
			if l.mirror {
				return bound{low, out.stable - f*m.MaxDecrease, number}
			}
			return bound{high, m.margin().Scale(f).At(out.stable), number}
		}
		margin := m.margin().At(out.stable) - out.stable
		past := s.Stable
		if l.mirror {
			margin, past = -m.MaxDecrease, past.Mirror()
		}
		if i == 0 {
			out.effect.Margin = margin
			out.tolerated = line("down to ", "up to ", m.Tolerate)
			out.margin = line("at least ", "at most ", v.stage.factor())
		}
		speed := l.promotion(v.stage.factor(), v.who).Growth(past, v.stable, v.canary)
		if out.speed < 0 || speed < out.speed {
			out.speed = speed
		}
		if len(s.Sides) == 0 {
			continue
		}
		rolls = append(rolls, s.Sides[i].Rollback.logE(leaps, v.schedule))
		pass := s.Sides[i].Promotion.logE(passing, stats.Once)
		if i == 0 || pass < out.promotion {
			out.promotion = pass
		}
	}
	out.rollback = stats.LogMean(rolls...)
	v.who.spread(out, m.Upper-m.Lower)
}
