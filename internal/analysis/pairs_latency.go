package analysis

import (
	"math"
	"slices"

	"github.com/haldane-dev/haldane/internal/stats"
)

// pairedLatencyState judges time to answer by the ratio canary/stable of mirrored
// requests: how often it is beyond what is allowed, against half of the time. What
// makes a request slow on both arms cancels.
type pairedLatencyState struct {
	Edges    []float64    `json:"edges"`  // of the ratio
	Counts   []float64    `json:"counts"` // discounted by age
	Spread   stats.OneArm `json:"spread"`
	Rollback trial        `json:"rollback"`
	Within   trial        `json:"within"`
	Median   ladder       `json:"median,omitzero"`
	Seen     float64      `json:"seen"`
}

// ratios are where the median of the ratio is looked for.
var ratios = []float64{.5, .67, .8, .9, .95, 1, 1.05, 1.1, 1.2, 1.4, 1.8, 2.5}

// rungStakes are the stakes, in equal parts, that one of them is told apart by.
var rungStakes = []float64{.08, .3}

func (s pairedLatencyState) clone() pairedLatencyState {
	s.Counts = slices.Clone(s.Counts)
	s.Rollback, s.Within = s.Rollback.clone(), s.Within.clone()
	s.Median = s.Median.clone()
	return s
}

func (s *pairedLatencyState) check(m Metric, x Measure) string {
	switch {
	case m.Max <= 0:
		return "the margin is missing"
	case len(x.Edges) == 0 || !slices.IsSorted(x.Edges) || x.Edges[0] <= 0:
		return "edges of the ratio must be positive and ascending"
	case s.Edges != nil && !slices.Equal(s.Edges, x.Edges):
		return "edges of the ratio changed in the middle of the rollout"
	}
	return checkHistogram(x.Canary, len(x.Edges)+1)
}

func (s *pairedLatencyState) learn(Metric, Measure, float64) {}

// start makes room at the first measure.
func (s *pairedLatencyState) start(x Measure) {
	if s.Edges != nil {
		return
	}
	s.Edges, s.Counts = slices.Clone(x.Edges), make([]float64, len(x.Edges)+1)
	s.Median.set(s.Edges, ratios, 1)
}

func (s *pairedLatencyState) bet(m Metric, x Measure, at moment) float64 {
	s.start(x)
	h := (&latencyState{Edges: s.Edges}).read(x.Canary)
	over := func(ratio float64) stats.Pairs {
		k, n := h.over(nearest(s.Edges, ratio)), h.total()
		return stats.Pairs{N: n, CanaryOnly: k, StableOnly: n - k}
	}
	beyond := over(1 + m.Tolerate*m.Max)
	var up, down [6]float64
	stats.PairBet{Stakes: stakes.Odds}.Factors(up[:], beyond, stats.Pairs{})
	stats.PairBet{Side: stats.Promotion, Stakes: stakes.Odds}.Factors(down[:], over(1+at.factor*m.Max), stats.Pairs{})
	s.Spread.Observe(stats.Stretch{N: beyond.N, Sum: beyond.CanaryOnly}, .25)
	t := stats.Temper{Phi: 1}
	if at.temper {
		t = s.Spread.Temper()
	}
	s.Rollback.advance(up[:], t, at.schedule, at.due)
	s.Within.advance(down[:], t, stats.Once, 0)
	factors := make([]float64, bets*len(s.Median.Edges))
	for i, e := range s.Median.Edges {
		x := over(e)
		stats.PairBet{Stakes: rungStakes}.Factors(factors[bets*i:bets*i+2], x, stats.Pairs{})
		stats.PairBet{Side: stats.Promotion, Stakes: rungStakes}.Factors(factors[bets*i+2:bets*i+4], x, stats.Pairs{})
	}
	s.Median.Evidence.Advance(factors, t, stats.Once, 0)
	fade(s.Counts, at.decay, x.Canary.Counts)
	s.Seen += beyond.N
	return t.Phi
}

func (s *pairedLatencyState) restage() { s.Within = trial{} }

func (s *pairedLatencyState) summary(m Metric, v view) summary {
	out := summary{effect: Effect{Unit: "share", Margin: m.Max}}
	if s.Seen == 0 {
		out.waiting = "mirrored pairs"
		return out
	}
	h := histogram{s.Edges, s.Counts}
	median, _ := h.quantile(.5)
	out.rollback = s.Rollback.logE(stakes, v.schedule)
	out.promotion = s.Within.logE(stakes, stats.Once)
	out.stable, out.canary = 1, median
	out.effect.Estimate = median - 1
	longer := func(x float64) string { return percent(x) + " longer" }
	out.phrase = "half of the mirrored requests take the canary at least " + longer(median-1)
	if median < 1 {
		out.phrase = "half of the mirrored requests take the canary at most " + percent(median) + " of stable's time"
	}
	out.tolerated = bound{"up to ", m.Tolerate * m.Max, longer}
	out.margin = bound{"at most ", v.stage.factor() * m.Max, longer}
	from, to := s.Median.between(0, s.Edges[len(s.Edges)-1])
	out.effect.Low, out.effect.High, out.effect.Always = from-1, to-1, true
	k := h.over(nearest(s.Edges, 1+v.stage.factor()*m.Max)) / h.total()
	n := v.canary
	var g [6]float64
	stats.PairBet{Side: stats.Promotion, Stakes: stakes.Odds}.
		Factors(g[:], stats.Pairs{N: n, CanaryOnly: k * n, StableOnly: (1 - k) * n}, stats.Pairs{})
	out.speed = math.Max(0, slices.Max(g[:]))
	return out
}
