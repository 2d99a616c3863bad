package stats

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// Groups are counts by group of users: groups of about equal numbers of users, by
// a hash that has nothing to do with what they do. Where users stay on their arm
// the canary takes whole groups, from the first on, as its share grows.
type Groups []Count

// enough is how many hits stable's groups must have between them before their
// differences mean anything.
const enough = 25

// Spread returns the variance of the logarithm of a group's rate that lasts, on
// the upper side of what is likely, from groups that one version served. ok is
// false while too little was seen.
//
// Q = Σ n_g(p_g−p̄)²/(p̄(1−p̄)) is about G−1 if all users are alike; what is beyond
// measures their differences (DerSimonian and Laird 1986). One standard deviation
// of Q, √(2/(G−1)) of it, is added, since too small a value breaks the error rates
// and too large a one only costs time.
func (g Groups) Spread() (variance float64, ok bool) {
	var all Count
	squares, used := 0.0, 0.0
	for _, c := range g {
		if c.N <= 0 {
			continue
		}
		used++
		all = all.Plus(c)
		squares += c.N * c.N
	}
	if used < 10 || all.K < enough || all.N-all.K < enough {
		return 0, false
	}
	p := all.Share()
	q := 0.0
	for _, c := range g {
		if c.N > 0 {
			d := c.K - c.N*p
			q += d * d / c.N
		}
	}
	q /= p * (1 - p)
	excess := q*(1+math.Sqrt(2/(used-1))) - (used - 1)
	if excess <= 0 {
		return 0, true
	}
	return excess * (1 - p) / (p * (all.N - squares/all.N)), true
}

// Cohort is what is believed of the logarithm of the ratio of two cohorts' rates
// under one version: who the users are, not what they are served.
type Cohort struct {
	Mean, Variance float64
}

// Compare returns the cohort that a share w of the users is, against the rest.
// spread is that of one group. past holds counts by group from before the rollout,
// while one version served all; it may be empty. The past ratio κ, with its
// sampling error s², is shrunk towards no difference as far as the spread says
// (the posterior of a normal mean).
func Compare(spread, w float64, past Groups, groups int) Cohort {
	g := float64(groups)
	if w <= 0 || w >= 1 || groups <= 0 || spread <= 0 {
		return Cohort{}
	}
	between := spread * (1/(w*g) + 1/((1-w)*g))
	var cohort, rest Count
	for i, c := range past {
		in := math.Min(math.Max(w*g-float64(i), 0), 1)
		cohort = cohort.Plus(c.Times(in))
		rest = rest.Plus(c.Times(1 - in))
	}
	if cohort.N <= 0 || rest.N <= 0 {
		return Cohort{Variance: between}
	}
	ratio := math.Log((cohort.K + .5) / (cohort.N + .5) / ((rest.K + .5) / (rest.N + .5)))
	error2 := 1/(cohort.K+.5) + 1/(rest.K+.5)
	return Cohort{
		Mean:     ratio * between / (between + error2),
		Variance: between * error2 / (between + error2),
	}
}

// Ratio returns the ratio of rates that the cohort exceeds, for who its users are,
// with probability p.
func (c Cohort) Ratio(p float64) float64 {
	if c.Variance <= 0 {
		return math.Exp(c.Mean)
	}
	return math.Exp(c.Mean + mathext.NormalQuantile(1-p)*math.Sqrt(c.Variance))
}

// Drawn returns the probability that at least k of the marked things are among n
// that are drawn without replacement from total of them (the hypergeometric
// distribution).
func Drawn(k, n, marked, total int) float64 {
	p := 0.0
	for i := max(k, n+marked-total, 0); i <= min(n, marked); i++ {
		p += math.Exp(logChoose(marked, i) + logChoose(total-marked, n-i) - logChoose(total, n))
	}
	return math.Min(p, 1)
}

func logChoose(n, k int) float64 {
	lgamma := func(x int) float64 { v, _ := math.Lgamma(float64(x) + 1); return v }
	return lgamma(n) - lgamma(k) - lgamma(n-k)
}
