package replicas

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/haldane-dev/haldane/internal/traffic"
)

func TestPods(t *testing.T) {
	for _, c := range []struct {
		all     int32
		percent float64
		want    int32
		reaches bool
	}{
		{10, 10, 1, true}, {10, 5, 1, false}, {20, 5, 1, true}, {10, 25, 3, true}, {10, 50, 5, true}, {10, 99, 9, true},
		{2, 50, 1, true}, {3, 25, 1, false}, {1, 50, 1, false}, {1, 100, 1, true}, {1, 0, 1, true}, {200, 1, 2, true},
	} {
		w := traffic.Percent(c.percent)
		if got := reaches(c.all, w); got != c.reaches {
			t.Errorf("%d pods at %s: reaches %v, want %v", c.all, w, got, c.reaches)
		}
		if w == 0 || w == traffic.Full || c.all == 1 {
			continue
		}
		if got := pods(c.all, w); got != c.want {
			t.Errorf("%d pods at %s: %d, want %d", c.all, w, got, c.want)
		}
	}
}

// TestPodsAreTheNearest: no other number of pods is nearer to the weight, both
// arms keep one, and more weight is never fewer pods.
func TestPodsAreTheNearest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := int32(rapid.IntRange(2, 500).Draw(t, "all"))
		w := traffic.Weight(rapid.IntRange(1, int(traffic.Full)-1).Draw(t, "weight"))
		got := pods(all, w)
		if got < 1 || got > all-1 {
			t.Fatalf("%d of %d pods", got, all)
		}
		off := func(n int32) float64 {
			d := float64(n)/float64(all) - w.Share()
			return max(d, -d)
		}
		for _, n := range []int32{got - 1, got + 1} {
			if n >= 1 && n <= all-1 && off(n) < off(got)-1e-12 {
				t.Fatalf("%d of %d pods for %s: %d is nearer", got, all, w, n)
			}
		}
		if more := pods(all, w+1); more < got {
			t.Fatalf("%d pods at %s, %d at %s", got, w, more, w+1)
		}
	})
}
