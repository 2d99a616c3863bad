package stats

import "math"

// pseudo is the number of answers by which the canary's distribution leans on
// stable's.
const pseudo = 200

// Multinomial is the e-process against equal distributions over classes, the
// sequential counterpart of the chi-square test for two samples: the product over
// blocks of
//
//	Σ_k c_k ln(θ_C,k/θ_0,k) + b_k ln(θ_B,k/θ_0,k),
//
// with θ_B the past of both arms' common part and θ_C the canary's past leaning on
// it, and θ_0 their mixture by the sizes of the block. It sees changes spread over
// many classes that no single one shows. The distribution may change from block to
// block so long as it is the same for both arms.
type Multinomial struct {
	LogE   float64   `json:"logE"`
	Stable []float64 `json:"stable,omitempty"` // pasts, by class
	Canary []float64 `json:"canary,omitempty"`
}

// Clone returns a copy that shares nothing with m.
func (m Multinomial) Clone() Multinomial {
	m.Stable, m.Canary = append([]float64(nil), m.Stable...), append([]float64(nil), m.Canary...)
	return m
}

// Factor returns the logarithm of the factor for one block of answers by class.
// Classes not seen before may follow the known ones.
func (m Multinomial) Factor(stable, canary []float64) float64 {
	nB, nC := sum(stable), sum(canary)
	if nB <= 0 || nC <= 0 || sum(m.Stable) <= 0 {
		return 0
	}
	k := float64(max(len(stable), len(canary), len(m.Stable)))
	pastB, pastC := sum(m.Stable), sum(m.Canary)
	w := nC / (nB + nC)
	out := 0.0
	for i := range max(len(stable), len(canary)) {
		b, c := nth(stable, i), nth(canary, i)
		if b+c == 0 {
			continue
		}
		thetaB := (nth(m.Stable, i) + .5) / (pastB + .5*k)
		thetaC := (nth(m.Canary, i) + pseudo*thetaB) / (pastC + pseudo)
		mix := w*thetaC + (1-w)*thetaB
		out += c*math.Log(thetaC/mix) + b*math.Log(thetaB/mix)
	}
	return out
}

// Observe forgets by the factor decay and remembers a block.
func (m *Multinomial) Observe(stable, canary []float64, decay float64) {
	remember(&m.Stable, stable, decay)
	remember(&m.Canary, canary, decay)
}

func remember(past *[]float64, x []float64, decay float64) {
	for len(*past) < len(x) {
		*past = append(*past, 0)
	}
	for i := range *past {
		(*past)[i] = (*past)[i]*decay + nth(x, i)
	}
}

func sum(x []float64) float64 {
	s := 0.0
	for _, v := range x {
		s += v
	}
	return s
}

func nth(x []float64, i int) float64 {
	if i < len(x) {
		return x[i]
	}
	return 0
}
