package main

import (
	"math"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
)

// TestFigures is the reduced form of the benchmark: every figure is measured with
// fewer rollouts, and one that is missed beyond the measurement's error fails. What
// is too rare to see in one cell of the grid shows in all of them together.
func TestFigures(t *testing.T) {
	cells := map[string]bool{}
	for _, f := range falseRollbacks() {
		cells[f.name] = true
	}
	ended, n := 0, 0
	for _, f := range figures() {
		t.Run(f.name, func(t *testing.T) {
			runs := f.reduced
			if testing.Short() {
				if f.judge.block == time.Second {
					t.Skip("blocks of a second take long")
				}
				runs = max(10, runs/15)
			}
			m := f.measure(1, runs)
			t.Log(m)
			if m.standing() == missed && !f.open {
				t.Errorf("missed: %v", m)
			}
			if cells[f.name] {
				ended, n = ended+m.ended, n+m.n
			}
		})
	}
	t.Logf("%d of %d healthy rollouts taken back in all cells", ended, n)
	if wilson(ended, n).low > .01 {
		t.Errorf("%d of %d healthy rollouts taken back in all cells, more than 1%%", ended, n)
	}
}

// certain is a canary half of whose requests fail, so that what is measured is
// known.
func certain(stop analysis.Decision) figure {
	c := cell{.01, 50, 100, .5, 15 * time.Second, time.Hour}
	return figure{workload: c.workload(), judge: judging(errorMetric(strict), 15*time.Second, stop), minimum: 750}
}

// TestMeasure: a canary whose failures cannot be overlooked is taken back in the
// block in which evidence is first admitted, never promoted.
func TestMeasure(t *testing.T) {
	f := certain(analysis.Fail)
	f.kind, f.limit = falsely, .01
	m := f.measure(1, 50)
	if m.value != 1 || m.ended != 50 || m.standing() != missed {
		t.Errorf("taken back for certain: %v", m)
	}
	f.kind, f.limit = median, 1
	m = f.measure(1, 50)
	if m.value != math.Trunc(4*m.value)/4 || m.low > m.value || m.high < m.value || m.value > 3 {
		t.Errorf("median: %v", m)
	}
	f.kind, f.limit = ratio, 1e9
	r := f.measure(1, 50)
	near(t, "blocks of 750 canary requests", r.value, 4*m.value, .4)
	if r.standing() != reached {
		t.Errorf("ratio: %v", r)
	}
	f = certain(analysis.Pass)
	f.kind, f.limit = falsely, .05
	if m := f.measure(1, 20); m.ended != 0 || m.standing() != reached {
		t.Errorf("promoted: %v", m)
	}
}

func TestStanding(t *testing.T) {
	for want, m := range map[standing]measured{
		reached: {value: .9, interval: interval{.8, 1.1}},
		within:  {value: 1.05, interval: interval{.9, 1.2}},
		missed:  {value: 1.3, interval: interval{1.1, 1.5}},
	} {
		m.limit = 1
		if got := m.standing(); got != want {
			t.Errorf("%v [%v, %v] against 1 is %q, want %q", m.value, m.low, m.high, got, want)
		}
	}
}
