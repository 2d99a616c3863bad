package webtest

import (
	"fmt"
	"math"

	"github.com/haldane-dev/haldane/internal/analysis"
)

// ratio is log evidence from two-arm Bernoulli counts, mixed over odds.
type ratio struct {
	odds []float64 // of an alternative against the boundary
	logs []float64
	ks   float64 // stable's past
	ns   float64
}

func newRatio(odds ...float64) *ratio {
	return &ratio{odds: odds, logs: make([]float64, len(odds))}
}

// add takes one block: counts of both arms and the boundary as a function of
// stable's rate.
func (r *ratio) add(c, b count, boundary func(float64) float64) {
	theta := (r.ks + b.k + 0.5) / (r.ns + b.n + 2)
	edge := clamp(boundary(theta), 1e-4, 1-1e-4)
	for i, odds := range r.odds {
		alt := odds * edge / (1 - edge + odds*edge)
		r.logs[i] += c.k*math.Log(alt/edge) + (c.n-c.k)*math.Log((1-alt)/(1-edge))
	}
	r.ks, r.ns = r.ks+b.k, r.ns+b.n
}

// value is the logarithm of the mean over the odds.
func (r *ratio) value() float64 {
	top := math.Inf(-1)
	for _, l := range r.logs {
		top = math.Max(top, l)
	}
	sum := 0.0
	for _, l := range r.logs {
		sum += math.Exp(l - top)
	}
	return top + math.Log(sum/float64(len(r.logs)))
}

// restart forgets the evidence and keeps stable's past.
func (r *ratio) restart() { clear(r.logs) }

type count struct{ n, k float64 }

func (c count) rate() float64 { return c.k / math.Max(c.n, 1) }

func clamp(x, low, high float64) float64 { return math.Min(math.Max(x, low), high) }

// judge is one metric of a scenario with its two tests.
type judge struct {
	name              string
	kind              analysis.Kind
	unit              string
	weight            float64                              // share of α
	boundary          func(stable, factor float64) float64 // at the margin times factor
	rollback, promote *ratio
	stable, canary    count   // so far
	marginValue       float64 // as shown
	scale, offset     float64 // from a share to what is shown
	decided           analysis.Decision
}

const (
	alpha = 0.01
	beta  = 0.05
)

// step takes one block, at a step with this margin factor, and returns the verdict on the metric.
func (j *judge) step(b, c count, factor float64) analysis.MetricVerdict {
	const tolerated = 0.5 // of the margin
	j.rollback.add(c, b, func(x float64) float64 { return j.boundary(x, tolerated) })
	j.promote.add(c, b, func(x float64) float64 { return j.boundary(x, factor) })
	j.stable, j.canary = count{j.stable.n + b.n, j.stable.k + b.k}, count{j.canary.n + c.n, j.canary.k + c.k}
	v := analysis.MetricVerdict{
		Name: j.name, Kind: j.kind,
		LogRollback: j.rollback.value(), RollbackThreshold: math.Log(1 / (j.weight * alpha)),
		LogPromotion: j.promote.value(), PromotionThreshold: math.Log(1 / beta),
		StableN: int64(j.stable.n), CanaryN: int64(j.canary.n),
		Stable: j.shown(j.stable.rate()), Canary: j.shown(j.canary.rate()),
	}
	s := math.Sqrt(spread(j.stable) + spread(j.canary))
	d := (j.canary.rate() - j.stable.rate()) * j.scale
	half := 3.1 * s * math.Abs(j.scale)
	v.Effect = analysis.Effect{Estimate: d, Low: d - half, High: d + half, Unit: j.unit, Always: true, Margin: j.marginValue}
	j.decide(&v)
	return v
}

func spread(c count) float64 {
	p := (c.k + 0.5) / (c.n + 1)
	return p * (1 - p) / math.Max(c.n, 1)
}

func (j *judge) shown(share float64) float64 { return j.offset + j.scale*share }

func (j *judge) decide(v *analysis.MetricVerdict) {
	switch {
	case j.decided == analysis.Fail || v.LogRollback >= v.RollbackThreshold:
		j.decided = analysis.Fail
		v.Reason = j.phrase(v) + "; worse than tolerated, " + j.show(v.Stable, 0.5*v.Effect.Margin)
	case v.LogPromotion >= v.PromotionThreshold:
		j.decided = analysis.Pass
		v.Reason = j.phrase(v) + "; shown to be within the margin of this step"
	default:
		j.decided = analysis.Inconclusive
		v.Reason = j.phrase(v) + "; not yet shown to be within " + j.show(v.Stable, v.Effect.Margin)
	}
	v.Decision = j.decided
}

// phrase compares the arms in words.
func (j *judge) phrase(v *analysis.MetricVerdict) string {
	return fmt.Sprintf("canary %s %s against %s, after %d canary requests",
		j.name, j.show(v.Canary, 0), j.show(v.Stable, 0), v.CanaryN)
}

// show writes a value plus an offset in the metric's unit.
func (j *judge) show(x, plus float64) string {
	switch j.unit {
	case "share":
		return fmt.Sprintf("%.2f%%", 100*(x+plus))
	case "seconds":
		return fmt.Sprintf("%.2f ms", 1e3*(x+plus))
	}
	return fmt.Sprintf("%.3f", x+plus)
}
