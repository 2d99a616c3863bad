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

// RatesDiffer returns the variance of the logarithm of a group's rate that lasts, on
// the upper side of what is likely, from the groups that each version served, each
// from its own version's rate; so that what the versions do has no part in it. ok
// is false while too little was seen of the first.
//
// Q = Σ n_g(p_g−p̄)²/(p̄(1−p̄)) is about G−1 if all users are alike; what is beyond
// measures their differences (DerSimonian and Laird 1986). One standard deviation
// of Q, √(2/(G−1)) of it, is added, since too small a value breaks the error rates
// and too large a one only costs time.
func RatesDiffer(versions ...Groups) (l Lasting, ok bool) {
	excess, scale := 0.0, 0.0
	for i, g := range versions {
		q, used, all, weight := g.scatter()
		if i == 0 && (used < fewest || all.K < enough || all.N-all.K < enough) {
			return Lasting{}, false
		}
		if used < 2 || all.K <= 0 || all.K >= all.N {
			continue
		}
		excess += q
		l.Freedom += used - 1
		scale += weight
	}
	excess = excess*(1+math.Sqrt(2/l.Freedom)) - l.Freedom
	if excess > 0 {
		l.Variance = excess / scale
	}
	return l, true
}

// fewest is how many groups it takes to tell how they differ.
const fewest = 10

// scatter returns Q of the groups, how many there are, what they hold, and by how
// much a variance of the logarithm of their rates makes Q larger.
func (g Groups) scatter() (q, used float64, all Count, weight float64) {
	squares := 0.0
	for _, c := range g {
		if c.N <= 0 {
			continue
		}
		used++
		all = all.Plus(c)
		squares += c.N * c.N
	}
	p := all.Share()
	if p <= 0 || p >= 1 {
		return 0, used, all, 0
	}
	for _, c := range g {
		if c.N > 0 {
			d := c.K - c.N*p
			q += d * d / c.N
		}
	}
	return q / (p * (1 - p)), used, all, (all.N - squares/all.N) * p / (1 - p)
}

// Cohort is what is believed of the logarithm of the ratio of two cohorts' rates
// under one version: who the users are, not what they are served.
type Cohort struct {
	Mean, Variance float64
	Freedom        float64 // differences that the variance is known by; 0: it is not an estimate
}

// Parted returns by how much the variance of one group's rate is to be multiplied
// for that of the difference between the first groups, which a share w takes, and
// the rest: Σ(n_g/n)² of either. load is what there was of each group. Without it
// all are as large.
func (load Groups) Parted(w float64) float64 {
	g := float64(len(load))
	if w <= 0 || w >= 1 || g == 0 {
		return 0
	}
	var n, squares [2]float64
	for i, c := range load {
		in := math.Min(math.Max(w*g-float64(i), 0), 1)
		for side, part := range [2]float64{in, 1 - in} {
			n[side] += part * c.N
			// Of half a group there are half as many users.
			squares[side] += part * c.N * c.N
		}
	}
	out := 0.0
	for side, share := range [2]float64{w, 1 - w} {
		if n[side] > 0 {
			out += squares[side] / (n[side] * n[side])
		} else {
			out += 1 / (share * g)
		}
	}
	return out
}

// Compare returns the cohort that a share w of the users is, against the rest.
// spread is that of one group, and load what there was of each under any version.
// past holds counts by group from before the rollout, while one version served all;
// it may be empty. The past ratio κ, with its sampling error s², is shrunk towards
// no difference as far as the spread says (the posterior of a normal mean).
func Compare(spread Lasting, w float64, past, load Groups) Cohort {
	g := float64(len(load))
	between := spread.Variance * load.Parted(w)
	if between <= 0 {
		return Cohort{}
	}
	var cohort, rest Count
	for i, c := range past {
		in := math.Min(math.Max(w*g-float64(i), 0), 1)
		cohort = cohort.Plus(c.Times(in))
		rest = rest.Plus(c.Times(1 - in))
	}
	if cohort.N <= 0 || rest.N <= 0 {
		return Cohort{Variance: between, Freedom: spread.Freedom}
	}
	ratio := math.Log((cohort.K + .5) / (cohort.N + .5) / ((rest.K + .5) / (rest.N + .5)))
	error2 := 1/(cohort.K+.5) + 1/(rest.K+.5)
	return Cohort{
		Mean:     ratio * between / (between + error2),
		Variance: between * error2 / (between + error2),
		Freedom:  spread.Freedom,
	}
}

// Ratio returns the ratio of rates that the cohort exceeds, for who its users are,
// with probability p.
func (c Cohort) Ratio(p float64) float64 {
	if c.Variance <= 0 {
		return math.Exp(c.Mean)
	}
	return math.Exp(c.Mean + quantile(1-p, c.Freedom)*math.Sqrt(c.Variance))
}

// quantile is that of Student's t distribution, of the normal one without freedom.
func quantile(p, freedom float64) float64 {
	switch {
	case freedom <= 0:
		return mathext.NormalQuantile(p)
	case p < .5:
		return -StudentQuantile(1-p, freedom)
	}
	return StudentQuantile(p, freedom)
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
