package experiment

import (
	"math"
	"sort"
	"strings"
	"time"

	"github.com/haldane-dev/haldane/internal/traffic"
)

// digit is how slots name an arm.
func digit(arm int) string { return string(rune('0' + arm)) }

// Slots returns who has each hundredth at the beginning: the treatments first,
// in their order, then the control, so that what the control gets from a
// treatment is not next to what others have.
func (c Config) Slots() string {
	var b strings.Builder
	for arm := 1; arm < len(c.Arms); arm++ {
		b.WriteString(strings.Repeat(digit(arm), c.Arms[arm].Weight))
	}
	b.WriteString(strings.Repeat(digit(0), max(0, traffic.NumSlots-b.Len())))
	return b.String()
}

// allocate lets the weights follow the evidence, if they are to and it is time.
func (s *State) allocate(c Config, now time.Time) {
	if !c.Thompson || !s.safe() || !s.due(c, now) {
		return
	}
	s.Allocated = now
	var open []int
	var known []posterior
	for arm := range s.Arms {
		if s.Open(arm) {
			open = append(open, arm)
			known = append(known, posteriorOf(s.Arms[arm].Total))
		}
	}
	best := probabilities(known)
	want := make([]float64, len(s.Arms))
	for k, arm := range open {
		s.Arms[arm].Best = best[k]
		want[arm] = c.Floor + (1-float64(len(open))*c.Floor)*best[k]
	}
	s.Slots = deal(s.Slots, whole(want))
}

// safe reports whether every open treatment has passed.
func (s *State) safe() bool {
	for arm := 1; arm < len(s.Arms); arm++ {
		if s.Open(arm) && !s.Arms[arm].Safe {
			return false
		}
	}
	return true
}

// whole rounds shares to hundredths that sum to a hundred, by largest remainder.
func whole(shares []float64) []int {
	out := make([]int, len(shares))
	by := make([]int, len(shares))
	left := traffic.NumSlots
	rest := func(i int) float64 { return shares[i]*traffic.NumSlots - math.Floor(shares[i]*traffic.NumSlots+1e-9) }
	for i, x := range shares {
		out[i], by[i] = int(math.Floor(x*traffic.NumSlots+1e-9)), i
		left -= out[i]
	}
	sort.SliceStable(by, func(a, b int) bool { return rest(by[a]) > rest(by[b]) })
	for k := 0; left > 0; k++ {
		if i := by[k%len(by)]; shares[i] > 0 {
			out[i]++
			left--
		}
	}
	return out
}

// deal returns slots of which each arm has as many as wanted. Only those of arms
// that have too many change hands, the last of each first: nobody is moved who
// need not be.
func deal(slots string, want []int) string {
	b := []byte(slots)
	have := make([]int, len(want))
	for _, d := range b {
		have[d-'0']++
	}
	to := 0
	for i := len(b) - 1; i >= 0; i-- {
		from := int(b[i] - '0')
		if have[from] <= want[from] {
			continue
		}
		for have[to] >= want[to] {
			to++
		}
		have[from]--
		have[to]++
		b[i] = '0' + byte(to)
	}
	return string(b)
}
