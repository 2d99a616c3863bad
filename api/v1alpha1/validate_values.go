package v1alpha1

import (
	"fmt"
	"slices"
)

// Values are clipped to the bounds of their metric and counted in bins between
// them, so a metric of values without bounds, or with two, cannot be measured.

func (v *validator) drift(path string, d *Drift) {
	v.of(path+".of", d.Of, "class", "confidence", "value")
	if d.Max <= 0 || d.Max >= 1 {
		v.add(path+".max", "is %s: write how far the shares may differ, like 0.05", trim(float64(d.Max)))
	}
	switch {
	case d.Of == "value":
		v.bounds(path+".bounds", d.Bounds)
	case d.Bounds != nil:
		v.add(path+".bounds", "are of values alone: leave them out, or write of: value")
	}
}

func (v *validator) mean(path string, m *Mean) {
	v.of(path+".of", m.Of, "confidence", "value", "timeToFirstToken", "timePerToken", "feedback")
	v.bounds(path+".bounds", m.Bounds)
	if m.Of == "confidence" && !slices.Equal(m.Bounds, []float64{0, 1}) {
		v.add(path+".bounds", "of a confidence are [0, 1]: leave them out")
	}
	if (m.MaxDecrease == nil) == (m.MaxIncrease == nil) {
		v.add(path, "needs exactly one of maxDecrease (higher is better) and maxIncrease (lower is better)")
	}
	for name, p := range map[string]*float64{"maxDecrease": m.MaxDecrease, "maxIncrease": m.MaxIncrease} {
		if p != nil && *p <= 0 {
			v.add(path+"."+name, "leaves no margin: write above 0")
		}
	}
}

func (v *validator) bounds(path string, b []float64) {
	if len(b) != 2 || b[0] >= b[1] {
		v.add(path, "must be the least and the greatest possible value, like [0, 1]: what lies outside is clipped")
	}
}

// ranges demands the same bounds of every metric of one number, which is
// counted once.
func (v *validator) ranges(path string, metrics []Metric) {
	first := map[string][]float64{}
	for i := range metrics {
		m, at := &metrics[i], fmt.Sprintf("%s[%d]", path, i)
		of, bounds := "", []float64(nil)
		switch {
		case m.Mean != nil:
			of, bounds, at = m.Mean.Of, m.Mean.Bounds, at+".mean.bounds"
		case m.Drift != nil && m.Drift.Of == "value":
			of, bounds, at = "value", m.Drift.Bounds, at+".drift.bounds"
		}
		if before, known := first[of]; known && !slices.Equal(before, bounds) {
			v.add(at, "are others than those of %s before (%s to %s): give every metric of %s the same",
				of, trim(before[0]), trim(before[1]), of)
		} else if len(bounds) == 2 {
			first[of] = bounds
		}
	}
}
