package stats

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// users draws counts of groups whose rates differ with the given coefficient of
// variation.
func users(r *rand.Rand, groups int, n, p, cv float64) Groups {
	out := make(Groups, groups)
	for i := range out {
		rate := math.Min(1, p*math.Exp(cv*r.NormFloat64()-cv*cv/2))
		out[i] = Count{n, drawn(r, n, rate)}
	}
	return out
}

// TestSpreadFindsTheVariance: with much seen the estimate is the variance of the
// groups' rates, and the standard deviation added for caution.
func TestSpreadFindsTheVariance(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, cv := range []float64{.1, .3} {
		sum := 0.0
		const runs = 40
		for range runs {
			l, ok := RatesDiffer(users(r, 100, 4000, .05, cv))
			if !ok || l.Freedom != 99 {
				t.Fatalf("too little seen: %+v", l)
			}
			sum += l.Variance / runs
		}
		low, high := .95*cv*cv, 1.35*cv*cv+.001
		if sum < low || sum > high {
			t.Errorf("coefficient of variation %v: spread %v, want %v to %v", cv, sum, low, high)
		}
	}
}

func TestSpreadOfEqualUsersIsSmall(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 1))
	none := 0
	for range 100 {
		l, _ := RatesDiffer(users(r, 50, 2000, .05, 0), users(r, 51, 2000, .2, 0))
		if l.Variance == 0 {
			none++
		}
		if l.Variance > .01 {
			t.Errorf("users who are all alike have a spread of %v", l.Variance)
		}
	}
	if none < 5 || none > 40 {
		t.Errorf("no spread in %d of 100; one standard deviation of caution leaves about 16", none)
	}
}

func TestSpreadWaits(t *testing.T) {
	few := Groups{{100, 3}, {100, 20}}
	if _, ok := RatesDiffer(few, users(rand.New(rand.NewPCG(3, 1)), 100, 100, .1, 0)); ok {
		t.Error("two groups suffice")
	}
	if _, ok := RatesDiffer(make(Groups, 100)); ok {
		t.Error("nothing suffices")
	}
	rare := make(Groups, 100)
	for i := range rare {
		rare[i] = Count{1000, 0}
	}
	rare[3].K = 20
	if _, ok := RatesDiffer(rare); ok {
		t.Error("twenty hits suffice")
	}
}

func TestCompare(t *testing.T) {
	// Without a past: the spread of 5 of 100 groups against 95.
	alike := make(Groups, 100)
	c := Compare(Lasting{Variance: .09}, .05, nil, alike)
	near(t, "no past, mean", c.Mean, 0, 0)
	near(t, "no past, variance", c.Variance, .09*(1./5+1./95), 1e-15)
	near(t, "99.5% ratio", c.Ratio(.005), math.Exp(2.5758293035489*math.Sqrt(c.Variance)), 1e-9)
	near(t, "2.5% ratio", c.Ratio(.975), math.Exp(-1.9599639845401*math.Sqrt(c.Variance)), 1e-9)

	// A variance that was itself estimated.
	near(t, "97.5% ratio of 23", Compare(Lasting{.09, 10}, .05, nil, alike).Ratio(.025), math.Exp(2.228139*math.Sqrt(c.Variance)), 1e-5)

	past := make(Groups, 100)
	for i := range past {
		past[i] = Count{1e6, 1e4}
		if i < 5 {
			past[i].K = 2e4
		}
	}
	// So much past that the ratio of the cohort's rates is known.
	c = Compare(Lasting{Variance: .09}, .05, past, alike)
	near(t, "long past, mean", c.Mean, math.Log(2), 1e-3)
	if c.Variance > 2e-5 {
		t.Errorf("long past, variance %v", c.Variance)
	}
	// Half of a group in the cohort.
	c = Compare(Lasting{Variance: 1e9}, .045, past, alike)
	near(t, "4.5 groups", c.Mean, math.Log(2*95.5/(95+2*.5)), 1e-3)
	if got := Compare(Lasting{}, .05, past, alike); got != (Cohort{}) || got.Ratio(.005) != 1 {
		t.Errorf("users who are all alike: %+v", got)
	}
}

// TestParted: heavy groups count for less than as many light ones, and so does half
// a group.
func TestParted(t *testing.T) {
	load := make(Groups, 10)
	near(t, "nothing known", load.Parted(.2), 1./2+1./8, 1e-12)
	for i := range load {
		load[i].N = 5
	}
	near(t, "all alike", load.Parted(.2), 1./2+1./8, 1e-12)
	near(t, "half a group", load.Parted(.05), 2+1/9.5, 1e-12)
	load[0].N = 1e9
	near(t, "one of two is everything", load.Parted(.2), 1+1./8, 1e-6)
	if load.Parted(0) != 0 || load.Parted(1) != 0 || Groups(nil).Parted(.5) != 0 {
		t.Error("there is a difference where there is one cohort alone")
	}
}

func TestComparePastOnlyHelps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spread := rapid.Float64Range(1e-6, 4).Draw(t, "spread")
		w := rapid.Float64Range(.01, .99).Draw(t, "w")
		past := make(Groups, 20)
		for i := range past {
			n := rapid.Float64Range(0, 1e6).Draw(t, "n")
			past[i] = Count{n, n * rapid.Float64Range(0, 1).Draw(t, "p")}
		}
		of, alike := Lasting{Variance: spread}, make(Groups, 20)
		with, without := Compare(of, w, past, alike), Compare(of, w, nil, alike)
		if !(with.Variance <= without.Variance) || math.IsNaN(with.Mean) || math.IsInf(with.Mean, 0) {
			t.Fatalf("with a past %+v, without %+v", with, without)
		}
		if with.Ratio(.005) < with.Ratio(.5) || with.Ratio(.5) < with.Ratio(.975) {
			t.Fatalf("ratios out of order: %+v", with)
		}
	})
}

// TestDrawn: Fisher's lady tasting tea (The Design of Experiments, 1935, §II): four
// of eight cups, all right by chance in 1 of 70, at least three in 17 of 70.
func TestDrawn(t *testing.T) {
	for _, c := range []struct {
		k, n, marked, total int
		want                float64
	}{
		{4, 4, 4, 8, 1. / 70}, {3, 4, 4, 8, 17. / 70}, {0, 4, 4, 8, 1},
		{1, 5, 1, 100, .05}, {1, 1, 1, 100, .01}, {5, 5, 5, 100, 1. / 75287520}, {0, 0, 0, 0, 1}, {2, 1, 1, 10, 0},
	} {
		if got := Drawn(c.k, c.n, c.marked, c.total); math.Abs(got-c.want) > 1e-9*(1+c.want) {
			t.Errorf("at least %d of %d marked in %d of %d: %v, want %v", c.k, c.marked, c.n, c.total, got, c.want)
		}
	}
}
