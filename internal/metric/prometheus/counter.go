package prometheus

import (
	"maps"
	"math"

	"github.com/prometheus/common/model"
)

// counters turns the samples of the series that one selector finds into
// increments.
type counters struct {
	known map[model.Fingerprint]*counter
	born  bool // a series that appears from now on began then
}

// counter is one process's one series, or all buckets of one histogram.
type counter struct {
	labels model.Metric
	at     model.Time         // of the newest sample
	value  map[string]float64 // by bucket; "" for a plain counter
}

// gain is how much a series rose until some time.
type gain struct {
	labels model.Metric // without le
	le     string       // of a bucket, "" for a plain counter
	at     model.Time
	by     float64
}

// take reads samples, newer than those before, and returns what they add. Those
// up to from are only what later ones are compared with.
func (c *counters) take(streams model.Matrix, from model.Time) []gain {
	if c.known == nil {
		c.known = map[model.Fingerprint]*counter{}
	}
	var out []gain
	for _, h := range grouped(streams) {
		k, old := c.known[h.id]
		if !old {
			k = &counter{labels: h.labels, at: math.MinInt64}
			c.known[h.id] = k
		}
		for _, at := range h.times() {
			if at <= k.at {
				continue
			}
			now := h.samples[at]
			counts := at > from && (k.value != nil || c.born)
			reset := false
			for le, v := range now {
				reset = reset || v < k.value[le]
			}
			for le, v := range now {
				before := k.value[le]
				if reset {
					before = 0
				}
				if v > before && counts {
					out = append(out, gain{k.labels, le, at, v - before})
				}
			}
			k.at, k.value = at, now
		}
	}
	c.born = c.born || len(c.known) > 0
	return out
}

// histogram is the samples of one series, or of all buckets that differ by le
// alone.
type histogram struct {
	id      model.Fingerprint
	labels  model.Metric
	samples map[model.Time]map[string]float64
}

// times returns the times of the samples, ascending.
func (h *histogram) times() []model.Time {
	return sorted(maps.Keys(h.samples))
}

// grouped puts the buckets of each histogram together, in the order in which they
// were given.
func grouped(streams model.Matrix) []*histogram {
	var out []*histogram
	index := map[model.Fingerprint]*histogram{}
	for _, s := range streams {
		le := string(s.Metric["le"])
		labels := s.Metric.Clone()
		delete(labels, "le")
		id := labels.Fingerprint()
		h, ok := index[id]
		if !ok {
			h = &histogram{id: id, labels: labels, samples: map[model.Time]map[string]float64{}}
			index[id] = h
			out = append(out, h)
		}
		for _, p := range s.Values {
			if v := float64(p.Value); !math.IsNaN(v) && !math.IsInf(v, 0) {
				if h.samples[p.Timestamp] == nil {
					h.samples[p.Timestamp] = map[string]float64{}
				}
				h.samples[p.Timestamp][le] = v
			}
		}
	}
	return out
}
