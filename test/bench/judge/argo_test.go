package main

import (
	"testing"
	"time"
)

// TestArgo works its documented rule by hand.
func TestArgo(t *testing.T) {
	run := func(a argo) rule { return a.rule("Argo") }
	each := argo{interval: time.Minute, min: .95}
	// failureLimit 0 tolerates none; 95% itself is a success.
	wantOutcome(t, run(each), canaries(5, 5, 6, 0), rolledBack, 3)
	wantOutcome(t, run(each), canaries(5, 5, 5, 0), promoted, 4)
	// failureLimit 3 tolerates three, in succession or not.
	each.failureLimit = 3
	wantOutcome(t, run(each), canaries(9, 0, 9, 0, 9, 0), promoted, 6)
	wantOutcome(t, run(each), canaries(9, 0, 9, 0, 9, 0, 9), rolledBack, 7)
	// A count ends it successfully.
	each.count = 5
	wantOutcome(t, run(each), canaries(0, 0, 9, 0, 0, 99, 99, 99), promoted, 5)
	// Five minutes are measured together: 20 of 500 failed.
	five := argo{interval: 5 * time.Minute, min: .95}
	wantOutcome(t, run(five), canaries(20, 0, 0, 0, 0, 0), promoted, 6)
	wantOutcome(t, run(five), canaries(30, 0, 0, 0, 0, 0), rolledBack, 5)
	// An initialDelay leaves the first minutes out.
	five.delay = time.Minute
	wantOutcome(t, run(five), canaries(99, 0, 0, 0, 0, 0), promoted, 6)
}

// TestArgoWithoutData: no series is an error, and five in succession are one too
// many for a consecutiveErrorLimit of 4; no requests after some are NaN, a failure.
func TestArgoWithoutData(t *testing.T) {
	each := argo{interval: time.Minute, min: .95}.rule("Argo")
	// Errors at 60, 70, 80, 90 and 100 s: the fifth falls in the second minute.
	wantOutcome(t, each, canaries(-1, -1, -1, 0), rolledBack, 2)
	// With a request in the second minute, the measurement at 70 s succeeds.
	wantOutcome(t, each, canaries(-1, 0, 0, 0), promoted, 4)
	wantOutcome(t, each, canaries(0, -1, 0, 0), rolledBack, 2)
}
