package analysis

import (
	"math"
	"sort"
)

// histogram is the counts of one arm in the buckets that edges part: bucket i
// holds the values in (edges[i−1], edges[i]], the last those over the last edge.
type histogram struct {
	edges  []float64
	counts []float64
}

// total returns the number of values.
func (h histogram) total() float64 {
	sum := 0.0
	for _, c := range h.counts {
		sum += c
	}
	return sum
}

// over returns how many values exceed edge i.
func (h histogram) over(i int) float64 {
	sum := 0.0
	for _, c := range h.counts[i+1:] {
		sum += c
	}
	return sum
}

// exceeding returns how many values exceed x. Between two edges e1 < x ≤ e2 the
// count is interpolated on the logarithm of x, below the first edge on x itself:
// with h = ln(e2/x)/ln(e2/e1) it is k(e2) + h·(k(e1)−k(e2)). Beyond the last edge
// it is the count over that edge.
func (h histogram) exceeding(x float64) float64 {
	i := sort.SearchFloat64s(h.edges, x)
	if i == len(h.edges) {
		return h.over(i - 1)
	}
	return h.over(i) + h.part(i, x)*h.counts[i]
}

// part is the share of bucket i assumed to lie above x.
func (h histogram) part(i int, x float64) float64 {
	hi := h.edges[i]
	if i == 0 || h.edges[i-1] <= 0 {
		lo := 0.0
		if i > 0 {
			lo = h.edges[i-1]
		}
		return min(1, max(0, (hi-x)/(hi-lo)))
	}
	return math.Log(hi/x) / math.Log(hi/h.edges[i-1])
}

// quantile returns the value that a share q of the counts does not exceed, by the
// same interpolation; ok is false if it lies beyond the last edge.
func (h histogram) quantile(q float64) (value float64, ok bool) {
	total := h.total()
	if total <= 0 {
		return 0, false
	}
	rank, below := q*total, 0.0
	for i, hi := range h.edges {
		c := h.counts[i]
		if c > 0 && below+c >= rank {
			part := (rank - below) / c // of the bucket, from below
			if i == 0 {
				return hi * part, true
			}
			lo := h.edges[i-1]
			if lo <= 0 {
				return lo + (hi-lo)*part, true
			}
			return lo * math.Pow(hi/lo, part), true
		}
		below += c
	}
	return h.edges[len(h.edges)-1], false
}

// nearest returns the index of the edge closest to x by ratio.
func nearest(edges []float64, x float64) int {
	i := sort.SearchFloat64s(edges, x)
	if i == 0 {
		return 0
	}
	if i == len(edges) || x/edges[i-1] < edges[i]/x {
		return i - 1
	}
	return i
}
