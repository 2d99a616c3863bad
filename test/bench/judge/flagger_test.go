package main

import "testing"

// TestFlagger works its documented rule by hand: a success rate under 99% fails a
// check, and the fifth failed check rolls back, however far apart they are.
func TestFlagger(t *testing.T) {
	five := flagger{max: 1, threshold: 5}.rule("Flagger")
	wantOutcome(t, five, canaries(2, 2, 2, 2, 2, 0), rolledBack, 5)          // interval × threshold
	wantOutcome(t, five, canaries(2, 0, 2, 0, 2, 0, 2, 0, 2), rolledBack, 9) // success takes nothing back
	wantOutcome(t, five, canaries(2, 2, 2, 2, 0, 0), promoted, 6)
	wantOutcome(t, five, canaries(repeat(1, 30)...), promoted, 30) // 99% itself is accepted
	wantOutcome(t, five, canaries(0, -1, -1, -1, -1, -1), rolledBack, 6)
	ten := flagger{max: 1, threshold: 10}.rule("Flagger")
	wantOutcome(t, ten, canaries(repeat(2, 12)...), rolledBack, 10)
}
