package main

import (
	"math"
	"testing"
	"time"
)

// minute is what a canary and its baseline counted in one minute.
type minute struct{ canary, stable [2]int64 } // requests that went well, and failed

// record is a stream of minutes, with stable as its own baseline.
func record(minutes ...minute) *stream {
	s := &stream{tick: time.Minute, stable: newSeries(2, len(minutes)), canary: newSeries(2, len(minutes))}
	for _, m := range minutes {
		s.weights = append(s.weights, .05)
		s.stable.push(m.stable[:])
		s.canary.push(m.canary[:])
	}
	s.baseline = s.stable
	return s
}

// canaries is a record of the canary's requests that failed out of a hundred, by
// minute; −1 is a minute without requests. Stable never fails.
func canaries(failed ...int64) *stream {
	var out []minute
	for _, k := range failed {
		m := minute{[2]int64{100 - k, k}, [2]int64{100, 0}}
		if k < 0 {
			m.canary = [2]int64{}
		}
		out = append(out, m)
	}
	return record(out...)
}

// repeat returns n times v.
func repeat(v int64, n int) []int64 {
	out := make([]int64, n)
	for i := range out {
		out[i] = v
	}
	return out
}

// wantOutcome fails unless a rule ends as told, at a minute.
func wantOutcome(t *testing.T, r rule, s *stream, want decision, minute int) {
	t.Helper()
	if got := r.decide(s); got != (outcome{want, minute}) {
		t.Errorf("%s: decision %d at minute %d, want %d at %d", r.name, got.decision, got.tick, want, minute)
	}
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}
