package analysis

import (
	"fmt"
	"math"

	"github.com/haldane-dev/haldane/internal/stats"
)

// errorShareState judges failures where nobody counts the requests: by the share
// of all failures that are the canary's, which is its weight if both arms fail
// alike. It trusts the split to be as configured.
type errorShareState struct {
	Past      stats.Past   `json:"past"`     // failures, and the canary's of them, discounted by age
	Failures  float64      `json:"failures"` // all that counted as evidence
	Canary    float64      `json:"canary"`
	Expected  float64      `json:"expected"` // of the canary, if both arms fail alike
	Spread    stats.OneArm `json:"spread"`
	Rollback  trial        `json:"rollback"`
	Promotion trial        `json:"promotion"`
}

func (s errorShareState) clone() errorShareState {
	s.Rollback, s.Promotion = s.Rollback.clone(), s.Promotion.clone()
	return s
}

func (s *errorShareState) check(m Metric, x Measure) string {
	if m.MaxRatio <= 1 || m.MaxIncrease != 0 {
		return "without the number of requests only a ratio above 1 can be a margin"
	}
	return checkBoth(x, func(c Counts) string {
		if c.K < 0 {
			return fmt.Sprintf("%d failures", c.K)
		}
		return ""
	})
}

// learn does nothing: stable's failures alone say nothing of the canary's share.
func (s *errorShareState) learn(Metric, Measure, float64) {}

// shareAt is the canary's share of failures at weight w if it fails ratio times as
// often as stable.
func shareAt(w, ratio float64) float64 { return w * ratio / (w*ratio + 1 - w) }

func (s *errorShareState) bet(m Metric, x Measure, at moment) float64 {
	c := stats.Count{N: float64(x.Stable.K + x.Canary.K), K: float64(x.Canary.K)}
	if c.N == 0 || at.weight <= 0 || at.weight >= 1 {
		return 0
	}
	var up [8]float64
	var down [1]float64
	roll := up[:effects.Components()]
	margin := m.margin()
	stats.OneSample{Limit: shareAt(at.weight, margin.Scale(m.Tolerate).Ratio), Odds: effects.Odds}.Factors(roll, c)
	limit := margin.Scale(at.factor).Ratio
	stats.OneSample{Limit: shareAt(at.weight, limit), Side: stats.Promotion, Odds: []float64{1 / limit}}.Factors(down[:], c)
	s.Past.Add(c, at.decay)
	p := s.Past.Rate(stats.PriorAt(at.weight))
	s.Spread.Observe(stats.Stretch{N: c.N, Sum: c.K}, p*(1-p))
	t := stats.Temper{Phi: 1}
	if at.temper {
		t = s.Spread.Temper()
	}
	s.Rollback.advance(roll, t, at.schedule, at.due)
	s.Promotion.advance(down[:], t, stats.Once, 0)
	s.Failures += c.N
	s.Canary += c.K
	s.Expected += c.N * at.weight
	return t.Phi
}

func (s *errorShareState) restage() { s.Promotion = trial{} }

func (s *errorShareState) summary(m Metric, v view) summary {
	out := summary{
		rollback:  s.Rollback.logE(effects, v.schedule),
		promotion: s.Promotion.logE(passing, stats.Once),
		effect:    Effect{Unit: "share"},
	}
	if s.Failures == 0 {
		out.waiting = "failures: without the number of requests nothing else says how often either arm fails"
		return out
	}
	limit := m.margin().Scale(v.stage.factor()).Ratio
	out.canary, out.stable = s.Canary/s.Failures, s.Expected/s.Failures
	out.effect.Estimate = out.canary - out.stable
	out.effect.Margin = shareAt(out.stable, m.margin().Ratio) - out.stable
	out.phrase = fmt.Sprintf("the canary has %s of all failures, %s if it fails as stable does", percent(out.canary), percent(out.stable))
	out.tolerated = bound{"up to ", shareAt(out.stable, m.margin().Scale(m.Tolerate).Ratio), percent}
	out.margin = bound{"at most ", shareAt(out.stable, limit), percent}
	var g [1]float64
	n := v.stable + v.canary
	w := math.Min(math.Max(out.stable, 1e-6), 1-1e-6)
	stats.OneSample{Limit: shareAt(w, limit), Side: stats.Promotion, Odds: []float64{1 / limit}}.
		Factors(g[:], stats.Count{N: n, K: n * w})
	out.speed = math.Max(0, g[0])
	return out
}
