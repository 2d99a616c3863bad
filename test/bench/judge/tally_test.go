package main

import (
	"math"
	"testing"
	"time"
)

// TestWilson compares with intervals printed by Newcombe (Statistics in Medicine
// 17, 1998, table I, method 3).
func TestWilson(t *testing.T) {
	for _, c := range []struct {
		hits, n   int
		low, high float64
	}{{81, 263, .2553, .3662}, {15, 148, .0624, .1605}, {0, 20, 0, .1611}, {1, 29, .0061, .1718}} {
		got := wilson(c.hits, c.n)
		near(t, "lower limit", got.low, c.low, 5e-5)
		near(t, "upper limit", got.high, c.high, 5e-5)
	}
}

// TestBound compares with the canary requests worked out for 5% of traffic at a
// level of 1%.
func TestBound(t *testing.T) {
	for _, c := range []struct{ base, effect, want float64 }{
		{.001, 1.5, 45097}, {.001, 2, 12715}, {.001, 5, 1252}, {.01, 2, 1256}, {.05, 2, 238},
	} {
		near(t, "bound", bound(c.base, c.base*c.effect, .05, .01), c.want, .5)
	}
}

// TestCompete counts by hand: rules that decide at a fixed time.
func TestCompete(t *testing.T) {
	at := func(d decision, after time.Duration) rule {
		return rule{"fixed", func(s *stream) outcome { return outcome{d, s.at(after)} }}
	}
	rules := []rule{at(rolledBack, 30*time.Minute), at(rolledBack, 10*time.Minute), at(promoted, 30*time.Minute), at(held, time.Hour)}
	w := starting(2)
	w.tick = 15 * time.Second
	res := compete(w, rules, 1, 40)
	type row struct{ early, caught, promoted, held int }
	for i, want := range []row{{0, 40, 0, 0}, {40, 0, 0, 0}, {0, 0, 40, 0}, {0, 0, 0, 40}} {
		got := res.tallies[i]
		if (row{got.early, got.caught, got.promoted, got.held()}) != want {
			t.Errorf("rule %d: %+v, want %+v", i, got, want)
		}
	}
	near(t, "median after the onset", res.tallies[0].median(), 10, 1e-9)
	if !math.IsNaN(res.tallies[3].median()) {
		t.Error("a median of nothing")
	}
	// Ten minutes at 5 canary requests a second, 1% of them made worse; after a
	// promotion at 30 minutes all of 100 a second for another 30.
	near(t, "served before a rollback", res.tallies[0].served, 30, 1)
	near(t, "served after a wrong promotion", res.tallies[2].served, 30+1800, 15)
	near(t, "served when nothing is decided", res.tallies[3].served, 120, 3)
	near(t, "requests", res.tallies[1].requests, 3000, 40)
}

func TestParallelKeepsOrder(t *testing.T) {
	for i, v := range parallel(100, func(i int) int { return i * i }) {
		if v != i*i {
			t.Fatalf("result %d is %d", i, v)
		}
	}
}
