package analysis

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// halved draws failures of stable in two halves of which the second fails worse
// times as often.
func halvesOf(r *rand.Rand, n int64, p, worse float64) (Counts, []Group) {
	h := []Group{{N: n / 2}, {N: n - n/2}}
	h[0].K, h[1].K = binomial(r, h[0].N, p), binomial(r, h[1].N, p*worse)
	return Counts{N: n, K: h[0].K + h[1].K}, h
}

func playHalves(worse float64) play {
	return func(r *rand.Rand) Measure {
		x := Measure{Canary: failing(.01)(r, 75)}
		x.Stable, x.Halves = halvesOf(r, 1425, .01, worse)
		return x
	}
}

// TestHalvesOfStable: equal halves raise no alarm; halves that differ do, and stay
// in the way of a pass.
func TestHalvesOfStable(t *testing.T) {
	runs := 40
	if testing.Short() {
		runs = 15
	}
	cfg := judged(Metric{Kind: ErrorRate, MaxIncrease: .005, Tolerate: .5})
	hits, _ := playHalves(1).tally(cfg, runs, hour, Invalid)
	atMost(t, "equal halves", hits, runs, .001)
	hits, blocks := playHalves(2).tally(cfg, runs, hour, Invalid)
	t.Logf("halves of 1 and 2%%: %d of %d, after %.0f blocks", hits, runs, blocks)
	if hits != runs {
		t.Errorf("halves that differ: alarm in %d of %d", hits, runs)
	}
	_, st := playHalves(2).run(cfg, 1, hour, Invalid)
	if r := st.Verdict.Reason; !strings.HasPrefix(r, "m cannot be judged: two halves of stable, which differ in nothing, have ") {
		t.Errorf("reason %q", r)
	}
	if st.Metrics[0].Phi < 1.04 {
		t.Errorf("evidence tempered by %v although the halves differ", st.Metrics[0].Phi)
	}
	_, v := Step(cfg, st, at(9999, playHalves(1)(rng(1))))
	if v.Decision != Invalid {
		t.Errorf("afterwards %s", v.Decision)
	}
	cfg.SRM = 0
	if hit, _ := playHalves(2).run(cfg, 1, hour, Invalid); hit {
		t.Error("alarm with the checks off")
	}
}

func TestHalvesAreChecked(t *testing.T) {
	cfg := judged(defaultErrors)
	for _, halves := range [][]Group{{{N: 5}}, {{N: 5, K: 6}, {N: 5}}, {{N: 900}, {N: 900}}} {
		x := counts(1425, 14, 75, 1)
		x.Halves = halves
		if _, v := Step(cfg, State{}, at(0, x)); v.Decision != Invalid || !strings.Contains(v.Reason, "halves of stable") {
			t.Errorf("%v: %s: %q", halves, v.Decision, v.Reason)
		}
	}
	a, b := counts(10, 1, 0, 0), counts(10, 1, 5, 0)
	a.Halves, b.Halves = []Group{{5, 1}, {5, 0}}, []Group{{5, 0}, {5, 1}}
	if got := a.plus(b).Halves; got[0] != (Group{10, 1}) || got[1] != (Group{10, 1}) {
		t.Errorf("carried over: %v", got)
	}
}
