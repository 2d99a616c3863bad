package analysis

import (
	"fmt"
	"math"

	"github.com/haldane-dev/haldane/internal/stats"
)

var stakes = stats.Stakes()

// pairedState judges failures of mirrored requests by the pairs that only one arm
// failed.
type pairedState struct {
	Past      stats.Pairs  `json:"past"` // discounted by age
	Seen      stats.Pairs  `json:"seen"` // all that counted as evidence
	Spread    stats.OneArm `json:"spread"`
	Rollback  trial        `json:"rollback"`
	Promotion trial        `json:"promotion"`
	Range     span         `json:"range,omitzero"`
}

func (s pairedState) clone() pairedState {
	s.Rollback, s.Promotion, s.Range = s.Rollback.clone(), s.Promotion.clone(), s.Range.clone()
	return s
}

func (s *pairedState) check(m Metric, x Measure) string {
	if m.MaxIncrease < 0 || m.MaxIncrease >= 1 {
		return fmt.Sprintf("a margin of %g is no share of requests", m.MaxIncrease)
	}
	if x.Pairs < 0 || x.CanaryOnlyBad < 0 || x.StableOnlyBad < 0 || x.CanaryOnlyBad > x.Pairs-x.StableOnlyBad {
		return fmt.Sprintf("%d failures of canary and %d of stable alone in %d pairs", x.CanaryOnlyBad, x.StableOnlyBad, x.Pairs)
	}
	return ""
}

// learn does nothing: stable alone says nothing of pairs.
func (s *pairedState) learn(Metric, Measure, float64) {}

func (s *pairedState) bet(m Metric, x Measure, at moment) float64 {
	p := stats.Pairs{N: float64(x.Pairs), CanaryOnly: float64(x.CanaryOnlyBad), StableOnly: float64(x.StableOnlyBad)}
	var up [6]float64
	var down [1]float64
	stats.PairBet{Shift: m.Tolerate * m.MaxIncrease, Stakes: stakes.Odds}.Factors(up[:], p, s.Past)
	s.promotion(m, at.factor).Factors(down[:], p, s.Past)
	seen := stats.Differences(p, s.Past)
	s.Past = s.Past.Times(at.decay).Plus(p)
	// How much the difference varies from one stretch to the next.
	v := halved(s.Past).Variance()
	s.Spread.Observe(stats.Stretch{N: p.N, Sum: halved(p).Sum}, v)
	t := stats.Temper{Phi: 1}
	if at.temper {
		t = s.Spread.Temper()
	}
	s.Rollback.advance(up[:], t, at.schedule, at.due)
	s.Promotion.advance(down[:], t, stats.Once, 0)
	s.Range.advance(stats.Fine, stats.Arm{}, seen, t)
	s.Seen = s.Seen.Plus(p)
	return t.Phi
}

func (s *pairedState) promotion(m Metric, factor float64) stats.PairBet {
	return stats.PairBet{Shift: math.Min(factor*m.MaxIncrease, .99), Side: stats.Promotion}
}

// halved maps a pair's difference of 1, 0 or −1 onto [0,1].
func halved(p stats.Pairs) stats.Moments {
	rest := p.N - p.CanaryOnly - p.StableOnly
	return stats.Moments{N: p.N, Sum: p.CanaryOnly + rest/2, SumSq: p.CanaryOnly + rest/4}
}

func (s *pairedState) restage() { s.Promotion = trial{} }

func (s *pairedState) summary(m Metric, v view) summary {
	n := math.Max(s.Seen.N, 1)
	out := summary{
		rollback:  s.Rollback.logE(stakes, v.schedule),
		promotion: s.Promotion.logE(passing, stats.Once),
		stable:    s.Seen.StableOnly / n,
		canary:    s.Seen.CanaryOnly / n,
		effect:    Effect{Estimate: s.Seen.Shift(), Unit: "share", Margin: m.MaxIncrease},
		phrase: fmt.Sprintf("of mirrored requests the canary alone failed %s, stable alone %s",
			percent(s.Seen.CanaryOnly/n), percent(s.Seen.StableOnly/n)),
		tolerated: bound{"up to ", m.Tolerate * m.MaxIncrease, morePoints},
		margin:    bound{"at most ", v.stage.factor() * m.MaxIncrease, morePoints},
		speed:     s.promotion(m, v.stage.factor()).Growth(s.Past, v.canary),
	}
	if s.Seen.N == 0 {
		out.waiting = "mirrored pairs"
		return out
	}
	if s.Range.Started() {
		i := s.Range.Interval(displayed, 0, 1)
		out.effect.Low, out.effect.High, out.effect.Always = 2*i.Low-1, 2*i.High-1, true
	}
	return out
}

// morePoints writes a difference in points that one arm may be ahead by.
func morePoints(p float64) string { return points(p) + " more" }
