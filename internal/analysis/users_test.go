package analysis

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// population is users who stay on their arm, in a hundred groups by hash.
type population struct {
	share [100]float64 // of all requests, by group
	rate  [100]float64 // of failures
}

// populate draws users whose failure rates follow a Beta distribution around 1%
// with a+b = concentration. Uneven users are active in lognormal proportion.
func populate(r *rand.Rand, n int, concentration float64, uneven bool) population {
	var p population
	total := 0.0
	for i := range n {
		activity := 1.0
		if uneven {
			activity = math.Exp(r.NormFloat64())
		}
		rate := beta(r, .01*concentration, .99*concentration)
		p.share[i%100] += activity
		p.rate[i%100] += activity * rate
		total += activity
	}
	for g := range p.share {
		p.rate[g] /= p.share[g]
		p.share[g] /= total
	}
	return p
}

// beta draws from a Beta distribution by two gamma draws.
func beta(r *rand.Rand, a, b float64) float64 {
	x, y := gamma(r, a), gamma(r, b)
	return x / (x + y)
}

// gamma draws from a Gamma distribution (Marsaglia and Tsang 2000).
func gamma(r *rand.Rand, a float64) float64 {
	if a < 1 {
		return gamma(r, a+1) * math.Pow(r.Float64(), 1/a)
	}
	d := a - 1./3
	for {
		x := r.NormFloat64()
		v := 1 + x/math.Sqrt(9*d)
		if v <= 0 {
			continue
		}
		v *= v * v
		if math.Log(1-r.Float64()) < x*x/2+d-d*v+d*math.Log(v) {
			return d * v
		}
	}
}

// block draws a block of requests; the canary has the first groups and fails
// worse times as often.
func (p population) block(r *rand.Rand, requests, weight, worse float64) Measure {
	var x Measure
	x.Stable.Groups, x.Canary.Groups = make([]Group, 100), make([]Group, 100)
	for g := range 100 {
		arm, rate := &x.Stable, p.rate[g]
		if float64(g) < 100*weight {
			arm, rate = &x.Canary, math.Min(1, worse*p.rate[g])
		}
		n := poisson(r, requests*p.share[g])
		k := binomial(r, n, rate)
		arm.Groups[g] = Group{n, k}
		arm.N += n
		arm.K += k
	}
	return x
}

// sticky runs a rollout at 5% among users who stay, after a past of so many
// blocks, and returns the first decision of that kind, if any.
func (p population) sticky(cfg Config, seed uint64, past float64, worse float64, stop Decision) (hit bool, st State) {
	r := rng(seed)
	var v Verdict
	for i := range int64(hour) {
		x := at(i, p.block(r, 1500, .05, worse))
		if m := x.Metrics["m"]; i == 0 && past > 0 {
			m.Before = p.block(r, 1500*past, 0, 1).Stable.Groups
			x.Metrics["m"] = m
		}
		if st, v = Step(cfg, st, x); v.Decision == stop {
			return true, st
		}
	}
	return false, st
}

// stickyTally repeats it with fresh users each time.
func stickyTally(cfg Config, runs int, concentration float64, uneven bool, past, worse float64, stop Decision) (hits int) {
	for seed := range uint64(runs) {
		p := populate(rng(1000+seed), 2000, concentration, uneven)
		if hit, _ := p.sticky(cfg, seed, past, worse, stop); hit {
			hits++
		}
	}
	return hits
}

// TestStickyUsers: two thousand users who differ lastingly, 5% of them on the
// canary. Judged as if every request were drawn anew, healthy canaries are taken
// back far too often (published: 7% and 20% within the hour); with counts by group
// of users they are not, and a doubling is still caught where the users' past
// tells who they are.
func TestStickyUsers(t *testing.T) {
	runs := 100
	if testing.Short() {
		runs = 25
	}
	cfg := judged(strictErrors)
	blind := stickyTally(cfg, runs, 10, false, 0, 1, Fail)
	t.Logf("not told apart: %d of %d healthy canaries taken back", blind, runs)
	if blind < runs/20 {
		t.Errorf("not told apart: only %d of %d taken back; the users differ too little to show anything", blind, runs)
	}
	cfg.Sticky = true
	for _, c := range []struct {
		what          string
		concentration float64
		uneven        bool
		past          float64
	}{
		{"no past", 50, false, 0}, {"no past, lively few", 10, true, 0}, {"an hour's past, lively few", 10, true, hour},
	} {
		atMost(t, c.what+", healthy", stickyTally(cfg, runs, c.concentration, c.uneven, c.past, 1, Fail), runs, .01)
	}
	caught := stickyTally(cfg, runs, 10, true, 24*hour, 2, Fail)
	t.Logf("a day's past: a doubling caught in %d of %d", caught, runs)
	if caught < runs*95/100 {
		t.Errorf("a day's past: a doubling caught in %d of %d within the hour", caught, runs)
	}
	cfg.Metrics[0].Tolerate = 1
	atMost(t, "at the margin, passes", stickyTally(cfg, runs, 50, false, hour, 1.5, Pass), runs, .05)
}

