package main

import (
	"math"
	"testing"
	"time"
)

// TestStaying: groups have the failures of their users, on one arm only, and the
// past is of the same users.
func TestStaying(t *testing.T) {
	w := staying(50, true, 24*time.Hour, 2).each(random(1, "users", 0))
	s := w.draw(random(1, "users", 1))
	m := byGroup(s.stable.between(0, s.ticks()), s.canary.between(0, s.ticks()))
	var n, k, expected float64
	for g := range groups {
		here, there := m.Canary.Groups[g], m.Stable.Groups[g]
		if g >= taken {
			here, there = there, here
		}
		if here.N == 0 || there.N != 0 {
			t.Fatalf("group %d: %d requests on its arm and %d on the other", g, here.N, there.N)
		}
		before := w.before[g]
		near(t, "requests of a group", float64(here.N), float64(before.N)/24, 5*math.Sqrt(float64(here.N)))
		if g < taken {
			n, k = n+float64(here.N), k+float64(here.K)
			expected += 2 * float64(before.K) / float64(before.N) * float64(here.N)
		}
	}
	near(t, "the canary's requests", n, .05*360000, .25*.05*360000) // users are uneven
	near(t, "the canary's failures, twice the past's", k, expected, 5*math.Sqrt(expected)+.05*expected)
	if int64(n) != m.Canary.N || int64(k) != m.Canary.K {
		t.Errorf("groups sum to %v and %v, the arm has %d and %d", n, k, m.Canary.N, m.Canary.K)
	}
}

// TestPopulate: users' shares of failures have the mean and the variance of their
// Beta distribution, p(1−p)/(a+b+1) over 20 users to a group.
func TestPopulate(t *testing.T) {
	var sum, squares, shares float64
	const runs = 50
	for i := range runs {
		share, rate := populate(random(1, "users", i), 10, false)
		for g := range groups {
			shares += share[g]
			sum += rate[g]
			squares += rate[g] * rate[g]
		}
	}
	near(t, "sum of shares", shares/runs, 1, 1e-9)
	center := sum / (runs * groups)
	near(t, "mean", center, .01, .0006)
	near(t, "variance", squares/(runs*groups)-center*center, .01*.99/11/20, .000008)
}
