package analysis

import (
	"fmt"
	"math"
)

// Native is an exponential histogram, as Prometheus and OpenTelemetry have it:
// bucket i of Counts holds values in (b^(Offset+i), b^(Offset+i+1)] with
// b = 2^(2^−Schema), and Zero those too small to tell from none. Values are in
// seconds.
type Native struct {
	Schema int     `json:"schema"`
	Zero   int64   `json:"zero,omitempty"`
	Offset int     `json:"offset"`
	Counts []int64 `json:"counts"`
}

// Exponential histograms are judged by edges 2^(k/8) apart, 9%, or coarser ones if
// the source's are, from 15 µs to over an hour.
const (
	finestSchema   = 3
	coarsestSchema = -2
	lowestPower    = -16
	highestPower   = 12
)

// edgesOf returns the edges of a schema.
func edgesOf(schema int) []float64 {
	step := math.Exp2(-float64(schema))
	var edges []float64
	for i := 0; ; i++ {
		p := lowestPower + float64(i)*step
		if p > highestPower {
			return edges
		}
		edges = append(edges, math.Exp2(p))
	}
}

// into puts the buckets of n into those of a coarser or equal schema.
func (n *Native) into(schema int) []int64 {
	out := make([]int64, len(edgesOf(schema))+1)
	if n == nil {
		return out
	}
	out[0] += n.Zero
	first := math.Ldexp(lowestPower, schema) // index of the lowest edge, as a power of the base
	shift := n.Schema - schema
	for i, c := range n.Counts {
		// The bucket's upper edge is base^(Offset+i+1); in the coarser schema the
		// bucket that contains it ends at the next edge at or above.
		upper := ceilShift(n.Offset+i+1, shift)
		at := min(max(upper-int(first), 0), len(out)-1)
		out[at] += c
	}
	return out
}

// ceilShift returns ⌈x/2^by⌉.
func ceilShift(x, by int) int {
	d := 1 << by
	if x >= 0 {
		return (x + d - 1) / d
	}
	return -(-x / d)
}

// total returns how many values n holds.
func (n *Native) total() int64 {
	sum := n.Zero
	for _, c := range n.Counts {
		sum += c
	}
	return sum
}

// check reports why n is no histogram.
func (n *Native) check() string {
	if n == nil {
		return ""
	}
	if n.Schema < coarsestSchema || n.Schema > 20 {
		return fmt.Sprintf("an exponential histogram of schema %d, where %d is the coarsest that can be judged", n.Schema, coarsestSchema)
	}
	if n.Zero < 0 || len(n.Counts) > 1<<16 || n.Offset < -1<<24 || n.Offset > 1<<24 {
		return "an exponential histogram with counts below zero or buckets beyond reason"
	}
	for i, c := range n.Counts {
		if c < 0 {
			return fmt.Sprintf("bucket %d counts %d", i, c)
		}
	}
	return ""
}

// classic returns the measure with its exponential histograms put into fixed
// edges: of the coarser of both arms' schemas and that of before. Should a source
// coarsen its buckets in the middle, what is remembered is coarsened with them.
func (l *latencyState) classic(x Measure) (Measure, string) {
	b, c := x.Stable.Native, x.Canary.Native
	if b == nil && c == nil {
		return x, ""
	}
	for _, n := range []*Native{b, c} {
		if why := n.check(); why != "" {
			return x, why
		}
	}
	schema := finestSchema
	if l.Edges != nil {
		if l.Schema == nil {
			return x, "latency edges became an exponential histogram in the middle of the rollout"
		}
		schema = *l.Schema
	}
	for _, n := range []*Native{b, c} {
		if n != nil {
			schema = min(schema, n.Schema)
		}
	}
	if l.Schema == nil || schema < *l.Schema {
		l.coarsen(schema)
	}
	x.Edges = edgesOf(schema)
	x.Stable = Counts{Counts: b.into(schema)}
	x.Canary = Counts{Counts: c.into(schema)}
	return x, ""
}

// coarsen puts what is remembered into the buckets of a coarser schema. The edges
// looked at follow by themselves, being those nearest to where they belong.
func (l *latencyState) coarsen(schema int) {
	if l.Edges != nil {
		edges := edgesOf(schema)
		l.Stable, l.Canary = merged(l.Stable, *l.Schema-schema), merged(l.Canary, *l.Schema-schema)
		l.Edges = edges
		for i := range l.Slower {
			l.Slower[i].Tolerated = contrast{Spread: l.Slower[i].Tolerated.Spread.Fresh()}
			l.Slower[i].Within = contrast{Spread: l.Slower[i].Within.Spread.Fresh()}
		}
	}
	l.Schema = &schema
}

// merged adds up every 2^by buckets below an edge that stays.
func merged(counts []float64, by int) []float64 {
	last := len(counts) - 1 // beyond the last edge
	out := make([]float64, ceilShift(last-1, by)+2)
	for i, c := range counts[:last] {
		out[ceilShift(i, by)] += c
	}
	out[len(out)-1] = counts[last]
	return out
}
