package main

import (
	"testing"
	"time"
)

func TestStatic(t *testing.T) {
	r := static{limit: 2, checks: 3}.rule("static")
	wantOutcome(t, r, canaries(3, 2, 3, 2, 3), rolledBack, 5)
	wantOutcome(t, r, canaries(3, 2, 3, 2, 2), promoted, 5)
	wantOutcome(t, r, canaries(3, -1, 3, -1, 0), promoted, 5) // no requests, no check
}

// TestLimit: with a hundred runs, at most one may exceed the limit.
func TestLimit(t *testing.T) {
	var worst [][]float64
	for i := range 100 {
		worst = append(worst, []float64{float64(i), float64(i) / 2})
	}
	for checks, want := range map[int]float64{1: 98, 2: 49} {
		if got := limit(worst, checks); got != want {
			t.Errorf("limit for %d checks is %v, want %v", checks, got, want)
		}
	}
}

// TestOracleKeepsItsLevel: on rollouts it has not seen, the tuned rule takes back
// about 1% of healthy canaries, and catches a doubling.
func TestOracleKeepsItsLevel(t *testing.T) {
	const n = 300
	c := cell{.01, 1, 100, .05, 15 * time.Second, time.Hour}
	healthy := c.workload()
	c.effect = 2
	worse := c.workload()
	r := []rule{tune(worse, 5).rule("static")}
	if early := compete(healthy, r, 6, n).tallies[0].early; wilson(early, n).low > .015 {
		t.Errorf("%d of %d healthy rollouts taken back", early, n)
	}
	if caught := compete(worse, r, 6, n).tallies[0].caught; caught < n*95/100 {
		t.Errorf("%d of %d doublings caught", caught, n)
	}
}
