package analysis

import (
	"fmt"
	"math"
	"time"

	"github.com/haldane-dev/haldane/internal/stats"
)

// summary tells of the quantile or limit with the most evidence against it.
// Evidence for a rollback is the average over them, which is one e-process since
// they share a clock; a pass needs every one of them.
func (l *latencyState) summary(m Metric, v view) summary {
	n := len(l.Slower) + len(l.Over)
	if n == 0 {
		return summary{waiting: "the first latencies", effect: Effect{Unit: "seconds"}}
	}
	roll := math.Inf(-1)
	var out summary
	var all []float64
	promotion, speed := math.Inf(1), math.Inf(1)
	waiting := ""
	for i := range n {
		s := l.part(i, m, v)
		all = append(all, s.rollback)
		promotion, speed = math.Min(promotion, s.promotion), math.Min(speed, s.speed)
		if s.rollback > roll {
			roll, out = s.rollback, s
		}
		if waiting == "" {
			waiting = s.waiting
		}
	}
	out.rollback, out.promotion, out.speed, out.waiting = stats.LogMean(all...), promotion, speed, waiting
	return out
}

// part summarises the i-th of all quantiles and limits.
func (l *latencyState) part(i int, m Metric, v view) summary {
	if i < len(l.Slower) {
		return l.slower(i, slowdown{m.Slower[i], m.Tolerate}, v)
	}
	i -= len(l.Slower)
	o := m.Over[i]
	s := l.Over[i].shareSummary(o.share(m.Tolerate), v)
	edge := time.Duration(l.Edges[nearest(l.Edges, o.Threshold.Seconds())] * float64(time.Second))
	s.phrase = fmt.Sprintf("canary over %s %s against %s", brief(edge), percent(s.canary), percent(s.stable))
	return s
}

func (l *latencyState) slower(i int, q slowdown, v view) summary {
	s := &l.Slower[i]
	name := "p" + number(100*q.Quantile)
	hB, hC := histogram{l.Edges, l.Stable}, histogram{l.Edges, l.Canary}
	qB, okB := hB.quantile(q.Quantile)
	qC, okC := hC.quantile(q.Quantile)
	out := summary{
		rollback:  s.Rollback.logE(slowdowns, v.schedule),
		promotion: s.Promotion.logE(faster, stats.Once),
		stable:    qB,
		canary:    qC,
		effect:    Effect{Estimate: qC - qB, Unit: "seconds", Margin: q.longer(qB, 1) - qB},
		phrase:    "canary " + name + " " + scale(qC, okC) + " against " + scale(qB, okB),
		tolerated: bound{"up to ", q.longer(qB, q.tolerate), seconds},
		margin:    bound{"at most ", q.longer(qB, v.stage.factor()), seconds},
	}
	if hC.total() <= 0 {
		out.effect = Effect{Unit: "seconds"}
	}
	s.Range.put(&out.effect, s.Named, l.Edges[len(l.Edges)-1])
	switch {
	case s.Named <= 0 && hB.total()*min(q.Quantile, 1-q.Quantile) < tailToName:
		out.waiting = "enough stable requests to know its " + name
	case s.Named <= 0:
		out.waiting = fmt.Sprintf("a %s under the last latency edge of %s", name, seconds(l.Edges[len(l.Edges)-1]))
	default:
		edge, point := q.allowed(l.Edges, s.Named, v.stage.factor())
		out.speed = stats.Bet{Null: stats.Equal, Side: stats.Promotion, Odds: faster.Odds}.
			Growth(hB.equalCanary(edge, point), v.stable, v.canary)
		out.note = coarse(l.Edges, edge, point)
	}
	return out
}

// longer returns the quantile value with f times the margin added.
func (s Slower) longer(value, f float64) float64 {
	if s.By > 0 {
		return value + f*s.By.Seconds()
	}
	return value * (1 + f*s.Share)
}

// equalCanary returns the exceedances to expect if the canary's latencies are
// distributed as stable's.
func (h histogram) equalCanary(edge int, point float64) stats.Rates {
	n := h.total()
	return stats.Rates{Stable: h.exceeding(point) / n, Canary: h.over(edge) / n}
}

// coarse warns when the buckets around the comparison point leave the effective
// margin uncertain by more than half of itself.
func coarse(edges []float64, edge int, point float64) string {
	x := edges[edge]
	i := nearest(edges, point)
	if edges[i] < point {
		i++
	}
	if i == 0 || i >= len(edges) || edges[i] == point {
		return ""
	}
	want, low, high := x/point-1, x/edges[i]-1, x/edges[i-1]-1
	if want <= 0 || high <= 1.5*want && low >= .5*want {
		return ""
	}
	return fmt.Sprintf(" (the latency edges are coarse here: the margin tested is between %s and %s longer)",
		percent(max(0, low)), percent(high))
}

// scale writes a latency, marking one beyond the last edge.
func scale(s float64, ok bool) string {
	if !ok && s > 0 {
		return "over " + seconds(s)
	}
	return seconds(s)
}
