package telemetry

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestQuantile(t *testing.T) {
	edges := []float64{1, 2, 4}
	for name, tt := range map[string]struct {
		counts []int64
		q      float64
		want   float64
		ok     bool
	}{
		"nothing":         {[]int64{0, 0, 0, 0}, 0.5, 0, false},
		"not a number":    {[]int64{1, 0, 0, 0}, math.NaN(), 0, false},
		"below the first": {[]int64{4, 0, 0, 0}, 0.5, 0.5, true},
		"middle of a bin": {[]int64{0, 2, 0, 0}, 0.5, math.Sqrt2, true},
		"end of a bin":    {[]int64{1, 1, 0, 0}, 0.5, 1, true},
		"over empty bins": {[]int64{1, 0, 1, 0}, 0.75, 2 * math.Sqrt2, true},
		"the least":       {[]int64{0, 0, 3, 0}, 0, 2, true},
		"the most":        {[]int64{0, 3, 0, 0}, 1, 2, true},
		"beyond the last": {[]int64{1, 0, 0, 9}, 0.5, 4, true},
		"q above one":     {[]int64{0, 3, 0, 0}, 7, 2, true},
	} {
		got, ok := Quantile(edges, tt.counts, tt.q)
		if ok != tt.ok || math.Abs(got-tt.want) > 1e-12 {
			t.Errorf("%s: %v, %v; want %v, %v", name, got, ok, tt.want, tt.ok)
		}
	}
}

// TestQuantileIsClose: no more than 4.4% off anywhere in range.
func TestQuantileIsClose(t *testing.T) {
	edges := New(Options{}).Snapshot().Edges
	rapid.Check(t, func(t *rapid.T) {
		x := math.Exp(rapid.Float64Range(math.Log(edges[0]), math.Log(edges[len(edges)-1])).Draw(t, "log"))
		counts := make([]int64, len(edges)+1)
		for i, e := range edges {
			if x <= e {
				counts[i] = rapid.Int64Range(1, 1e9).Draw(t, "n")
				break
			}
		}
		q := rapid.Float64Range(0, 1).Draw(t, "q")
		got, ok := Quantile(edges, counts, q)
		if !ok || math.Abs(math.Log(got/x)) > math.Ln2/16+1e-6 {
			t.Fatalf("all values are %v; quantile %v is %v, %v", x, q, got, ok)
		}
	})
}
