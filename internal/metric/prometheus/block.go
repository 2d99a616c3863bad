package prometheus

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/common/model"

	"github.com/haldane-dev/haldane/internal/analysis"
)

// block forms the counts of the stretch (start, end].
func (r *reader) block(start, end time.Time) (Block, error) {
	b := Block{Start: start, End: end, Metrics: map[string]analysis.Measure{}}
	until := model.TimeFromUnixNano(end.UnixNano())
	shares := map[float64]*analysis.Assignment{}
	for _, s := range r.sources {
		gains := s.until(until)
		if s.part == "assigned" {
			if err := assigned(shares, s.arm, gains); err != nil {
				return b, err
			}
			continue
		}
		x := b.Metrics[s.metric.Name]
		if err := s.add(&x, gains); err != nil {
			return b, fmt.Errorf("metric %s: %w", s.metric.Name, err)
		}
		b.Metrics[s.metric.Name] = x
	}
	for _, s := range r.sources {
		x, name := b.Metrics[s.metric.Name], s.metric.Name
		switch {
		case s.part == "buckets" && len(x.Edges) == 0, s.part == "classes" && len(x.Bins) == 0:
			delete(b.Metrics, name) // no arm was ever seen
		case s.part != "assigned":
			b.Metrics[name] = sane(x)
		}
	}
	for _, w := range sorted(maps.Keys(shares)) {
		b.Assigned = append(b.Assigned, *shares[w])
	}
	if len(shares) > 1 {
		b.Metrics = map[string]analysis.Measure{}
	}
	if n := len(b.Assigned); n > 0 {
		// Which of several came last is not known; the next block tells.
		r.weight = b.Assigned[n-1].Weight
	}
	b.Weight = r.weight
	return b, nil
}

// until takes the gains up to a time out of those waiting.
func (s *source) until(at model.Time) []gain {
	n := 0
	for n < len(s.waiting) && s.waiting[n].at <= at {
		n++
	}
	out := s.waiting[:n]
	s.waiting = s.waiting[n:]
	return out
}

// assigned adds random decisions by the weight they were made at.
func assigned(shares map[float64]*analysis.Assignment, arm string, gains []gain) error {
	for _, g := range gains {
		w, err := strconv.ParseFloat(string(g.labels["weight"]), 64)
		if err != nil || !(w >= 0 && w <= 1) {
			return fmt.Errorf("the label weight of the random decisions is %q, want a share between 0 and 1", g.labels["weight"])
		}
		if shares[w] == nil {
			shares[w] = &analysis.Assignment{Weight: w}
		}
		if arm == "canary" {
			shares[w].Canary += round(g.by)
		} else {
			shares[w].Stable += round(g.by)
		}
	}
	return nil
}

func round(v float64) int64 { return int64(math.Round(v)) }

// add puts the gains of one part into a measure.
func (s *source) add(x *analysis.Measure, gains []gain) error {
	c := &x.Stable
	if s.arm == "canary" {
		c = &x.Canary
	}
	switch s.part {
	case "buckets":
		return s.buckets(x, c, gains)
	case "classes":
		s.classes(x, c, gains)
		return nil
	}
	sum := 0.0
	for _, g := range gains {
		sum += g.by
	}
	switch s.part {
	case "total":
		c.N = round(sum)
	case "bad":
		c.K = round(sum)
	case "sum":
		c.Sum = sum
	case "squares":
		c.SumSq = sum
	case "pairs":
		x.Pairs = round(sum)
	case "disagree":
		x.Disagree = round(sum)
	}
	return nil
}

// buckets turns cumulative buckets into counts between edges. The edges are those
// of the first block that has any.
func (s *source) buckets(x *analysis.Measure, c *analysis.Counts, gains []gain) error {
	up := map[float64]float64{} // by upper edge
	for _, g := range gains {
		le, err := strconv.ParseFloat(g.le, 64)
		if err != nil {
			return fmt.Errorf("a bucket of %s has the edge %q, which is no number", s.selector, g.le)
		}
		up[le*s.layout.unit] += g.by
	}
	if s.layout.edges == nil && len(up) > 0 {
		s.layout.edges = s.allEdges()
	}
	x.Edges = s.layout.edges
	if len(up) == 0 {
		return nil
	}
	c.Counts = make([]int64, len(x.Edges)+1)
	below := 0.0
	for i, e := range append(slices.Clone(x.Edges), math.Inf(1)) {
		c.Counts[i] = round(max(0, up[e]-below))
		below = max(below, up[e])
		delete(up, e)
	}
	for e := range up {
		if e > 0 {
			return fmt.Errorf("%s has a bucket up to %g s that it did not have before: the edges must stay the same", s.selector, e)
		}
	}
	return nil
}

// allEdges lists the finite positive edges of every series seen so far.
func (s *source) allEdges() []float64 {
	all := map[float64]bool{}
	for _, k := range s.counters.known {
		for le := range k.value {
			if v, err := strconv.ParseFloat(le, 64); err == nil && v > 0 && !math.IsInf(v, 0) {
				all[v*s.layout.unit] = true
			}
		}
	}
	return sorted(maps.Keys(all))
}

// classes counts by the label class, in the order of first appearance.
func (s *source) classes(x *analysis.Measure, c *analysis.Counts, gains []gain) {
	up := map[string]float64{}
	for _, g := range gains {
		up[string(g.labels["class"])] += g.by
	}
	for _, name := range sorted(maps.Keys(up)) {
		if !slices.Contains(s.layout.bins, name) {
			s.layout.bins = append(s.layout.bins, name)
		}
	}
	x.Bins = slices.Clone(s.layout.bins)
	if len(up) == 0 {
		return
	}
	c.Counts = make([]int64, len(x.Bins))
	for i, name := range x.Bins {
		c.Counts[i] = round(up[name])
	}
}

// sane keeps hits within trials: a request counted in one scrape may be known to
// have failed in the next.
func sane(x analysis.Measure) analysis.Measure {
	x.Stable.K, x.Canary.K = min(x.Stable.K, x.Stable.N), min(x.Canary.K, x.Canary.N)
	x.Disagree = min(x.Disagree, x.Pairs)
	return x
}
