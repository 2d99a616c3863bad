package analysis

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// asJSON marshals or fails; encoding/json refuses NaN and infinities.
func asJSON(t interface{ Fatal(...any) }, v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// feed steps through samples.
func feed(cfg Config, st State, samples ...Sample) (State, Verdict) {
	var v Verdict
	for _, x := range samples {
		st, v = Step(cfg, st, x)
	}
	return st, v
}

// at is block number i of 15 seconds with one metric "m".
func at(i int64, x Measure) Sample {
	start := epoch.Add(time.Duration(i) * 15 * time.Second)
	return Sample{
		Block: i + 1, Start: start, End: start.Add(15 * time.Second), Weight: .05,
		Stage: Stage{Factor: 1, Last: true}, Metrics: map[string]Measure{"m": x},
	}
}

// counts is a measure of trials and hits.
func counts(nB, kB, nC, kC int64) Measure {
	return Measure{Stable: Counts{N: nB, K: kB}, Canary: Counts{N: nC, K: kC}}
}

// evidence is what must not change when there is none.
func evidence(v Verdict) []float64 {
	var out []float64
	for _, m := range v.Metrics {
		out = append(out, m.LogRollback, m.LogPromotion, float64(m.CanaryN), float64(m.StableN))
	}
	return out
}

func TestBlockTwiceChangesNothing(t *testing.T) {
	cfg := tenMetrics()
	rapid.Check(t, func(t *rapid.T) {
		r := rng(rapid.Uint64().Draw(t, "seed"))
		var st State
		n := rapid.Int64Range(1, 12).Draw(t, "blocks")
		for i := range n {
			st, _ = Step(cfg, st, tenMeasures(r, i))
		}
		again := tenMeasures(r, rapid.Int64Range(0, n-1).Draw(t, "again"))
		next, v := Step(cfg, st, again)
		if d := cmp.Diff(asJSON(t, st), asJSON(t, next)); d != "" {
			t.Fatalf("an old block changed the state:\n%s", d)
		}
		if d := cmp.Diff(st.Verdict, v); d != "" {
			t.Fatalf("an old block got another verdict:\n%s", d)
		}
	})
}

func TestInputsAreNotModified(t *testing.T) {
	cfg := tenMetrics()
	r := rng(4)
	var st State
	for i := range int64(40) {
		x := tenMeasures(r, i)
		if i%7 == 3 { // make some counts wait for the other arm
			for name, m := range x.Metrics {
				x.Metrics[name] = m.stableOnly()
			}
		}
		x.Stage.Index = int(i / 20)
		before := asJSON(t, []any{cfg, st, x})
		next, v := Step(cfg, st, x)
		if d := cmp.Diff(before, asJSON(t, []any{cfg, st, x})); d != "" {
			t.Fatalf("block %d modified its inputs:\n%s", i, d)
		}
		again, w := Step(cfg, st, x)
		if d := cmp.Diff(asJSON(t, []any{next, v}), asJSON(t, []any{again, w})); d != "" {
			t.Fatalf("block %d: equal inputs gave another output:\n%s", i, d)
		}
		st = next
	}
}

// reread writes a state as JSON and reads it again.
func reread(t interface{ Fatal(...any) }, st State) State {
	var out State
	if err := json.Unmarshal([]byte(asJSON(t, st)), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestStateSurvivesJSON goes through JSON after every block and must stay equal,
// bit for bit, to a state that never did.
func TestStateSurvivesJSON(t *testing.T) {
	cfg := tenMetrics()
	rapid.Check(t, func(t *rapid.T) {
		r := rng(rapid.Uint64().Draw(t, "seed"))
		var kept, stored State
		for i := range int64(12) {
			x := tenMeasures(r, i)
			if i%5 == 1 {
				for name, m := range x.Metrics {
					x.Metrics[name] = m.stableOnly()
				}
			}
			kept, _ = Step(cfg, kept, x)
			stored, _ = Step(cfg, stored, x)
			stored = reread(t, stored)
			if d := cmp.Diff(asJSON(t, kept), asJSON(t, stored)); d != "" {
				t.Fatalf("block %d: JSON changed the state:\n%s", i, d)
			}
		}
	})
}

// leaves counts the values in a JSON document.
func leaves(v any) int {
	n := 0
	switch v := v.(type) {
	case map[string]any:
		for _, e := range v {
			n += leaves(e)
		}
	case []any:
		for _, e := range v {
			n += leaves(e)
		}
	default:
		n = 1
	}
	return n
}

func TestStateDoesNotGrow(t *testing.T) {
	cfg := tenMetrics()
	r := rng(9)
	size := func(st State) int {
		var v any
		if err := json.Unmarshal([]byte(asJSON(t, st)), &v); err != nil {
			t.Fatal(err)
		}
		return leaves(v)
	}
	var st State
	early := 0
	for i := range int64(700) { // beyond the two hours of restarts
		st, _ = Step(cfg, st, tenMeasures(r, i))
		if i == 60 {
			early = size(st)
		}
	}
	if late := size(st); late != early {
		t.Errorf("state of %d values after 60 blocks, %d after 700", early, late)
	}
}

func TestNoCanaryNoEvidence(t *testing.T) {
	cfg := tenMetrics()
	rapid.Check(t, func(t *rapid.T) {
		r := rng(rapid.Uint64().Draw(t, "seed"))
		var st State
		n := rapid.Int64Range(0, 20).Draw(t, "blocks")
		for i := range n {
			st, _ = Step(cfg, st, tenMeasures(r, i))
		}
		quiet := tenMeasures(r, n)
		quiet.Assigned = nil
		for name, m := range quiet.Metrics {
			m.Pairs, m.Disagree = 0, 0
			quiet.Metrics[name] = m.stableOnly()
		}
		_, v := Step(cfg, st, quiet)
		if n > 0 {
			if d := cmp.Diff(evidence(st.Verdict), evidence(v)); d != "" {
				t.Fatalf("a block without canary traffic changed the evidence:\n%s", d)
			}
			return
		}
		for _, m := range v.Metrics {
			if m.LogRollback != 0 || m.LogPromotion != 0 || v.Decision != Inconclusive {
				t.Fatalf("no canary yet, but %s: rollback %v, promotion %v", v.Decision, m.LogRollback, m.LogPromotion)
			}
		}
	})
}

// TestCarryOver: counts of blocks that lack an arm wait for it, and then count
// as one block.
func TestCarryOver(t *testing.T) {
	cfg := plain(judged(defaultErrors))
	seen := at(0, counts(100, 1, 5, 0))
	split, _ := feed(cfg, State{}, seen, at(1, counts(90, 2, 0, 0)), at(2, counts(80, 0, 0, 0)), at(3, counts(70, 1, 4, 1)))
	whole := at(1, counts(240, 3, 4, 1))
	whole.End = at(3, Measure{}).End
	joined, _ := feed(cfg, State{}, seen, whole)
	if d := cmp.Diff(evidence(joined.Verdict), evidence(split.Verdict)); d != "" {
		t.Errorf("carried over against one block:\n%s", d)
	}
	if got := split.Verdict.Metrics[0]; got.CanaryN != 9 || got.StableN != 340 {
		t.Errorf("%d canary and %d stable trials, want 9 and 340", got.CanaryN, got.StableN)
	}
}

// TestCarryOverEndsWithTheWeight: what waited under another traffic share is no
// comparison; it becomes history.
func TestCarryOverEndsWithTheWeight(t *testing.T) {
	cfg := plain(judged(defaultErrors))
	st, _ := feed(cfg, State{}, at(0, counts(100, 1, 5, 0)), at(1, counts(5000, 500, 0, 0)))
	x := at(2, counts(60, 1, 40, 1))
	x.Weight = .4
	st, v := Step(cfg, st, x)
	if v.Metrics[0].StableN != 160 || v.Metrics[0].CanaryN != 45 {
		t.Errorf("%d stable and %d canary trials, want 160 and 45", v.Metrics[0].StableN, v.Metrics[0].CanaryN)
	}
	if past := st.Metrics[0].Share.Contrast.Stable.N; past < 4900 {
		t.Errorf("stable's past holds %v trials, want the dropped ones among them", past)
	}
}

// TestWarmup: the canary's blocks before the end of its warm-up are no evidence,
// however bad; stable's are history.
func TestWarmup(t *testing.T) {
	cfg := judged(defaultErrors)
	cfg.Warmup = 90 * time.Second
	st, v := feed(cfg, State{}, at(0, counts(1000, 10, 0, 0)), at(1, counts(1000, 10, 0, 0)))
	for i := int64(2); i < 8; i++ { // first traffic in block 2; block 8 begins 90 s later
		st, v = Step(cfg, st, at(i, counts(1000, 10, 50, 50)))
	}
	if v.Decision != Inconclusive || v.Metrics[0].CanaryN != 0 || v.Metrics[0].LogRollback != 0 {
		t.Errorf("%s with %d canary trials and evidence %v during warm-up", v.Decision, v.Metrics[0].CanaryN, v.Metrics[0].LogRollback)
	}
	st, v = Step(cfg, st, at(8, counts(1000, 10, 50, 50)))
	if v.Metrics[0].CanaryN != 50 || v.Metrics[0].StableN != 1000 {
		t.Errorf("%d canary and %d stable trials after warm-up, want 50 and 1000", v.Metrics[0].CanaryN, v.Metrics[0].StableN)
	}
	if past := st.Metrics[0].Share.Contrast.Stable.N; past < 7000 {
		t.Errorf("stable's history holds %v trials, want the warm-up's too", past)
	}
}

// TestClockSetBack: a clock set back neither ends a warm-up early nor brings back
// one that is over.
func TestClockSetBack(t *testing.T) {
	cfg := judged(defaultErrors)
	cfg.Warmup = 90 * time.Second
	back := func(x Sample) Sample {
		x.Start, x.End = x.Start.Add(-time.Hour), x.End.Add(-time.Hour)
		return x
	}
	st, _ := feed(cfg, State{}, at(0, counts(1000, 10, 50, 1)), back(at(1, counts(1000, 10, 50, 1))))
	if st.Warm || st.FirstCanary != epoch.Add(15*time.Second-time.Hour).UnixNano() {
		t.Errorf("warm %v, first canary traffic %v", st.Warm, time.Unix(0, st.FirstCanary).UTC())
	}
	st, _ = feed(cfg, State{}, at(0, counts(1000, 10, 50, 1)), at(6, counts(1000, 10, 50, 1)), back(at(7, counts(1000, 10, 50, 1))))
	if got := st.Verdict.Metrics[0].CanaryN; !st.Warm || got != 100 {
		t.Errorf("warm %v with %d canary trials, want the two blocks after the warm-up", st.Warm, got)
	}
}

// TestLearningIsNotEvidence: drift's first block without history only teaches.
func TestLearningIsNotEvidence(t *testing.T) {
	cfg := judged(Metric{Kind: Drift, Max: .05, Tolerate: 1})
	c := Counts{Counts: []int64{60, 40}}
	x := Measure{Bins: []string{"a", "b"}, Stable: c, Canary: c}
	st, v := Step(cfg, State{}, at(0, x))
	if v.Metrics[0].CanaryN != 0 {
		t.Errorf("%d canary trials of the first block are evidence", v.Metrics[0].CanaryN)
	}
	if _, v = Step(cfg, st, at(1, x)); v.Metrics[0].CanaryN != 100 {
		t.Errorf("%d canary trials of the second block are evidence, want 100", v.Metrics[0].CanaryN)
	}
}

// TestPromotionStartsAfreshAtEachStep while rollback evidence goes on.
func TestPromotionStartsAfreshAtEachStep(t *testing.T) {
	cfg := judged(Metric{Kind: ErrorRate, MaxIncrease: .005, Tolerate: .5})
	r := rng(2)
	s := fivePercent.arms(failing(.01), failing(.01))
	var st State
	var v Verdict
	for i := range int64(100) {
		st, v = Step(cfg, st, s.sample(r, i))
	}
	if v.Decision != Pass {
		t.Fatalf("%s after 100 blocks of equal arms", v.Decision)
	}
	x := s.sample(r, 100)
	x.Stage.Index, x.Metrics = 1, nil
	_, w := Step(cfg, st, x)
	if w.Decision != Inconclusive || w.Metrics[0].LogPromotion != 0 {
		t.Errorf("%s with promotion evidence %v at a new step", w.Decision, w.Metrics[0].LogPromotion)
	}
	if w.Metrics[0].LogRollback != v.Metrics[0].LogRollback {
		t.Errorf("rollback evidence %v became %v at a new step", v.Metrics[0].LogRollback, w.Metrics[0].LogRollback)
	}
}

// TestMarginFactor: an early step accepts a wider margin and so passes sooner.
func TestMarginFactor(t *testing.T) {
	cfg := judged(Metric{Kind: ErrorRate, MaxIncrease: .005, Tolerate: .5})
	s := fivePercent.arms(failing(.01), failing(.01))
	last := s.run(cfg, 5, 400, Pass).blocks
	s.stage = Stage{Factor: 4}
	if early := s.run(cfg, 5, 400, Pass).blocks; 2*early > last {
		t.Errorf("passes after %d blocks at four times the margin, %d at the margin", early, last)
	}
}

func TestFailIsFinal(t *testing.T) {
	cfg := judged(defaultErrors)
	r := rng(3)
	bad := fivePercent.arms(failing(.01), failing(.2)).run(cfg, 3, 100, Fail)
	if bad.decision != Fail {
		t.Fatal("20% against 1% was not caught")
	}
	s := fivePercent.arms(failing(.01), failing(0))
	st := bad.last
	for i := range int64(200) {
		x := s.sample(r, bad.blocks+i)
		x.Stage.Index = 3
		var v Verdict
		if st, v = Step(cfg, st, x); v.Decision != Fail {
			t.Fatalf("%s after a Fail", v.Decision)
		}
		if v.Block != x.Block || v.Stage != x.Stage || st.LastBlock != x.Block {
			t.Fatalf("block %d of step %d was not acknowledged: %+v", x.Block, x.Stage.Index, v)
		}
	}
	if d := cmp.Diff(evidence(bad.last.Verdict), evidence(st.Verdict)); d != "" {
		t.Errorf("evidence changed after a Fail:\n%s", d)
	}
	if !strings.HasPrefix(st.Verdict.Reason, "canary errors ") || len(st.Verdict.Culprits) != 1 {
		t.Errorf("reason %q, culprits %v", st.Verdict.Reason, st.Verdict.Culprits)
	}
}

// fuzzed shapes arbitrary counts as a kind has them.
func (c Config) fuzzed(metric Metric, m Measure) Measure {
	m.CanaryOnlyBad, m.StableOnlyBad = m.Canary.K, m.Stable.K
	group := func(a *Counts) {
		a.Groups = make([]Group, 12)
		for i := range a.Groups {
			a.Groups[i] = Group{N: a.N / 12, K: a.K / 12}
		}
	}
	switch {
	case metric.Name == "native":
		m.Stable = Counts{Native: &Native{Schema: 2, Offset: -20, Counts: []int64{m.Stable.K, m.Stable.N}}}
		m.Canary = Counts{Native: &Native{Schema: 5, Zero: m.Canary.K, Offset: -90, Counts: []int64{m.Canary.N}}}
	case metric.Kind == Drift || metric.Kind == Outcome:
		m.Bins = []string{"a", "b"}
		for _, a := range []*Counts{&m.Stable, &m.Canary} {
			a.Counts = []int64{a.N, a.K}
			if metric.Kind == Outcome {
				a.Labelled, a.Wrong = []int64{a.K, a.K / 2}, []int64{a.K / 3}
			}
		}
	case metric.Kind == PairedLatency:
		m.Edges = []float64{.5, 1, 1.1, 2}
		m.Canary.Counts = []int64{m.Stable.N, m.Stable.K, m.Canary.N, m.Canary.K, 1}
	case metric.Name == "users":
		group(&m.Stable)
		group(&m.Canary)
		m.Halves = []Group{{m.Stable.N / 2, m.Stable.K / 2}, {m.Stable.N / 2, m.Stable.K / 3}}
	}
	return m
}

// FuzzStepIsFinite: whatever is counted, up to 2^53, state and verdict are
// finite numbers.
func FuzzStepIsFinite(f *testing.F) {
	f.Add(int64(1<<53), int64(1<<53), int64(1<<53), int64(0), .5, .5)
	f.Add(int64(1), int64(0), int64(1<<53), int64(1<<53), 0.0, 1.0)
	f.Add(int64(1<<53), int64(0), int64(1), int64(1), 1.0, 0.0)
	f.Add(int64(-1), int64(5), int64(3), int64(4), 1.0, 0.0)
	f.Fuzz(func(t *testing.T, nB, kB, nC, kC int64, meanB, meanC float64) {
		const top = 1 << 53
		if max(nB, kB, nC, kC) > top || min(nB, kB, nC, kC) < -top {
			t.Skip()
		}
		x := at(0, Measure{})
		m := counts(nB, kB, nC, kC)
		m.Pairs, m.Disagree = nB, kB
		m.Stable.Sum, m.Stable.SumSq = meanB*float64(nB), meanB*meanB*float64(nB)
		m.Canary.Sum, m.Canary.SumSq = meanC*float64(nC), meanC*meanC*float64(nC)
		for _, metric := range tenMetrics().Metrics {
			one := m
			if metric.Kind == Latency || metric.Kind == Drift {
				one.Stable.Counts, one.Canary.Counts = []int64{nB, kB, 1}, []int64{nC, kC, 0}
				one.Edges, one.Bins = []float64{.1, .2}, []string{"a", "b", "c"}
			}
			x.Metrics[metric.Name] = one
		}
		for _, metric := range families().Metrics {
			x.Metrics[metric.Name] = families().fuzzed(metric, m)
		}
		x.Assigned = []Assignment{{Weight: .05, Stable: nB, Canary: nC}}
		for _, cfg := range []Config{tenMetrics(), families()} {
			var st State
			var v Verdict
			for i := range int64(12) {
				x.Block, x.Start = i+1, epoch.Add(time.Duration(i)*time.Minute)
				x.End = x.Start.Add(time.Minute)
				st, v = Step(cfg, st, x)
			}
			asJSON(t, st)
			for _, m := range v.Metrics {
				if math.IsNaN(m.LogRollback) || math.IsNaN(m.LogPromotion) {
					t.Fatalf("%+v", m)
				}
			}
		}
	})
}
