package main

import (
	"testing"
	"time"
)

// TestZscore works an example by hand: 30 of 1000 against 10 of 1000; pooled 2%,
// standard error √(.02·.98·2/1000) = 0.006261, difference 2%.
func TestZscore(t *testing.T) {
	near(t, "z", zscore([]int64{990, 10}, []int64{970, 30}), .02/.0062610, 1e-3)
	near(t, "z without requests", zscore([]int64{0, 0}, []int64{970, 30}), 0, 0)
	near(t, "z without failures", zscore([]int64{10, 0}, []int64{10, 0}), 0, 0)
}

func TestZtestLooks(t *testing.T) {
	one := minute{[2]int64{97, 3}, [2]int64{99, 1}}
	var hour []minute
	for range 60 {
		hour = append(hour, one)
	}
	s := record(hour...)
	// z grows with √minutes by 1.0102: 1.645 is passed at the third, and 2.33, if
	// looked at once, at the end.
	wantOutcome(t, ztest{every: time.Minute, level: .05}.rule("z"), s, rolledBack, 3)
	wantOutcome(t, ztest{every: time.Hour, level: .01}.rule("z"), s, rolledBack, 60)
	wantOutcome(t, ztest{every: time.Minute, level: .05}.rule("z"), canaries(repeat(0, 9)...), promoted, 9)
}
