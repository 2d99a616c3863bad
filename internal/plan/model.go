package plan

import (
	"fmt"
	"math"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/stats"
)

// model is how one metric responds to a canary that is worse by some size. Size 0
// is a canary as good as stable, size 1 the worst that is looked at; in between
// worse is larger.
type model interface {
	// rollback returns the process that a rollback is decided by.
	rollback(size float64, r rates) process
	// promotion returns every process that has to arrive for the metric to pass.
	promotion(size, factor float64, r rates) []process
	// say puts a size into words.
	say(size float64) string
	// value is the size on the scale of the metric.
	value(size float64) float64
	// hits is the variance of a single trial of stable, as the dispersion sees it.
	hits() float64
}

// rates are trials a second.
type rates struct{ stable, canary float64 }

// restartShare is the part of a rollback process that is staked at its start.
const restartShare = .9

func newModel(m analysis.Metric, h Habit) (model, error) {
	if err := h.check(m); err != nil {
		return nil, err
	}
	switch m.Kind {
	case analysis.ErrorRate, analysis.Outcome:
		return share{m, h.Rate, nullOf(m)}, nil
	case analysis.Latency:
		return newLatency(m, h)
	case analysis.Drift:
		return drift{m, h}, nil
	case analysis.Mean:
		return mean{m: m, h: h}, nil
	case analysis.Pairs:
		return pairs{m, h.Rate}, nil
	}
	return nil, fmt.Errorf("metric %s: no forecast for metrics of kind %s", m.Name, m.Kind)
}

func nullOf(m analysis.Metric) stats.Null {
	ratio := m.MaxRatio
	if ratio <= 0 {
		ratio = 1
	}
	return stats.Null{Ratio: ratio, Shift: m.MaxIncrease}
}

// bestRate stands for a baseline on which nothing was ever seen to fail.
const bestRate = 1e-6

// worse moves a rate towards certainty: its odds grow exponentially with size, up
// to those of 99.9%.
func worse(p, size float64) float64 {
	p = math.Max(p, bestRate)
	lo, hi := math.Log(p/(1-p)), math.Log(999)
	return 1 / (1 + math.Exp(-(lo + size*math.Max(0, hi-lo))))
}

// share judges failures or wrong predictions.
type share struct {
	m    analysis.Metric
	rate float64
	null stats.Null
}

func (s share) odds(size float64) odds {
	p := math.Max(s.rate, bestRate)
	return odds{theta: p, truth: stats.Rates{Stable: p, Canary: worse(p, size)}}
}

func (s share) rollback(size float64, r rates) process {
	g := stats.Effects()
	if s.m.Kind == analysis.Outcome {
		g = stats.Outcomes()
	}
	o := s.odds(size)
	o.bet, o.shares = stats.Bet{Null: s.null.Scale(s.m.Tolerate), Side: stats.Rollback, Odds: g.Odds}, g.Shares
	return o.walk(r.stable, r.canary).staked(restartShare)
}

func (s share) promotion(size, factor float64, r rates) []process {
	o := s.odds(size)
	o.bet, o.shares = stats.Bet{Null: s.null.Scale(factor), Side: stats.Promotion}, stats.Pass().Shares
	// The rate is estimated from both arms together.
	o.theta = (o.truth.Stable*r.stable + o.truth.Canary*r.canary) / (r.stable + r.canary)
	return []process{o.walk(r.stable, r.canary)}
}

func (s share) value(size float64) float64 { return worse(s.rate, size) }
func (s share) hits() float64              { return variance(math.Max(s.rate, bestRate)) }

func (s share) say(size float64) string {
	what := "errors"
	if s.m.Kind == analysis.Outcome {
		what = "wrong"
	}
	return percent(s.value(size)) + " " + what + times(s.value(size), s.rate)
}

// times says how many times a baseline a rate is.
func times(now, base float64) string {
	if base <= 0 {
		return ""
	}
	return fmt.Sprintf(" (×%s)", number(now/base, 3))
}

// pairs judges disagreement of mirrored requests.
type pairs struct {
	m    analysis.Metric
	rate float64
}

// limit is one bet of pairs, which looks at a single arm.
type limit struct{ one stats.OneSample }

// Factors implements the bet of odds; the canary's count is all there is.
func (l limit) Factors(dst []float64, x stats.Block, _ float64) { l.one.Factors(dst, x.Canary) }

func (p pairs) walk(size, limitOf float64, side stats.Side, g stats.Grid, r rates) process {
	o := odds{
		bet:    limit{stats.OneSample{Limit: math.Max(limitOf, bestRate), Side: side, Odds: g.Odds}},
		shares: g.Shares, truth: stats.Rates{Canary: worse(p.rate, size)},
	}
	return o.walk(0, r.stable+r.canary)
}

func (p pairs) rollback(size float64, r rates) process {
	return p.walk(size, p.m.Tolerate*p.m.Max, stats.Rollback, stats.Effects(), r).staked(restartShare)
}

func (p pairs) promotion(size, factor float64, r rates) []process {
	return []process{p.walk(size, factor*p.m.Max, stats.Promotion, stats.Agreements(), r)}
}

func (p pairs) value(size float64) float64 { return worse(p.rate, size) }
func (p pairs) hits() float64              { return variance(math.Max(p.rate, bestRate)) }
func (p pairs) say(size float64) string    { return percent(p.value(size)) + " disagree" }
