package analysis

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// exponential counts values in an exponential histogram.
func exponential(schema int, values []float64) *Native {
	n := &Native{Schema: schema}
	index := func(v float64) int { return int(math.Ceil(math.Log2(v) * math.Exp2(float64(schema)))) }
	low, high := math.MaxInt, math.MinInt
	for _, v := range values {
		low, high = min(low, index(v)), max(high, index(v))
	}
	if len(values) == 0 {
		return n
	}
	n.Offset, n.Counts = low-1, make([]int64, high-low+1)
	for _, v := range values {
		n.Counts[index(v)-low]++
	}
	return n
}

// TestNativeBuckets: put into fixed edges, every value lies where counting it there
// at once would have put it.
func TestNativeBuckets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		to := rapid.IntRange(coarsestSchema, finestSchema).Draw(t, "to")
		from := rapid.IntRange(to, 8).Draw(t, "from")
		values := rapid.SliceOf(rapid.Float64Range(1e-6, 5000)).Draw(t, "values")
		edges := edgesOf(to)
		want := make([]int64, len(edges)+1)
		for _, v := range values {
			i, _ := slices.BinarySearch(edges, v)
			want[i]++
		}
		got := exponential(from, values).into(to)
		for i := range want {
			if got[i] == want[i] {
				continue
			}
			for _, v := range values { // on the very edge the logarithm may round either way
				if i < len(edges) && math.Abs(v/edges[i]-1) < 1e-9 {
					t.Skip("a value on an edge")
				}
			}
			t.Fatalf("bucket %d of schema %d holds %d of the values %v from schema %d, want %d", i, to, got[i], values, from, want[i])
		}
	})
}

func TestMergedBuckets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		to := rapid.IntRange(coarsestSchema, finestSchema).Draw(t, "to")
		from := rapid.IntRange(to, finestSchema).Draw(t, "from")
		values := rapid.SliceOf(rapid.Float64Range(1e-6, 5000)).Draw(t, "values")
		n := exponential(8, values)
		fine := make([]float64, 0)
		for _, c := range n.into(from) {
			fine = append(fine, float64(c))
		}
		got := merged(fine, from-to)
		for i, want := range n.into(to) {
			if got[i] != float64(want) {
				t.Fatalf("bucket %d: %v merged, %d at once", i, got[i], want)
			}
		}
		if len(got) != len(edgesOf(to))+1 {
			t.Fatalf("%d buckets for %d edges", len(got), len(edgesOf(to)))
		}
	})
}

// native draws lognormal latencies as an exponential histogram.
func native(schema int, median, sigma float64) drawer {
	return func(r *rand.Rand, n int64) Counts {
		values := make([]float64, n)
		for i := range values {
			values[i] = median * math.Exp(sigma*r.NormFloat64())
		}
		return Counts{Native: exponential(schema, values)}
	}
}

// TestNativeLatency: exponential histograms are judged as fixed edges are, and go
// on when the source coarsens one arm's buckets.
func TestNativeLatency(t *testing.T) {
	cfg := judged(Metric{Kind: Latency, Slower: []Slower{{Quantile: .5, Share: .1}, {Quantile: .99, Share: .25}}, Tolerate: .5})
	run := func(slow float64, coarse int64, stop Decision) (Verdict, State) {
		r := rng(4)
		var st State
		var v Verdict
		for i := range int64(hour) {
			schema := 5
			if i >= coarse {
				schema = 1
			}
			x := Measure{Stable: native(5, .05, .6)(r, 1425), Canary: native(schema, .05*slow, .6)(r, 75)}
			if i%9 == 4 {
				x.Canary = Counts{} // waits for the canary
			}
			if st, v = Step(cfg, st, at(i, x)); v.Decision == stop {
				break
			}
		}
		return v, st
	}
	if v, st := run(1, hour, Pass); v.Decision != Pass || *st.Metrics[0].Latency.Schema != finestSchema {
		t.Errorf("equal: %s: %s", v.Decision, v.Reason)
	}
	if v, _ := run(1.4, hour, Fail); v.Decision != Fail || !strings.HasPrefix(v.Reason, "canary p") {
		t.Errorf("40%% slower: %s: %s", v.Decision, v.Reason)
	}
	v, st := run(1.4, 6, Fail)
	if v.Decision != Fail || *st.Metrics[0].Latency.Schema != 1 || len(st.Metrics[0].Latency.Stable) != len(edgesOf(1))+1 {
		t.Errorf("coarsened: %s: %s", v.Decision, v.Reason)
	}
	asJSON(t, st)
}

func TestNativeIsChecked(t *testing.T) {
	lat := judged(Metric{Kind: Latency, Slower: []Slower{{Quantile: .5, Share: .1}}})
	good := Counts{Native: &Native{Schema: 3, Counts: []int64{5}}}
	for says, n := range map[string]*Native{
		"schema -4":          {Schema: -4},
		"counts below zero":  {Zero: -1},
		"bucket 1 counts -2": {Counts: []int64{0, -2}},
	} {
		if _, v := Step(lat, State{}, at(0, Measure{Stable: Counts{Native: n}, Canary: good})); v.Decision != Invalid || !strings.Contains(v.Reason, says) {
			t.Errorf("%s: %q, want %q", v.Decision, v.Reason, says)
		}
	}
	classic := Counts{Counts: []int64{1, 1}}
	st, _ := Step(lat, State{}, at(0, Measure{Edges: []float64{.1}, Stable: classic, Canary: classic}))
	if _, v := Step(lat, st, at(1, Measure{Stable: good, Canary: good})); v.Decision != Invalid {
		t.Errorf("fixed edges, then exponential ones: %s", v.Decision)
	}
}
