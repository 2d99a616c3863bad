package analysis

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// labeller draws labels that come for some predictions more often than for others.
type labeller struct {
	says     [2]float64    // shares of yes, by arm
	wrong    [2][2]float64 // share of wrong predictions, by arm and class (no, yes)
	coverage [2][2]float64 // share of labels, likewise
}

func (l labeller) arm(r *rand.Rand, arm int, n int64) Counts {
	yes := binomial(r, n, l.says[arm])
	c := Counts{Counts: []int64{n - yes, yes}}
	for class, n := range c.Counts {
		k := binomial(r, n, l.coverage[arm][class])
		c.Labelled = append(c.Labelled, k)
		c.Wrong = append(c.Wrong, binomial(r, k, l.wrong[arm][class]))
	}
	return c
}

// bare is what is left of counts without the classes.
func bare(c Counts) Counts {
	var out Counts
	for i, n := range c.Labelled {
		out.N += n
		out.K += c.Wrong[i]
	}
	return out
}

// run feeds blocks, with or without the classes, until one of the decisions.
func (l labeller) run(cfg Config, seed uint64, byClass bool, stop ...Decision) State {
	r := rng(seed)
	var st State
	var v Verdict
	for i := range int64(2 * hour) {
		x := Measure{Stable: l.arm(r, 0, poisson(r, 4750)), Canary: l.arm(r, 1, poisson(r, 250))}
		if byClass {
			x.Bins = []string{"no", "yes"}
		} else {
			x.Stable, x.Canary = bare(x.Stable), bare(x.Canary)
		}
		if st, v = Step(cfg, st, at(i, x)); slices.Contains(stop, v.Decision) {
			break
		}
	}
	return st
}

// tally repeats it and counts the decisions that ended it.
func (l labeller) tally(cfg Config, runs int, byClass bool) map[Decision]int {
	out := map[Decision]int{}
	for seed := range uint64(runs) {
		out[l.run(cfg, seed, byClass, Pass, Fail, Invalid).Verdict.Decision]++
	}
	return out
}

// Labels come for 90% of the yes and 30% of the no. Stable says yes for half and
// is wrong in 30% of them and 10% of the no: 20% in all. The worse canary says yes
// less often and is wrong in more of the no: 23%.
var (
	someLabels = [2][2]float64{{.3, .9}, {.3, .9}}
	asGood     = labeller{[2]float64{.5, .5}, [2][2]float64{{.1, .3}, {.1, .3}}, someLabels}
	worse      = labeller{[2]float64{.5, .2}, [2][2]float64{{.1, .3}, {.2125, .3}}, someLabels}
)

// TestSelectiveLabels: among the labelled the worse canary looks better and is
// promoted; counted over all predictions it is not, and an equal one is.
func TestSelectiveLabels(t *testing.T) {
	runs := 12
	if testing.Short() {
		runs = 6
	}
	cfg := judged(Metric{Kind: Outcome, MaxIncrease: .02, Tolerate: .5})
	if got := worse.tally(cfg, runs, false); got[Pass] != runs {
		t.Errorf("labelled alone, the worse canary: %v; the case shows nothing", got)
	}
	if got := worse.tally(cfg, runs, true); got[Pass] > 0 || got[Invalid] > 0 || got[Fail] < runs/2 {
		t.Errorf("the worse canary: %v", got)
	}
	if got := asGood.tally(cfg, runs, true); got[Pass] < runs*8/10 || got[Invalid] > 0 {
		t.Errorf("an equal canary: %v", got)
	}
	m := worse.run(cfg, 1, true, Fail).Verdict.Metrics[0]
	if !close(m.Stable, .2, .01) || !close(m.Canary, .23, .02) {
		t.Errorf("wrong predictions estimated at %v and %v, in truth 0.2 and 0.23", m.Stable, m.Canary)
	}
}

// TestLabelsByVersionAreInvalid: where the version itself decides what gets a
// label, no reckoning helps; that is found, and stays.
func TestLabelsByVersionAreInvalid(t *testing.T) {
	l := asGood
	l.coverage[1] = [2]float64{.3, .6}
	cfg := judged(Metric{Kind: Outcome, MaxIncrease: .01, Tolerate: .5})
	st := l.run(cfg, 1, true, Invalid)
	want := "those that have one cannot be compared"
	if st.Verdict.Decision != Invalid || !strings.Contains(st.Verdict.Reason, want) || !strings.Contains(st.Verdict.Reason, "of class yes") {
		t.Fatalf("%s: %q", st.Verdict.Decision, st.Verdict.Reason)
	}
	if st, v := Step(cfg, st, at(5000, Measure{})); v.Decision != Invalid || st.Metrics[0].Void == "" {
		t.Errorf("afterwards %s", v.Decision)
	}
	cfg.SRM = 0
	if l.run(cfg, 1, true, Invalid).Verdict.Decision == Invalid {
		t.Error("found with the checks off")
	}
}

func TestLabelsAreChecked(t *testing.T) {
	cfg := judged(Metric{Kind: Outcome, MaxIncrease: .01})
	for says, c := range map[string]Counts{
		"2 wrong of 1 labelled of 5 predictions of class no": {Counts: []int64{5}, Labelled: []int64{1}, Wrong: []int64{2}},
		"0 wrong of 6 labelled of 5 predictions of class no": {Counts: []int64{5}, Labelled: []int64{6}},
		"1 classes predicted, 2 labelled, 0 wrong":           {Counts: []int64{5}, Labelled: []int64{1, 1}},
		"3 buckets where 2 were expected":                    {Counts: []int64{5, 5, 5}},
	} {
		x := Measure{Bins: []string{"no", "yes"}, Stable: c}
		if _, v := Step(cfg, State{}, at(0, x)); v.Decision != Invalid || !strings.Contains(v.Reason, says) {
			t.Errorf("%s: %q, want %q", v.Decision, v.Reason, says)
		}
	}
	good := Counts{Counts: []int64{500, 500}, Labelled: []int64{100, 300}, Wrong: []int64{10, 30}}
	st, _ := Step(cfg, State{}, at(0, Measure{Bins: []string{"no", "yes"}, Stable: good, Canary: good}))
	if _, v := Step(cfg, st, at(1, Measure{Bins: []string{"yes", "no"}, Stable: good, Canary: good})); v.Decision != Invalid {
		t.Errorf("classes in another order: %s", v.Decision)
	}
	if _, v := Step(cfg, State{}, at(0, Measure{Bins: []string{"no"}, Stable: Counts{Counts: []int64{9}}, Canary: Counts{Counts: []int64{9}}})); v.Reason != "m: waiting for enough labels to know who gets them" {
		t.Errorf("no labels: %s", v.Reason)
	}
}

// TestLabelsWait: counts of classes that wait for the other arm add up.
func TestLabelsWait(t *testing.T) {
	a := Counts{Counts: []int64{5, 3}, Labelled: []int64{1}, Wrong: []int64{1}}
	b := Counts{Counts: []int64{2, 2, 2}, Labelled: []int64{2, 1}}
	got := a.plus(b)
	if got.Counts[1] != 5 || got.Labelled[0] != 3 || got.Labelled[1] != 1 || got.Wrong[0] != 1 || len(got.Wrong) != 3 {
		t.Errorf("%+v", got)
	}
}
