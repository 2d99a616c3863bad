package stats

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// TestStudentQuantile compares with published tables.
func TestStudentQuantile(t *testing.T) {
	for _, c := range []struct{ p, freedom, want float64 }{
		{.975, 10, 2.228139}, {.995, 23, 2.807336}, {.95, 1, 6.313752}, {.999, 100, 3.173739}, {.975, 1e6, 1.959966},
	} {
		if got := StudentQuantile(c.p, c.freedom); math.Abs(got-c.want) > 2e-6*c.want {
			t.Errorf("t(%v, %v) = %v, want %v", c.p, c.freedom, got, c.want)
		}
	}
}

func TestUnevenness(t *testing.T) {
	var c Clusters
	if c.Unevenness() != 1 {
		t.Errorf("of nothing %v", c.Unevenness())
	}
	for g := range 20 {
		c.Add(19-g, Moments{N: 5, Sum: 2, SumSq: 2})
	}
	if got := c.Unevenness(); math.Abs(got-1./20) > 1e-12 {
		t.Errorf("of twenty alike %v", got)
	}
	c.Add(3, Moments{N: 1e6})
	if got := c.Unevenness(); got < .99 {
		t.Errorf("of one that has nearly everything %v", got)
	}
	c.Add(50, Moments{})
	if len(c.Groups) != 20 {
		t.Errorf("a group of which there is nothing is kept: %d", len(c.Groups))
	}
}

// TestGroupsAreInOrder whatever they come in, and hold all there is.
func TestGroupsAreInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c Clusters
		all := Moments{}
		for range rapid.IntRange(0, 60).Draw(t, "blocks") {
			m := Moments{N: 2, Sum: rapid.Float64Range(0, 2).Draw(t, "sum"), SumSq: 1}
			c.Add(rapid.IntRange(0, 20).Draw(t, "group"), m)
			all = all.Plus(m)
		}
		n, sum, _ := c.sums()
		for i := 1; i < len(c.Groups); i++ {
			if c.Groups[i-1].Group >= c.Groups[i].Group {
				t.Fatalf("group %d before %d", c.Groups[i-1].Group, c.Groups[i].Group)
			}
		}
		if n != all.N || math.Abs(sum-all.Sum) > 1e-9 || c.SumSq != all.SumSq {
			t.Fatalf("groups hold %v of %v values", n, all.N)
		}
	})
}

// people are groups whose means are normal around mean with the given variance, on
// an arm, with so many values each of variance 0.04.
func people(r *rand.Rand, groups, each int, mean, variance float64) (c Clusters) {
	for g := range groups {
		own := mean + math.Sqrt(variance)*r.NormFloat64()
		var m Moments
		for range each {
			x := own + .2*r.NormFloat64()
			m = m.Plus(Moments{N: 1, Sum: x, SumSq: x * x})
		}
		c.Add(g, m)
	}
	return c
}

// TestDiffer: the variance found is about the true one, on its upper side, and what
// the arms themselves do has no part in it.
func TestDiffer(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, variance := range []float64{0, .001, .01} {
		sum := 0.
		const runs = 60
		for range runs {
			l, ok := Differ(people(r, 40, 20, .2, variance), people(r, 40, 20, .8, variance))
			if !ok || l.Freedom != 78 {
				t.Fatalf("%+v %v", l, ok)
			}
			sum += l.Variance
		}
		// √(2/78) of what a group's mean varies in all is added.
		if got, want := sum/runs, variance+math.Sqrt(2./78)*(variance+.04/20); math.Abs(got-want) > .15*want {
			t.Errorf("variance %v: found %v on average, want about %v", variance, got, want)
		}
	}
}

func TestDifferWaits(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 3))
	if l, ok := Differ(people(r, 6, 50, .5, .01), people(r, 5, 50, .5, .01)); ok || l.Freedom != 9 {
		t.Errorf("of eleven groups on two arms: %+v %v", l, ok)
	}
	if _, ok := Differ(people(r, 50, 1, .5, .01), people(r, 50, 1, .5, .01)); ok {
		t.Error("of one value each")
	}
	if l, ok := Differ(); ok {
		t.Errorf("of nothing: %+v", l)
	}
}

// TestBetweenCovers: the means of two arms with equal versions differ by more for
// who their users are with at most the stated probability, also of few and uneven
// groups.
func TestBetweenCovers(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 4))
	for _, groups := range [][2]int{{50, 50}, {95, 5}, {8, 8}} {
		const runs = 2000
		beyond := 0
		for range runs {
			a, b := people(r, groups[0], 4, .5, .01), people(r, groups[1], 4, .5, .01)
			for i := range a.Groups { // some have far more values than others
				if i%4 == 0 {
					f := a.Groups[i].N * 9
					a.Groups[i].Sum *= (a.Groups[i].N + f) / a.Groups[i].N
					a.SumSq += f * (a.Groups[i].Sum / (a.Groups[i].N + f)) * (a.Groups[i].Sum / (a.Groups[i].N + f))
					a.Groups[i].N += f
				}
			}
			l, ok := Differ(a, b)
			if !ok {
				t.Fatal("not known")
			}
			nA, sumA, _ := a.sums()
			nB, sumB, _ := b.sums()
			if math.Abs(sumA/nA-sumB/nB) > l.Between(.05, a, b) {
				beyond++
			}
		}
		// What the values of a group scatter is in the difference as well.
		if share := float64(beyond) / runs; share > .1 {
			t.Errorf("%v groups: %.3f of the differences are beyond what a twentieth may be", groups, share)
		} else {
			t.Logf("%v groups: %.3f beyond", groups, share)
		}
	}
}
