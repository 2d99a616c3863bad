package plan

import (
	"math"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/stats"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// cohort is by how much the means of two arms may differ for who their users are,
// where users stay on their arm: a part of the margin that evidence has to make up
// for. Users are taken to differ by chance alone, so that it shrinks with the root
// of the number of values.
type cohort struct {
	perRoot  float64 // on [0,1], after a second, times the root of what chance makes of it
	freedom  float64
	before   float64 // seconds of values before the stage
	quantile [2]float64
}

// groups are those that users are counted by: one for each hundredth.
const groups = traffic.NumSlots

// cohortOf returns what analysis makes of the groups of users at a stage. All of
// them were served by stable before.
func (s *settings) cohortOf(m namedModel, at stage, r rates) cohort {
	w := at.weight
	canary := math.Max(1, math.Ceil(w*groups))
	freedom := groups - 1 + canary - 1
	sd := m.spread()
	scale := (r.stable + r.canary) * (1 - 1./groups)
	parted := make(stats.Groups, groups).Parted(w)
	l := stats.Lasting{Variance: 1, Freedom: freedom}
	a, b := s.plan.Analysis.FalseRollback/2, s.plan.Analysis.FalsePromotion/2
	return cohort{
		perRoot: math.Sqrt(sd * sd / scale), freedom: freedom, before: math.Max(at.begins, s.warmup),
		quantile: [2]float64{l.Most(a, parted), l.Most(b, parted)},
	}
}

// beyond is by how much stats.Differ takes groups to differ beyond chance, in
// variances of a value, where they do by chance alone and their sum of squares is z
// of its standard deviations off.
func beyond(freedom, z float64) float64 {
	q := math.Max(0, freedom+math.Sqrt(2*freedom)*z)
	return math.Max(0, q*(1+math.Sqrt(2/freedom))-freedom)
}

// off is the part of the margin at a moment of the stage, against a rollback or a
// promotion.
func (c cohort) off(seconds, z float64, promotion bool) float64 {
	q := c.quantile[0]
	if promotion {
		q = -c.quantile[1]
	}
	return q * c.perRoot * math.Sqrt(beyond(c.freedom, z)/(c.before+seconds))
}

// mixed is an order of the quantiles in which no part has only large or small ones.
var mixed = [len(quantiles)]int{5, 2, 8, 0, 6, 3, 9, 1, 7, 4}

// sticks reports whether a metric is judged by groups of users.
func (s *settings) sticks(m namedModel) bool {
	return s.plan.Analysis.Sticky && m.metric.Kind == analysis.Mean
}

// walks returns a process by the length of the stage so far: where users stay on
// their arm, its average over that time.
func (s *settings) walks(m namedModel, at stage, r rates, promotion bool, of func(model) process) func(seconds float64) process {
	a, ok := m.model.(mean)
	if !ok || !s.sticks(m) {
		p := of(m.model)
		return func(float64) process { return p }
	}
	c := s.cohortOf(m, at, r)
	return func(seconds float64) process {
		const n = float64(len(mixed))
		var sum process
		for k, z := range mixed {
			// ∫f(s)ds over the time so far with s = u²: it changes most early on.
			u := (float64(k) + .5) / n
			a.off = c.off(seconds*u*u, quantiles[z], promotion)
			sum = sum.plus(of(a), 2*u/n)
		}
		return sum
	}
}

// plus adds a process of the same bets with a weight.
func (p process) plus(o process, weight float64) process {
	if p.drift == nil {
		p = process{share: o.share, spread: o.spread, drift: make([]float64, len(o.drift)), slope: make([][2]float64, len(o.slope))}
	}
	for i := range p.drift {
		p.drift[i] += weight * o.drift[i]
		p.slope[i][0] += weight * o.slope[i][0]
		p.slope[i][1] += weight * o.slope[i][1]
	}
	return p
}

// level is the evidence that a metric has to reach: half of each error is set apart
// for who users are.
func (s *settings) level(m namedModel, bound float64) float64 {
	if s.sticks(m) {
		return bound + math.Ln2
	}
	return bound
}

// spread is the standard deviation of a value on [0,1].
func (m namedModel) spread() float64 {
	if a, ok := m.model.(mean); ok {
		return a.sd(a.h.Mean)
	}
	return math.Sqrt(m.hits())
}

// phase is a share of traffic from a moment on.
type phase struct{ begins, weight float64 }

// matured returns how many seconds of a stage's evidence there are after so many of
// it, when counts come late by a delay: until what it is made of comes back, there
// is that of the stages before, which had another share.
func (s *settings) matured(at stage, seconds, delay float64) float64 {
	if delay <= 0 {
		return seconds
	}
	out := math.Max(0, seconds-delay)
	now := at.weight * (1 - at.weight)
	// What comes back in the stage was predicted from begins−delay on.
	from, to := at.begins-delay, math.Min(at.begins+seconds-delay, at.begins)
	for i, p := range s.timeline {
		end := at.begins
		if i+1 < len(s.timeline) {
			end = math.Min(end, s.timeline[i+1].begins)
		}
		if part := math.Min(to, end) - math.Max(from, p.begins); part > 0 && p.begins < at.begins && now > 0 {
			out += part * p.weight * (1 - p.weight) / now
		}
	}
	return out
}

// carries notes from when on which share is in force.
func (s *settings) carries(step rollout.Step, begins float64) {
	if step.Pause == nil && step.Shadow == 0 {
		s.timeline = append(s.timeline, phase{begins, step.Weight.Share()})
	}
}
