package node

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestBackOffDoublesUpToItsLimit(t *testing.T) {
	b := backOff{base: time.Second}
	var got []int
	for range 8 {
		got = append(got, int(b.next(0)/time.Second))
	}
	if diff := cmp.Diff([]int{0, 1, 2, 4, 8, 16, 30, 30}, got); diff != "" {
		t.Errorf("waits in seconds (-want +got):\n%s", diff)
	}
	if wait := b.next(59 * time.Second); wait != 30*time.Second {
		t.Errorf("after a run of 59s it waits %s, want 30s", wait)
	}
	if wait := b.next(60 * time.Second); wait != 0 {
		t.Errorf("after a run of 60s it waits %s, want to begin anew", wait)
	}
}