func TestStickyWithoutGroupsIsUncorrected(t *testing.T) {
	cfg := judged(strictErrors)
	_, v := Step(cfg, State{}, at(0, counts(1425, 14, 75, 1)))
	if v.Metrics[0].Uncorrected {
		t.Error("every request is drawn anew, but the metric is called uncorrected")
	}
	cfg.Sticky = true
	if _, v = Step(cfg, State{}, at(0, counts(1425, 14, 75, 1))); !v.Metrics[0].Uncorrected {
		t.Error("users stay on their arm and are not counted by group, but nothing says so")
	}
	p := populate(rng(1), 2000, 50, false)
	_, v = Step(cfg, State{}, at(0, p.block(rng(2), 1500, .05, 1)))
	if v.Metrics[0].Uncorrected || v.Metrics[0].CanaryN == 0 || !strings.Contains(v.Reason, "users stay on their arm: up to ") {
		t.Errorf("first block: %+v: %s", v.Metrics[0], v.Reason)
	}
}

// TestStableNeverFails: a stable version without a failure says nothing of how much
// its users differ. A canary that fails for many of them is taken back all the
// same, one that fails for a single user is not, and one that never fails passes.
func TestStableNeverFails(t *testing.T) {
	cfg := judged(strictErrors)
	cfg.Sticky = true
	p := populate(rng(1), 2000, 50, false)
	p.rate = [100]float64{}
	run := func(weight float64, rates ...float64) (Verdict, int64) {
		r := rng(2)
		var st State
		var v Verdict
		for i := range int64(hour) {
			x := p.block(r, 1500, weight, 1)
			for g, rate := range rates {
				n := x.Canary.Groups[g].N
				k := binomial(r, n, rate)
				x.Canary.Groups[g].K += k
				x.Canary.K += k
			}
			if st, v = Step(cfg, st, at(i, x)); v.Decision == Fail || v.Decision == Pass {
				return v, i
			}
		}
		return v, hour
	}
	if v, i := run(.05, .03, .03, .03, .03, .03); v.Decision != Fail || i > 20 {
		t.Errorf("3%% of all fail: %s in block %d: %s", v.Decision, i, v.Reason)
	}
	if v, i := run(.01, 1); v.Decision != Fail || i > 8 {
		t.Errorf("all fail, of 1%% of users: %s in block %d: %s", v.Decision, i, v.Reason)
	}
	if v, _ := run(.05, .2); v.Decision != Inconclusive || !strings.Contains(v.Reason, "so few groups of users") {
		t.Errorf("a single user fails: %s: %s", v.Decision, v.Reason)
	}
	cfg = judged(defaultErrors)
	cfg.Sticky = true
	if v, _ := run(.05); v.Decision != Pass {
		t.Errorf("none fails: %s: %s", v.Decision, v.Reason)
	}
}

// TestStickySentence says what cannot be told from who the users are, and the
// interval contains it.
func TestStickySentence(t *testing.T) {
	cfg := judged(defaultErrors)
	cfg.Sticky = true
	p := populate(rng(1), 2000, 10, true)
	_, st := p.sticky(cfg, 3, 0, 1, Fail)
	m := st.Verdict.Metrics[0]
	if !strings.Contains(m.Reason, "users stay on their arm: up to ") {
		t.Errorf("reason %q", m.Reason)
	}
	_, known := p.sticky(cfg, 3, 24*hour, 1, Fail)
	if k := known.Verdict.Metrics[0].Effect; !(k.High-k.Low < m.Effect.High-m.Effect.Low) {
		t.Errorf("interval %v to %v with a day's past, %v to %v without: want a narrower one", k.Low, k.High, m.Effect.Low, m.Effect.High)
	}
}

// TestGroupsAreChecked.
func TestGroupsAreChecked(t *testing.T) {
	cfg := judged(defaultErrors)
	cfg.Sticky = true
	for says, groups := range map[string][]Group{
		"3 hits in 2 trials in group 1":                     {{N: 5}, {N: 2, K: 3}},
		"more than the 14 in 1425 of all":                   {{N: 1000}, {N: 1000}},
		"300 groups of users where 256 are the most":        make([]Group, 300),
		"have 15 hits in 20 trials between them, more than": {{N: 20, K: 15}},
	} {
		x := counts(1425, 14, 75, 1)
		x.Stable.Groups = groups
		if _, v := Step(cfg, State{}, at(0, x)); v.Decision != Invalid || !strings.Contains(v.Reason, says) {
			t.Errorf("%s: %q, want %q", v.Decision, v.Reason, says)
		}
	}
}

// TestCarriedOverGroups: counts that wait for the other arm keep their groups.
func TestCarriedOverGroups(t *testing.T) {
	a, b := counts(10, 1, 0, 0), counts(20, 2, 5, 1)
	a.Stable.Groups, b.Stable.Groups = []Group{{10, 1}}, []Group{{5, 0}, {15, 2}}
	got := a.plus(b).Stable.Groups
	if len(got) != 2 || got[0] != (Group{15, 1}) || got[1] != (Group{15, 2}) {
		t.Errorf("groups %v", got)
	}
}
