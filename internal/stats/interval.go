package stats

import "math"

// Z95 is the 97.5% quantile of the standard normal distribution.
const Z95 = 1.959963984540054

// Interval is a range of values.
type Interval struct {
	Low, High float64
}

// Wilson returns the score interval of a share (Wilson 1927) at z standard
// errors. It is valid at one look only: for what was counted once, such as the
// runs of a simulation, and never for a rollout that is watched.
func Wilson(c Count, z float64) Interval {
	if c.N <= 0 {
		return Interval{0, 1}
	}
	p := math.Min(math.Max(c.K/c.N, 0), 1)
	zz := z * z / c.N
	mid := (p + zz/2) / (1 + zz)
	half := z / (1 + zz) * math.Sqrt(p*(1-p)/c.N+zz/(4*c.N))
	return Interval{math.Max(0, mid-half), math.Min(1, mid+half)}
}

// Standard accumulates both arms' rates with the weight n_B·n_C/(n_B+n_C) per
// block, so that a change of the traffic share between blocks does not mix rates
// of different times (Mantel and Haenszel's risk difference).
type Standard struct {
	Weight  float64 `json:"weight"`
	Stable  float64 `json:"stable"`  // Σ w·p_B
	Canary  float64 `json:"canary"`  // Σ w·p_C
	SpreadB float64 `json:"spreadB"` // Σ w²/n_B
	SpreadC float64 `json:"spreadC"` // Σ w²/n_C
}

// Add accounts for one block; a block that lacks an arm is left out.
func (s *Standard) Add(b Block) {
	if b.Stable.N <= 0 || b.Canary.N <= 0 {
		return
	}
	w := b.Stable.N / (b.Stable.N + b.Canary.N) * b.Canary.N
	s.Weight += w
	s.Stable += w * b.Stable.Share()
	s.Canary += w * b.Canary.Share()
	s.SpreadB += w * w / b.Stable.N
	s.SpreadC += w * w / b.Canary.N
}

// Block returns counts with the standardised rates and the number of trials that
// their precision corresponds to.
func (s Standard) Block() Block {
	if s.Weight <= 0 {
		return Block{}
	}
	nB, nC := s.Weight*s.Weight/s.SpreadB, s.Weight*s.Weight/s.SpreadC
	return Block{
		Stable: Count{nB, nB * s.Stable / s.Weight},
		Canary: Count{nC, nC * s.Canary / s.Weight},
	}
}
