package stats

import "math"

// Series are numbers seen one after the other, by count, mean and sum of squared
// deviations (Welford 1962).
type Series struct {
	N    float64 `json:"n"`
	Mean float64 `json:"mean"`
	Dev  float64 `json:"dev"`
}

// Add takes one number in.
func (s *Series) Add(x float64) {
	s.N++
	d := x - s.Mean
	s.Mean += d / s.N
	s.Dev += d * (x - s.Mean)
}

// unitInformation is the weight of the prior of the sequential t-test: effects of
// about one standard deviation.
const unitInformation = 1

// LogT returns the log evidence that the mean of normally distributed numbers with
// unknown variance lies above (sign 1) or below (−1) the value at; the least there
// is if their average lies on the other side. Means further on the null's side
// than at only make t smaller on the same numbers, so the bound holds for all of
// them.
func (s Series) LogT(at, sign float64) float64 {
	nu := s.N - 1
	if nu < 2 {
		return 0
	}
	d := sign * (s.Mean - at)
	if d <= 0 {
		return logFloor
	}
	t2 := d * d * s.N * nu / math.Max(s.Dev, 1e-12*s.N*math.Max(s.Mean*s.Mean, 1e-300))
	return logT(t2, nu, unitInformation/(unitInformation+s.N))
}

// logT is the sequential t-test of a mean with unknown variance,
//
//	½ ln r + ((ν+1)/2)·[ln(1+t²/ν) − ln(1+r·t²/ν)],  r = g/(g+n),
//
// the Bayes factor under the right Haar prior for the variance (Lindon, Ham,
// Tingley and Bojinov, arXiv 2210.08589).
func logT(t2, nu, r float64) float64 {
	return .5*math.Log(r) + (nu+1)/2*(math.Log1p(t2/nu)-math.Log1p(r*t2/nu))
}

// Interval returns the values that LogT has not refuted on either side at error
// alpha/2; before three numbers are in, everything from low to high.
func (s Series) Interval(alpha, low, high float64) Interval {
	nu := s.N - 1
	if nu < 2 {
		return Interval{low, high}
	}
	r := unitInformation / (unitInformation + s.N)
	// LogT = need solved for t²: (1+t²/ν)/(1+r·t²/ν) = k.
	k := math.Exp(2 / (nu + 1) * (math.Log(2/alpha) - .5*math.Log(r)))
	if k*r >= 1 {
		return Interval{low, high} // no t is large enough yet
	}
	half := math.Sqrt((k-1)/(1-k*r)) * math.Sqrt(s.Dev/s.N)
	return Interval{math.Max(low, s.Mean-half), math.Min(high, s.Mean+half)}
}
