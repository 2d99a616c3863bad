package analysis

import (
	"strings"
	"testing"
)

// TestSharedOutage: both arms fail alike. That is no regression, however bad, and
// no reason to go on either; once it is over the rollout does.
func TestSharedOutage(t *testing.T) {
	cfg := judged(defaultErrors)
	r := rng(1)
	var st State
	var v Verdict
	i := int64(0)
	step := func(p float64) {
		s := fivePercent.arms(failing(p), failing(p))
		st, v = Step(cfg, st, s.sample(r, i))
		i++
	}
	for range 20 {
		step(.01)
	}
	for range 80 { // twenty minutes
		step(.97)
		if v.Decision == Fail || v.Decision == Pass {
			t.Fatalf("%s in an outage of both arms: %s", v.Decision, v.Reason)
		}
	}
	if !strings.HasPrefix(v.Reason, "m: stable itself fails ") || !strings.HasSuffix(v.Reason, "nothing is promoted meanwhile") {
		t.Errorf("reason %q", v.Reason)
	}
	for v.Decision != Pass && v.Decision != Fail && i < 1000 {
		step(.01)
	}
	if v.Decision != Pass {
		t.Errorf("after the outage: %s: %s", v.Decision, v.Reason)
	}
}

// TestARegressionInAnOutage is found in spite of it.
func TestARegressionInAnOutage(t *testing.T) {
	s := fivePercent.arms(failing(.6), failing(.95))
	if o := s.run(judged(defaultErrors), 1, 100, Fail); o.decision != Fail {
		t.Errorf("95%% against 60%%: %s", o.last.Verdict.Reason)
	}
}

// TestSilentArms: a canary that gets no traffic at all, one whose traffic ends, and
// stable likewise. What can be chance is waited for.
func TestSilentArms(t *testing.T) {
	cfg := judged(defaultErrors)
	play := func(blocks int, measure func(i int) Measure) Verdict {
		var st State
		var v Verdict
		for i := range blocks {
			st, v = Step(cfg, st, at(int64(i), measure(i)))
		}
		return v
	}
	v := play(3, func(int) Measure { return counts(40, 0, 0, 0) })
	if v.Decision != Inconclusive {
		t.Errorf("120 requests at 5%%: %s: %s", v.Decision, v.Reason)
	}
	v = play(10, func(int) Measure { return counts(1425, 14, 0, 0) })
	want := "m cannot be judged: stable had 14,250 requests and the canary none, at a share of 5.0%: it gets no traffic, or its counts are missing"
	if v.Decision != Invalid || v.Reason != want {
		t.Errorf("never any traffic: %s: %q, want %q", v.Decision, v.Reason, want)
	}
	v = play(30, func(i int) Measure {
		if i < 25 {
			return counts(1425, 14, 75, 1)
		}
		return counts(1425, 14, 0, 0)
	})
	if v.Decision != Invalid || !strings.Contains(v.Reason, "the canary none") {
		t.Errorf("traffic ends: %s: %s", v.Decision, v.Reason)
	}
	v = play(60, func(i int) Measure {
		if i < 25 {
			return counts(1425, 14, 75, 1)
		}
		return counts(0, 0, 75, 1)
	})
	if v.Decision != Invalid || !strings.Contains(v.Reason, "the canary had 2,625 requests and stable none, at a share of 95.0%") {
		t.Errorf("stable ends: %s: %s", v.Decision, v.Reason)
	}
	v = play(31, func(i int) Measure {
		if i < 25 || i == 30 {
			return counts(1425, 14, 75, 1)
		}
		return counts(1425, 14, 0, 0)
	})
	if v.Decision != Inconclusive {
		t.Errorf("traffic is back: %s: %s", v.Decision, v.Reason)
	}
}

func TestBothArmsSilent(t *testing.T) {
	cfg := judged(defaultErrors)
	var st State
	var v Verdict
	for i := range int64(30) {
		x := counts(1425, 14, 75, 1)
		if i >= 10 {
			x = counts(0, 0, 0, 0)
		}
		st, v = Step(cfg, st, at(i, x))
	}
	if want := "m: neither arm had any requests for about 5 min; nothing is judged meanwhile"; v.Decision != Inconclusive || v.Reason != want {
		t.Errorf("%s: %q, want %q", v.Decision, v.Reason, want)
	}
}

// TestStrictDriftSeesManySmallChanges: ten classes that each move by a point, where
// no change is tolerated.
func TestStrictDriftSeesManySmallChanges(t *testing.T) {
	stable, canary := make([]float64, 10), make([]float64, 10)
	var bins []string
	for i := range stable {
		stable[i], canary[i] = .1, .1+.02*float64(1-2*(i%2))
		bins = append(bins, string(rune('a'+i)))
	}
	s := fivePercent.arms(choosing(stable...), choosing(canary...))
	s.shape = Measure{Bins: bins}
	const n = 12
	strict := judged(Metric{Kind: Drift, Max: .05, Tolerate: 0})
	hits, median, _ := s.tally(strict, n, hour, Fail)
	t.Logf("every class by two points: %d of %d, median %.2f min", hits, n, median/4)
	if hits != n || median > 60 {
		t.Errorf("found in %d of %d, median of %v blocks", hits, n, median)
	}
	s.canary = s.stable
	hits, _, _ = s.tally(strict, n, hour, Fail)
	atMost(t, "equal", hits, n, .01)
}
