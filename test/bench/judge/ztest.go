package main

import (
	"math"
	"time"

	"gonum.org/v1/gonum/stat/distuv"
)

// ztest compares the failures of both arms so far by the pooled two-proportion
// z-test, one-sided, at each of its looks. With one look it has the error rate it
// says; looked at again and again it has not.
type ztest struct {
	every time.Duration
	level float64
}

func (z ztest) rule(name string) rule { return rule{name, z.decide} }

func (z ztest) decide(s *stream) outcome {
	bound := distuv.UnitNormal.Quantile(1 - z.level)
	for _, to := range s.spans(0, z.every) {
		if zscore(s.stable.between(0, to), s.canary.between(0, to)) > bound {
			return outcome{rolledBack, to}
		}
	}
	return passed(s)
}

// zscore is (p̂_C − p̂_B)/√(p̂(1−p̂)(1/n_C + 1/n_B)) with the pooled p̂, 0 if it is not
// defined. Counts are requests that went well, and failed.
func zscore(stable, canary []int64) float64 {
	nB, nC := float64(stable[0]+stable[1]), float64(canary[0]+canary[1])
	if nB == 0 || nC == 0 {
		return 0
	}
	p := float64(stable[1]+canary[1]) / (nB + nC)
	se := math.Sqrt(p * (1 - p) * (1/nB + 1/nC))
	if se == 0 {
		return 0
	}
	return (float64(canary[1])/nC - float64(stable[1])/nB) / se
}
