package prometheus

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/prometheus/common/model"

	"github.com/haldane-dev/haldane/internal/analysis"
)

// The schemas of native histograms; finest is also what one has of which no
// bucket is known yet.
const (
	finest   = 8
	coarsest = -4
)

// exponential is a native histogram: bucket i holds the values in
// (b^(i−1), b^i] with b = 2^(2^−schema).
type exponential struct {
	schema int
	zero   float64 // values of at most width, and below zero
	width  float64
	bucket map[int]float64
}

// errCustom means a native histogram whose buckets somebody chose.
var errCustom = errors.New("is a native histogram with buckets of its own choosing: let the server keep the classic one, which ends in _bucket, too")

// native reads a histogram as the query API tells it: the buckets that hold
// something, by their bounds. The schema follows from these.
func native(h *model.SampleHistogram) (*exponential, error) {
	out := &exponential{schema: finest, bucket: map[int]float64{}}
	known := false
	for _, b := range h.Buckets {
		lower, upper, n := float64(b.Lower), float64(b.Upper), float64(b.Count)
		if math.IsInf(lower, -1) {
			return nil, errCustom
		}
		if upper <= 0 || lower <= 0 { // latencies below zero are clocks at odds: none
			out.zero += n
			out.width = max(out.width, upper)
			continue
		}
		schema := out.schema
		if !known {
			schema = int(math.Round(-math.Log2(math.Log2(upper / lower))))
		}
		i, ok := index(upper, schema)
		if _, below := index(lower, schema); !ok || !below || schema < coarsest || schema > finest {
			return nil, errCustom
		}
		known, out.schema = true, schema
		out.bucket[i] += n
	}
	return out, nil
}

// index returns which bucket of a schema ends at a bound, and whether one does.
func index(bound float64, schema int) (int, bool) {
	x := math.Ldexp(math.Log2(bound), schema)
	i := math.Round(x)
	return int(i), math.Abs(x-i) < 1e-6*math.Max(1, math.Abs(x))
}

// upper is where a bucket ends.
func (e *exponential) upper(i int) float64 { return math.Exp2(math.Ldexp(float64(i), -e.schema)) }

// to is e with the buckets of a coarser schema, and with those that lie within
// a wider zero bucket in it.
func (e *exponential) to(schema int, width float64) *exponential {
	out := &exponential{schema: schema, zero: e.zero, width: max(width, e.width), bucket: make(map[int]float64, len(e.bucket))}
	for i, n := range e.bucket {
		// Bucket i of a schema lies in bucket ⌈i/2⌉ of the next coarser one.
		at := int(math.Ceil(math.Ldexp(float64(i), schema-e.schema)))
		if e.upper(i) <= out.width*(1+1e-9) {
			out.zero += n
			continue
		}
		out.bucket[at] += n
	}
	return out
}

// minus is what e adds to the histogram before, which may be nil: nil if it adds
// nothing. Where the buckets have become coarser in between, both are compared in
// the coarser ones.
func (e *exponential) minus(before *exponential) *exponential {
	if before == nil {
		before = &exponential{schema: e.schema}
	}
	schema, width := min(e.schema, before.schema), max(e.width, before.width)
	now, then := e.to(schema, width), before.to(schema, width)
	fell := now.zero < then.zero
	for i, n := range then.bucket {
		fell = fell || now.bucket[i] < n
	}
	if fell { // a new process
		return e.some()
	}
	now.zero -= then.zero
	for i, n := range then.bucket {
		if now.bucket[i] -= n; now.bucket[i] == 0 {
			delete(now.bucket, i)
		}
	}
	return now.some()
}

// some is e, nil if it holds nothing.
func (e *exponential) some() *exponential {
	if e.zero == 0 && len(e.bucket) == 0 {
		return nil
	}
	return e
}

// plus adds two histograms in the coarser buckets of the two; e may be nil.
func (e *exponential) plus(x *exponential) *exponential {
	if e == nil {
		return x
	}
	schema, width := min(e.schema, x.schema), max(e.width, x.width)
	out, more := e.to(schema, width), x.to(schema, width)
	out.zero += more.zero
	for i, n := range more.bucket {
		out.bucket[i] += n
	}
	return out
}

// seconds is e as the analysis reads it, its values being of a unit in seconds.
// Units other than seconds shift the buckets by the nearest whole number of them.
func (e *exponential) seconds(unit float64) (*analysis.Native, error) {
	out := &analysis.Native{Schema: e.schema, Zero: round(e.zero)}
	if len(e.bucket) == 0 {
		return out, nil
	}
	if unit != 1 {
		return nil, fmt.Errorf("is a native histogram of another unit than seconds: its buckets do not fit")
	}
	first, last := slices.Min(slices.Collect(maps.Keys(e.bucket))), slices.Max(slices.Collect(maps.Keys(e.bucket)))
	if last-first >= 1<<16 {
		return nil, fmt.Errorf("is a native histogram from %g to %g s: that is no latency", e.upper(first), e.upper(last))
	}
	out.Offset = first - 1 // bucket k of the analysis ends at b^(Offset+k+1)
	out.Counts = make([]int64, last-first+1)
	for i, n := range e.bucket {
		out.Counts[i-first] = round(n)
	}
	return out, nil
}
