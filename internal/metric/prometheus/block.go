package prometheus

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// block forms the counts of the stretch (start, end].
func (r *reader) block(start, end time.Time) (Block, error) {
	b := Block{Start: start, End: end, Metrics: map[string]analysis.Measure{}}
	until := model.TimeFromUnixNano(end.UnixNano())
	for _, s := range r.sources {
		var gains sides
		for _, a := range s.arms {
			gains[a.arm] = a.until(until)
		}
		if s.part == partAssigned {
			var err error
			if b.Assigned, err = assigned(gains, traffic.Canary); err != nil {
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
	for _, m := range r.metrics {
		if x, ok := complete(m, r.o.Series[m.Name], b.Metrics[m.Name]); ok {
			b.Metrics[m.Name] = x
		} else {
			delete(b.Metrics, m.Name)
		}
	}
	if len(b.Assigned) > 1 {
		b.Metrics = map[string]analysis.Measure{}
	}
	if n := len(b.Assigned); n > 0 {
		// Which of several came last is not known; the next block tells.
		r.weight = b.Assigned[n-1].Weight
	}
	b.Weight = r.weight
	return b, nil
}

// add puts what a part gained into a measure. The edges of histograms are those of
// the first block that has any.
func (s *source) add(x *analysis.Measure, gains sides) error {
	if s.part == partBuckets && s.layout.edges == nil && len(gains[traffic.Stable])+len(gains[traffic.Canary]) > 0 || s.layout.edges != nil {
		var known []*counter
		for _, a := range s.arms {
			known = slices.AppendSeq(known, maps.Values(a.counters.known))
		}
		if err := s.layout.fit(known, least(s.metric.Kind)); err != nil {
			return err
		}
	}
	return s.layout.add(x, s.part, gains)
}

// least is what the edges of a kind of metric are above.
func least(k analysis.Kind) float64 {
	if k == analysis.Latency {
		return 0
	}
	return math.Inf(-1)
}

// until takes the gains up to a time out of those waiting.
func (a *asked) until(at model.Time) []gain {
	n := 0
	for n < len(a.waiting) && a.waiting[n].at <= at {
		n++
	}
	out := a.waiting[:n]
	a.waiting = a.waiting[n:]
	return out
}

// assigned lists random decisions by the share of them that was to go to the
// treatment: that of both arms together, where others have the rest.
func assigned(of sides, treatment traffic.Arm) ([]analysis.Assignment, error) {
	shares := map[float64]*analysis.Assignment{}
	for arm, gains := range of {
		for _, g := range gains {
			w, ok, err := dividedAt(string(g.labels["weight"]), treatment)
			if err != nil {
				return nil, err
			}
			if !ok {
				continue
			}
			if shares[w] == nil {
				shares[w] = &analysis.Assignment{Weight: w}
			}
			if traffic.Arm(arm) == traffic.Canary {
				shares[w].Canary += round(g.by)
			} else {
				shares[w].Stable += round(g.by)
			}
		}
	}
	var out []analysis.Assignment
	for _, w := range sorted(maps.Keys(shares)) {
		out = append(out, *shares[w])
	}
	return out, nil
}

// dividedAt reads how requests were divided between stable and a treatment: a
// share, or who had each hundredth. ok is false if nothing was left to chance.
func dividedAt(label string, treatment traffic.Arm) (w float64, ok bool, err error) {
	if len(label) == traffic.NumSlots && strings.Trim(label, "01234567") == "" {
		own, stable := traffic.SlotShare(label, treatment), traffic.SlotShare(label, traffic.Stable)
		return float64(own) / float64(max(own+stable, 1)), own > 0 && stable > 0, nil
	}
	w, err = strconv.ParseFloat(label, 64)
	if err != nil || !(w >= 0 && w <= 1) {
		return 0, false, fmt.Errorf("the label weight of the random decisions is %q, want a share between 0 and 1", label)
	}
	return w, true, nil
}
