package stats

import (
	"math"
	"slices"
)

// Claim is one hypothesis in a family: its share of α, the clock its evidence is
// read by, and its log evidence.
type Claim struct {
	Share float64 // Σ over the family is 1
	Clock int     // claims of one clock may be averaged at any time; others only by the union bound
	LogE  float64
}

// Family returns the log evidence against all claims being true: within a clock
// the weighted average, across clocks the largest of these sums. Averaging needs
// one filtration (Choe and Ramdas, arXiv 2402.09698); across filtrations the
// union bound holds because the shares sum to 1.
func Family(claims []Claim) float64 {
	best := logFloor
	for i, c := range claims {
		if slices.IndexFunc(claims, func(o Claim) bool { return o.Clock == c.Clock }) < i {
			continue // this clock was summed before
		}
		sum := logFloor
		for _, o := range claims {
			if o.Clock == c.Clock {
				sum = LogAdd(sum, math.Log(o.Share)+o.LogE)
			}
		}
		best = math.Max(best, sum)
	}
	return best
}

// Holm returns, for each claim, the log evidence that may be held against it alone
// in spite of having looked at all: the smallest weighted mean over every
// subfamily that contains it (closed testing with averages, Vovk and Wang 2021).
// A claim is named at error α when its value reaches ln(1/α). Claims of other
// clocks count as if they showed nothing, which can only lower the value.
func Holm(claims []Claim) []float64 {
	order := make([]int, len(claims))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case claims[a].LogE < claims[b].LogE:
			return -1
		case claims[a].LogE > claims[b].LogE:
			return 1
		}
		return 0
	})
	out := make([]float64, len(claims))
	for i, c := range claims {
		mass, sum := c.Share, math.Log(c.Share)+c.LogE
		for _, o := range claims {
			if o.Clock != c.Clock {
				mass += o.Share
			}
		}
		best := sum - math.Log(mass)
		for _, j := range order {
			o := claims[j]
			if j == i || o.Clock != c.Clock {
				continue
			}
			mass += o.Share
			sum = LogAdd(sum, math.Log(o.Share)+o.LogE)
			best = math.Min(best, sum-math.Log(mass))
		}
		out[i] = best
	}
	return out
}
