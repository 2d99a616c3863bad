package plan

import (
	"fmt"
	"math"
	"sort"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/stats"
)

// latency judges how long answers take. A canary that is worse takes longer by
// the same factor for every request.
type latency struct {
	m     analysis.Metric
	h     histogram
	named []float64 // stable's value at each quantile
}

// slowest is the factor of a canary of size 1.
const slowest = 20

func newLatency(m analysis.Metric, h Habit) (latency, error) {
	l := latency{m: m, h: histogram{h.Edges, h.Counts}}
	for _, s := range m.Slower {
		v, ok := l.h.quantile(s.Quantile)
		if !ok {
			return l, fmt.Errorf("metric %s: its p%s lies beyond the last edge of %g s", m.Name, number(100*s.Quantile, 4), h.Edges[len(h.Edges)-1])
		}
		l.named = append(l.named, v)
	}
	return l, nil
}

func (l latency) slowdown(size float64) float64 { return math.Pow(slowest, size) }

// contrast returns what both arms exceed: the canary its edge, stable its point.
func (l latency) contrast(edge int, point, size float64) stats.Rates {
	n := l.h.total()
	return stats.Rates{
		Stable: l.h.exceeding(point) / n,
		Canary: l.h.exceeding(l.h.edges[edge]/l.slowdown(size)) / n,
	}
}

// allowed returns the canary's edge and stable's point if quantile i may be f
// times its margin longer, as analysis places them.
func (l latency) allowed(i int, f float64) (edge int, point float64) {
	s, named, edges := l.m.Slower[i], l.named[i], l.h.edges
	if s.By > 0 {
		by := f * s.By.Seconds()
		edge = nearest(edges, named+by)
		return edge, math.Max(edges[edge]-by, edges[0]/2)
	}
	edge = nearest(edges, named*(1+f*s.Share))
	return edge, edges[edge] / (1 + f*s.Share)
}

// slower returns the bet on quantile i if it may be f times its margin longer.
func (l latency) slower(i int, f, size float64, side stats.Side) odds {
	g := stats.Slowdowns()
	if side == stats.Promotion {
		g = stats.Faster()
	}
	edge, point := l.allowed(i, f)
	truth := l.contrast(edge, point, size)
	return odds{
		bet: stats.Bet{Null: stats.Equal, Side: side, Odds: g.Odds}, shares: g.Shares,
		theta: truth.Stable, truth: truth,
	}
}

// over is the limit i of a share over a fixed time, as a share of its own.
func (l latency) over(i int, size float64) (analysis.Metric, odds) {
	o := l.m.Over[i]
	edge := nearest(l.h.edges, o.Threshold.Seconds())
	truth := l.contrast(edge, l.h.edges[edge], size)
	return analysis.Metric{Tolerate: l.m.Tolerate, MaxIncrease: o.MaxIncrease}, odds{theta: truth.Stable, truth: truth}
}

func (l latency) rollback(size float64, r rates) process {
	var all []process
	for i := range l.m.Slower {
		all = append(all, l.slower(i, l.m.Tolerate, size, stats.Rollback).walk(r.stable, r.canary))
	}
	for i := range l.m.Over {
		m, o := l.over(i, size)
		g := stats.Effects()
		o.bet, o.shares = stats.Bet{Null: nullOf(m).Scale(m.Tolerate), Side: stats.Rollback, Odds: g.Odds}, g.Shares
		all = append(all, o.walk(r.stable, r.canary))
	}
	return average(all...).staked(restartShare)
}

func (l latency) promotion(size, factor float64, r rates) []process {
	var all []process
	for i := range l.m.Slower {
		all = append(all, l.slower(i, factor, size, stats.Promotion).walk(r.stable, r.canary))
	}
	for i := range l.m.Over {
		m, o := l.over(i, size)
		o.bet, o.shares = stats.Bet{Null: nullOf(m).Scale(factor), Side: stats.Promotion}, stats.Pass().Shares
		o.theta = (o.truth.Stable*r.stable + o.truth.Canary*r.canary) / (r.stable + r.canary)
		all = append(all, o.walk(r.stable, r.canary))
	}
	return all
}

func (l latency) value(size float64) float64 { return l.slowdown(size) - 1 }

func (l latency) say(size float64) string { return percent(l.value(size)) + " slower" }

// hits returns the variance at the rarest event compared.
func (l latency) hits() float64 {
	least := .25
	for _, s := range l.m.Slower {
		least = math.Min(least, variance(s.Quantile))
	}
	for i := range l.m.Over {
		_, o := l.over(i, 0)
		least = math.Min(least, variance(math.Max(o.truth.Stable, bestRate)))
	}
	return least
}

// histogram is counts between edges, read as analysis does.
type histogram struct{ edges, counts []float64 }

func (h histogram) total() float64 {
	sum := 0.0
	for _, c := range h.counts {
		sum += c
	}
	return sum
}

// exceeding returns how many values exceed x, interpolated on the logarithm of x,
// below the first edge on x itself; beyond the last edge all of its bucket do.
func (h histogram) exceeding(x float64) float64 {
	i := sort.SearchFloat64s(h.edges, x)
	sum := 0.0
	for _, c := range h.counts[min(i, len(h.edges)-1)+1:] {
		sum += c
	}
	switch {
	case i == len(h.edges):
		return sum
	case i == 0:
		return sum + h.counts[0]*math.Min(1, math.Max(0, 1-x/h.edges[0]))
	}
	return sum + h.counts[i]*math.Log(h.edges[i]/x)/math.Log(h.edges[i]/h.edges[i-1])
}

// quantile returns the value that a share q does not exceed; ok is false if it
// lies beyond the last edge.
func (h histogram) quantile(q float64) (value float64, ok bool) {
	rank, below := q*h.total(), 0.0
	for i, hi := range h.edges {
		if c := h.counts[i]; c > 0 && below+c >= rank {
			part := (rank - below) / c
			if i == 0 {
				return hi * part, true
			}
			return h.edges[i-1] * math.Pow(hi/h.edges[i-1], part), true
		}
		below += h.counts[i]
	}
	return 0, false
}

// nearest returns the index of the edge closest to x by ratio.
func nearest(edges []float64, x float64) int {
	i := sort.SearchFloat64s(edges, x)
	if i == 0 || i < len(edges) && x/edges[i-1] >= edges[i]/x {
		return min(i, len(edges)-1)
	}
	return i - 1
}
