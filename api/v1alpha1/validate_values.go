package v1alpha1

import (
	"fmt"
	"regexp"
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

func (v *validator) mean(path string, m *Mean, a *Analysis) {
	v.of(path+".of", m.Of, "confidence", "value", "timeToFirstToken", "timePerToken", "feedback", "event", "conversion")
	v.bounds(path+".bounds", m.Bounds)
	if (m.Of == "confidence" || m.Of == "conversion") && !slices.Equal(m.Bounds, []float64{0, 1}) {
		v.add(path+".bounds", "of a %s are [0, 1]: leave them out", m.Of)
	}
	v.event(path, m, a)
	if (m.MaxDecrease == nil) == (m.MaxIncrease == nil) {
		v.add(path, "needs exactly one of maxDecrease (higher is better) and maxIncrease (lower is better)")
	}
	for name, p := range map[string]*float64{"maxDecrease": m.MaxDecrease, "maxIncrease": m.MaxIncrease} {
		if p != nil && *p <= 0 {
			v.add(path+"."+name, "leaves no margin: write above 0")
		}
	}
}

var eventName = regexp.MustCompile(`^[A-Za-z0-9]([-_.A-Za-z0-9]*[A-Za-z0-9])?$`)

// event checks what a mean of events has beside the others.
func (v *validator) event(path string, m *Mean, a *Analysis) {
	if m.Of != "event" && m.Of != "conversion" {
		for name, set := range map[string]bool{"event": m.Event != "", "maturity": m.Maturity != nil, "missing": m.Missing != ""} {
			if set {
				v.add(path+"."+name, "is of events: leave it out, or write of: event or of: conversion")
			}
		}
		return
	}
	if !eventName.MatchString(m.Event) || len(m.Event) > 63 {
		v.add(path+".event", "is %q: write the name of what happened, like checkout", m.Event)
	}
	if m.Of == "conversion" && m.Missing != "" {
		v.add(path+".missing", "is of events with values: a conversion that does not come is none; leave it out, or write of: event")
	}
	if m.Of == "event" {
		v.of(path+".missing", m.Missing, "zero", "unknown")
	}
	if m.Missing == "zero" && len(m.Bounds) == 2 && (m.Bounds[0] > 0 || m.Bounds[1] < 0) {
		v.add(path+".bounds", "leave out 0, which a prediction without the event counts as: widen them, or write missing: unknown")
	}
	if m.Maturity != nil && a.Warmup.Duration+m.Maturity.Duration >= a.MaxDuration.Duration {
		v.add(path+".maturity", "is %s: events would come after maxDuration (%s) has ended; lengthen that or shorten this", m.Maturity, a.MaxDuration)
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
			if m.Mean.Event != "" {
				of += " " + m.Mean.Event
			}
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
