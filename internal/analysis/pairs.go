package analysis

import (
	"fmt"

	"github.com/haldane-dev/haldane/internal/stats"
)

// pairsState judges how often mirrored requests are answered differently by the
// two arms, against an absolute limit.
type pairsState struct {
	Past      stats.Past   `json:"past"` // discounted by age
	Spread    stats.OneArm `json:"spread"`
	Rollback  trial        `json:"rollback"`
	Promotion trial        `json:"promotion"`
	Pairs     float64      `json:"pairs"` // all that counted as evidence
	Disagree  float64      `json:"disagree"`
	Range     span         `json:"range,omitzero"`
}

// strictLimit stands for a tolerance of no disagreement at all.
const strictLimit = 1e-6

func (s pairsState) clone() pairsState {
	s.Rollback, s.Promotion, s.Range = s.Rollback.clone(), s.Promotion.clone(), s.Range.clone()
	return s
}

func (s *pairsState) check(_ Metric, x Measure) string {
	if x.Pairs < 0 || x.Disagree < 0 || x.Disagree > x.Pairs {
		return fmt.Sprintf("%d disagreements in %d pairs", x.Disagree, x.Pairs)
	}
	return ""
}

// learn does nothing: stable alone says nothing of pairs.
func (s *pairsState) learn(Metric, Measure, float64) {}

func (m Metric) disagreements(f float64, side stats.Side) stats.OneSample {
	o := stats.OneSample{Limit: max(f*m.Max, strictLimit), Side: side, Odds: effects.Odds}
	if side == stats.Promotion {
		o.Odds = agreements.Odds
	}
	return o
}

func (s *pairsState) bet(m Metric, x Measure, at moment) float64 {
	c := stats.Count{N: float64(x.Pairs), K: float64(x.Disagree)}
	var up [8]float64
	var down [3]float64
	roll, pass := up[:effects.Components()], down[:]
	m.disagreements(m.Tolerate, stats.Rollback).Factors(roll, c)
	m.disagreements(at.factor, stats.Promotion).Factors(pass, c)
	expected := stats.Share(c, s.Past.Rate(stats.RarePrior))
	s.Past.Add(c, at.decay)
	p := s.Past.Rate(stats.RarePrior)
	s.Spread.Observe(stats.Stretch{N: c.N, Sum: c.K}, p*(1-p))
	t := stats.Temper{Phi: 1}
	if at.temper {
		t = s.Spread.Temper()
	}
	s.Rollback.advance(roll, t, at.schedule, at.due)
	s.Promotion.advance(pass, t, stats.Once, 0)
	s.Range.advance(stats.Fine, stats.Arm{}, expected, t)
	s.Pairs += c.N
	s.Disagree += c.K
	return t.Phi
}

func (s *pairsState) restage() { s.Promotion = trial{} }

func (s *pairsState) summary(m Metric, v view) summary {
	all := stats.Count{N: s.Pairs, K: s.Disagree}
	out := summary{
		rollback:  s.Rollback.logE(effects, v.schedule),
		promotion: s.Promotion.logE(agreements, stats.Once),
		canary:    all.Share(),
		effect:    Effect{Estimate: all.Share(), Unit: "share", Margin: m.Max},
		phrase:    "answers differ in " + percent(all.Share()) + " of pairs",
		tolerated: bound{"up to ", m.Tolerate * m.Max, percent},
		margin:    bound{"at most ", v.stage.factor() * m.Max, percent},
	}
	if s.Pairs == 0 {
		out.waiting = "mirrored pairs"
		return out
	}
	s.Range.put(&out.effect, 0, 1, 1)
	var growth [3]float64
	p := s.Past.Rate(stats.RarePrior)
	m.disagreements(v.stage.factor(), stats.Promotion).Factors(growth[:], stats.Count{N: v.canary, K: v.canary * p})
	for _, g := range growth {
		out.speed = max(out.speed, g)
	}
	return out
}
