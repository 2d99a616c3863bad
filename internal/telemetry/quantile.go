package telemetry

import "math"

// Quantile returns the value that a share q of a histogram's counts does not
// exceed, in the unit of its edges, for people to look at. Within a bin, values
// are taken as uniform in the logarithm, and in the value itself below the first
// edge. ok is false if there are no counts; a quantile beyond the last edge is
// given as that edge.
func Quantile(edges []float64, counts []int64, q float64) (value float64, ok bool) {
	var total int64
	for _, c := range counts {
		total += c
	}
	if total <= 0 || len(edges) == 0 || math.IsNaN(q) {
		return 0, false
	}
	rank, below := min(max(q, 0), 1)*float64(total), 0.0
	for i, hi := range edges {
		c := float64(counts[i])
		if c > 0 && below+c >= rank {
			part := max(rank-below, 0) / c
			if i == 0 {
				return hi * part, true
			}
			lo := edges[i-1]
			return lo * math.Pow(hi/lo, part), true
		}
		below += c
	}
	return edges[len(edges)-1], true
}
