package stats

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/mathext"
)

// Cluster is what one group of users did on one arm: n values and their sum.
type Cluster struct {
	Group int     `json:"g"`
	N     float64 `json:"n"`
	Sum   float64 `json:"s"`
}

// Clusters are the groups of users that one arm served, in their order, those
// alone of which there is anything, and the squares of all their values.
type Clusters struct {
	Groups []Cluster `json:"groups,omitempty"`
	SumSq  float64   `json:"sumsq,omitempty"`
}

// Clone returns a copy that shares nothing with c.
func (c Clusters) Clone() Clusters {
	c.Groups = slices.Clone(c.Groups)
	return c
}

// Add adds the values of one group.
func (c *Clusters) Add(group int, m Moments) {
	if m.N <= 0 {
		return
	}
	i, found := slices.BinarySearchFunc(c.Groups, group, func(x Cluster, g int) int { return cmp.Compare(x.Group, g) })
	if !found {
		c.Groups = slices.Insert(c.Groups, i, Cluster{Group: group})
	}
	g := &c.Groups[i]
	g.N, g.Sum = g.N+m.N, g.Sum+m.Sum
	c.SumSq += m.SumSq
}

// sums returns what there is of values, and the sum of squares of the groups'
// numbers of them.
func (c Clusters) sums() (n, sum, squares float64) {
	for _, g := range c.Groups {
		n, sum, squares = n+g.N, sum+g.Sum, squares+g.N*g.N
	}
	return n, sum, squares
}

// Unevenness returns by how much the variance of one group's mean is to be
// multiplied for that of the mean of all: Σ(n_g/n)², one over their number if
// all have as many values (Kish 1965). It is 1 of nothing.
func (c Clusters) Unevenness() float64 {
	n, _, squares := c.sums()
	if n <= 0 {
		return 1
	}
	return squares / (n * n)
}

// FewClusters is how many differences of groups it takes before they tell how much
// groups differ.
const FewClusters = 10

// Lasting is how much the means of groups differ for good, whatever serves them.
type Lasting struct {
	Variance float64 `json:"variance"` // of a group's mean, on the upper side of what is likely
	Freedom  float64 `json:"freedom"`  // differences that told
}

// Differ returns how much groups' means differ lastingly, each from the mean of
// its own arm; so that what the arms do to them has no part in it. ok is false
// while too little was seen.
//
// Q = Σ n_g(m_g−m̄)²/s², with s² the variance of values within a group, is about the
// number of differences if all users are alike; what is beyond measures their
// differences (DerSimonian and Laird 1986). As with RatesDiffer one standard
// deviation of Q is added, since too small a value breaks the error rates and too
// large a one only costs time.
func Differ(arms ...Clusters) (l Lasting, ok bool) {
	q, within, values, used, scale := 0.0, 0.0, 0.0, 0.0, 0.0
	for _, a := range arms {
		n, sum, squares := a.sums()
		if n <= 0 {
			continue
		}
		mean := sum / n
		within += a.SumSq
		for _, g := range a.Groups {
			d := g.Sum/g.N - mean
			q += g.N * d * d
			within -= g.Sum * g.Sum / g.N
		}
		values += n
		used += float64(len(a.Groups))
		l.Freedom += float64(len(a.Groups) - 1)
		scale += n - squares/n
	}
	if l.Freedom < FewClusters || values < 2*used {
		return Lasting{Freedom: l.Freedom}, false
	}
	s2 := math.Max(within/(values-used), 0)
	if excess := q*(1+math.Sqrt(2/l.Freedom)) - l.Freedom*s2; excess > 0 {
		l.Variance = excess / scale
	}
	return l, true
}

// Between returns by how much the means of two arms differ at most for who their
// users are, to either side, with probability 1−alpha: a normal mean of which the
// variance is estimated (Student 1908).
func (l Lasting) Between(alpha float64, a, b Clusters) float64 {
	return l.Most(alpha/2, a.Unevenness()+b.Unevenness())
}

// Most returns how far apart means lie at most to one side, with probability 1−p;
// uneven is by how much the variance of a group's mean is multiplied for that of
// their difference.
func (l Lasting) Most(p, uneven float64) float64 {
	if l.Variance <= 0 || uneven <= 0 {
		return 0
	}
	return quantile(1-p, l.Freedom) * math.Sqrt(l.Variance*uneven)
}

// StudentQuantile returns the quantile of Student's t distribution for p in
// [½, 1).
func StudentQuantile(p, freedom float64) float64 {
	x := mathext.InvRegIncBeta(freedom/2, .5, 2*(1-p))
	return math.Sqrt(freedom * (1 - x) / x)
}
