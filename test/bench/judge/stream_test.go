package main

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSeries(t *testing.T) {
	s := newSeries(2, 3)
	for _, c := range [][]int64{{1, 0}, {2, 1}, {4, 3}} {
		s.push(c)
	}
	if diff := cmp.Diff([]int64{6, 4}, s.between(1, 3)); diff != "" {
		t.Error(diff)
	}
	if got := s.requests(0, 2); got != 4 {
		t.Errorf("%d requests in the first two ticks, want 4", got)
	}
}

func TestQuantile(t *testing.T) {
	edges := []float64{1, 2, 4}
	for _, c := range []struct {
		counts  []int64
		q, want float64
	}{
		{[]int64{10, 0, 0, 0}, .5, .5},
		{[]int64{5, 5, 0, 0}, .75, 1.5},
		{[]int64{0, 0, 10, 0}, .25, 2.5},
		{[]int64{0, 0, 0, 7}, .5, 4}, // beyond the last edge
		{[]int64{0, 0, 0, 0}, .5, math.NaN()},
	} {
		got := quantile(edges, c.counts, c.q)
		if got != c.want && !(math.IsNaN(got) && math.IsNaN(c.want)) {
			t.Errorf("quantile %v of %v is %v, want %v", c.q, c.counts, got, c.want)
		}
	}
}

func TestSpans(t *testing.T) {
	s := canaries(repeat(0, 10)...)
	if diff := cmp.Diff([]int{4, 7, 10}, s.spans(time.Minute, 3*time.Minute)); diff != "" {
		t.Error(diff)
	}
	if got := s.spans(0, time.Hour); got != nil {
		t.Errorf("spans longer than the record: %v", got)
	}
}

func TestValues(t *testing.T) {
	s := canaries(0, -1, 50)
	if diff := cmp.Diff([]float64{0, 50}, s.values(s.canary, 0, 3, time.Minute)); diff != "" {
		t.Error(diff)
	}
}
