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
	at     model.Time // of the newest sample; never if there was none
	reading
}

// never is earlier than any sample.
const never = model.Time(math.MinInt64)

// reading is what one scrape told of a counter.
type reading struct {
	value  map[string]float64 // by bucket; "" for a plain counter
	native *exponential       // of a native histogram, value is then nil
}

func (r reading) none() bool { return r.value == nil && r.native == nil }

// gain is how much a series rose until some time.
type gain struct {
	labels model.Metric // without le
	le     string       // of a bucket, "" for a plain counter
	at     model.Time   // of the sample that showed it
	since  model.Time   // of the sample before, never for a series that began
	by     float64
	native *exponential // by how much a native histogram rose; le and by are then unused
}

// take reads samples, newer than those before, and returns what they add. Those
// up to from are only what later ones are compared with.
func (c *counters) take(streams model.Matrix, from model.Time) ([]gain, error) {
	if c.known == nil {
		c.known = map[model.Fingerprint]*counter{}
	}
	all, err := grouped(streams)
	if err != nil {
		return nil, err
	}
	var out []gain
	for _, h := range all {
		k, old := c.known[h.id]
		if !old {
			k = &counter{labels: h.labels, at: never}
			c.known[h.id] = k
		}
		for _, at := range h.times() {
			if at <= k.at {
				continue
			}
			now := h.samples[at]
			if at > from && (!k.none() || c.born) {
				out = append(out, k.rise(now, at)...)
			}
			k.at, k.reading = at, now
		}
	}
	c.born = c.born || len(c.known) > 0
	return out, nil
}

// rise is what a reading adds to the one before it. A counter that fell began
// anew, and with it all buckets of its histogram.
func (k *counter) rise(now reading, at model.Time) []gain {
	g := gain{labels: k.labels, at: at, since: k.at}
	if now.native != nil {
		if g.native = now.native.minus(k.native); g.native == nil {
			return nil
		}
		return []gain{g}
	}
	reset := false
	for le, v := range now.value {
		reset = reset || v < k.value[le]
	}
	var out []gain
	for le, v := range now.value {
		before := k.value[le]
		if reset {
			before = 0
		}
		if v > before {
			g.le, g.by = le, v-before
			out = append(out, g)
		}
	}
	return out
}

// histogram is the samples of one series, or of all buckets that differ by le
// alone.
type histogram struct {
	id      model.Fingerprint
	labels  model.Metric
	samples map[model.Time]reading
}

// times returns the times of the samples, ascending.
func (h *histogram) times() []model.Time {
	return sorted(maps.Keys(h.samples))
}

// grouped puts the buckets of each histogram together, in the order in which they
// were given.
func grouped(streams model.Matrix) ([]*histogram, error) {
	var out []*histogram
	index := map[model.Fingerprint]*histogram{}
	for _, s := range streams {
		le := string(s.Metric[model.BucketLabel])
		labels := s.Metric.Clone()
		delete(labels, model.BucketLabel)
		id := labels.Fingerprint()
		h, ok := index[id]
		if !ok {
			h = &histogram{id: id, labels: labels, samples: map[model.Time]reading{}}
			index[id] = h
			out = append(out, h)
		}
		for _, p := range s.Values {
			if v := float64(p.Value); !math.IsNaN(v) && !math.IsInf(v, 0) {
				if h.samples[p.Timestamp].value == nil {
					h.samples[p.Timestamp] = reading{value: map[string]float64{}}
				}
				h.samples[p.Timestamp].value[le] = v
			}
		}
		for _, p := range s.Histograms {
			n, err := native(p.Histogram)
			if err != nil {
				return nil, err
			}
			h.samples[p.Timestamp] = reading{native: n}
		}
	}
	return out, nil
}
