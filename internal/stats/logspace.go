package stats

import "math"

// logFloor stands for the logarithm of nothing. It is finite so that state stays
// valid JSON, and low enough that exp(logFloor) is zero.
const logFloor = -1e300

// LogAdd returns ln(eᵃ + eᵇ) without leaving log space.
func LogAdd(a, b float64) float64 {
	if a < b {
		a, b = b, a
	}
	if b <= logFloor {
		return a
	}
	return a + math.Log1p(math.Exp(b-a))
}

// LogSum returns ln Σ e^x. The sum of nothing is the smallest representable
// evidence rather than −∞.
func LogSum(x ...float64) float64 {
	top := logFloor
	for _, v := range x {
		top = math.Max(top, v)
	}
	if top <= logFloor {
		return logFloor
	}
	sum := 0.0
	for _, v := range x {
		sum += math.Exp(v - top)
	}
	return top + math.Log(sum)
}

// LogMean returns ln((1/n) Σ e^x), the average of e-values given as logarithms.
// The average of nothing is 0, the evidence of a process that never bet.
func LogMean(x ...float64) float64 {
	if len(x) == 0 {
		return 0
	}
	return LogSum(x...) - math.Log(float64(len(x)))
}

// Log returns ln x, and the floor for x ≤ 0.
func Log(x float64) float64 {
	if x <= 0 {
		return logFloor
	}
	return math.Log(x)
}

// log1p returns ln(1+z) to about fourteen digits, in a fraction of the time of
// math.Log1p.
func log1p(z float64) float64 {
	if math.Abs(z) > .01 {
		return math.Log(1 + z)
	}
	return z * (1 - z*(1./2-z*(1./3-z*(1./4-z*(1./5-z*(1./6-z*(1./7)))))))
}
