package main

import (
	"math"
	"time"
)

// series is one arm's requests over time, by bin: for errors the requests that
// went well and those that failed, for latency one bin for each bucket.
type series struct {
	bins int
	sums []int64 // of all ticks before, bin by bin: (ticks+1)·bins numbers
}

func newSeries(bins, ticks int) series {
	return series{bins, make([]int64, bins, bins*(ticks+1))}
}

// push appends one tick's counts.
func (s *series) push(counts []int64) {
	last := s.sums[len(s.sums)-s.bins:]
	for i, n := range counts {
		s.sums = append(s.sums, last[i]+n)
	}
}

// between returns the counts of ticks from ≤ i < to.
func (s series) between(from, to int) []int64 {
	out := make([]int64, s.bins)
	for i := range out {
		out[i] = s.sums[to*s.bins+i] - s.sums[from*s.bins+i]
	}
	return out
}

// requests returns how many requests there were in ticks from ≤ i < to.
func (s series) requests(from, to int) int64 {
	n := int64(0)
	for i := range s.bins {
		n += s.sums[to*s.bins+i] - s.sums[from*s.bins+i]
	}
	return n
}

// ticks returns how many ticks there are.
func (s series) ticks() int {
	if s.bins == 0 {
		return 0
	}
	return len(s.sums)/s.bins - 1
}

// stream is what was counted in one rollout. A rule may look at nothing else.
type stream struct {
	tick     time.Duration
	weights  []float64 // of the canary, by tick
	edges    []float64 // of latency buckets in seconds; nil for errors
	stable   series    // all of stable, the baseline with it
	baseline series    // the part of stable that is as large as the canary
	canary   series
	history  series // stable's, before the first tick
}

func (s *stream) ticks() int { return len(s.weights) }

// at returns the first tick at or after d.
func (s *stream) at(d time.Duration) int {
	return min(int((d+s.tick-1)/s.tick), s.ticks())
}

// since returns the time at which a tick begins.
func (s *stream) since(tick int) time.Duration { return time.Duration(tick) * s.tick }

// value is what a dashboard would show of one arm over some ticks: the percentage
// of failed requests, or the p99 of latency in milliseconds. Without requests it is
// NaN.
func (s *stream) value(arm series, from, to int) float64 {
	counts := arm.between(from, to)
	if s.edges != nil {
		return 1000 * quantile(s.edges, counts, .99)
	}
	n := counts[0] + counts[1]
	if n == 0 {
		return math.NaN()
	}
	return 100 * float64(counts[1]) / float64(n)
}

// quantile interpolates linearly in the bucket that holds the quantile, as
// Prometheus's histogram_quantile does for classic buckets. The last bucket, which
// has no upper edge, counts as its lower edge.
func quantile(edges []float64, counts []int64, q float64) float64 {
	total := int64(0)
	for _, n := range counts {
		total += n
	}
	if total == 0 {
		return math.NaN()
	}
	rank := q * float64(total)
	below := 0.0
	for i, edge := range edges {
		n := float64(counts[i])
		if below+n >= rank && n > 0 {
			low := 0.0
			if i > 0 {
				low = edges[i-1]
			}
			return low + (edge-low)*(rank-below)/n
		}
		below += n
	}
	return edges[len(edges)-1]
}

// spans cuts the stream after delay into windows of the given length and returns
// their ends; an unfinished one is left out.
func (s *stream) spans(delay, length time.Duration) (ends []int) {
	for d := delay + length; d <= s.since(s.ticks()); d += length {
		ends = append(ends, s.at(d))
	}
	return ends
}

// values returns one arm's value for each window of the given length between two
// ticks, leaving out those without requests.
func (s *stream) values(arm series, from, to int, length time.Duration) (out []float64) {
	step := s.at(length)
	for i := from; i+step <= to; i += step {
		if v := s.value(arm, i, i+step); !math.IsNaN(v) {
			out = append(out, v)
		}
	}
	return out
}
