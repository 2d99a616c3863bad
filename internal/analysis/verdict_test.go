package analysis

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/internal/stats"
)

func close(a, b, tol float64) bool { return math.Abs(a-b) <= tol }

func TestSharesOfAlpha(t *testing.T) {
	c := Config{Metrics: []Metric{
		{Kind: ErrorRate}, {Kind: Latency}, {Kind: Outcome}, {Kind: Drift}, {Kind: Pairs}, {Kind: Mean},
	}}
	want := []float64{.4, .2, .15, .075, .075, .1}
	for i, got := range c.shares() {
		if !close(got, want[i], 1e-12) {
			t.Errorf("%s gets %v of α, want %v", c.Metrics[i].Kind, got, want[i])
		}
	}
	c.Metrics = []Metric{{Kind: ErrorRate}, {Kind: Latency}}
	if got := c.shares(); !close(got[0], 2./3, 1e-12) {
		t.Errorf("errors get %v of α when only latency is declared beside, want 2/3", got[0])
	}
	c.Metrics[1].Weight = .4
	if got := c.shares(); !close(got[0], .5, 1e-12) {
		t.Errorf("a weight of 0.4 leaves %v to errors, want half", got[0])
	}
}

func TestAttemptsShareAlpha(t *testing.T) {
	sum := 0.0
	for k := range 20000 {
		sum += Config{FalseRollback: .01, Attempt: k + 1}.level()
	}
	if !close(sum, .01, 1e-6) {
		t.Errorf("all attempts together spend %v, want 0.01", sum)
	}
	if a, b := (Config{FalseRollback: .01}).level(), (Config{FalseRollback: .01, Attempt: 1}).level(); a != b {
		t.Errorf("attempt 0 spends %v, attempt 1 %v", a, b)
	}
}

// combined feeds a rollout of errors and a mean the same blocks until it ends.
func combined(t *testing.T, cfg Config, blocks int, measures map[string]Measure) Verdict {
	t.Helper()
	var st State
	var v Verdict
	for i := range int64(blocks) {
		x := at(i, Measure{})
		x.Metrics = measures
		if st, v = Step(cfg, st, x); v.Decision == Fail {
			break
		}
	}
	return v
}

func errorsAndConfidence() Config {
	c := judged(Metric{})
	c.Metrics = []Metric{
		{Name: "errors", Kind: ErrorRate, MaxRatio: 1.25, MaxIncrease: .001, Tolerate: .5},
		{Name: "confidence", Kind: Mean, Upper: 1, MaxDecrease: .02, Tolerate: .5},
	}
	return c
}

// values is one arm's moments of n values around a mean.
func values(n int64, mean float64) Counts {
	return Counts{N: n, Sum: mean * float64(n), SumSq: (mean*mean + .02) * float64(n)}
}

func TestCulpritIsNamed(t *testing.T) {
	v := combined(t, errorsAndConfidence(), 200, map[string]Measure{
		"errors":     counts(1425, 14, 75, 1),
		"confidence": {Stable: values(1425, .7), Canary: values(75, .5)},
	})
	if v.Decision != Fail || !cmp.Equal(v.Culprits, []string{"confidence"}) {
		t.Fatalf("%s, culprits %v, want confidence alone", v.Decision, v.Culprits)
	}
	if v.Metrics[0].Decision == Fail || v.Metrics[1].Decision != Fail {
		t.Errorf("decisions %s and %s", v.Metrics[0].Decision, v.Metrics[1].Decision)
	}
	if !strings.HasPrefix(v.Reason, "canary mean of confidence 0.5 against 0.7, tolerated down to 0.69, after ") {
		t.Errorf("reason %q", v.Reason)
	}
}

// TestEvidenceAdds: two metrics that fall short of their own thresholds can
// suffice together.
func TestEvidenceAdds(t *testing.T) {
	c := errorsAndConfidence()
	c.Metrics[1] = c.Metrics[0]
	c.Metrics[1].Name = "more errors"
	both := combined(t, c, 400, map[string]Measure{"errors": counts(1425, 14, 75, 2), "more errors": counts(1425, 14, 75, 2)})
	alone := combined(t, c, 400, map[string]Measure{"errors": counts(1425, 14, 75, 2), "more errors": counts(1425, 14, 75, 0)})
	if both.Decision != Fail || alone.Decision != Fail || both.Block >= alone.Block {
		t.Errorf("together %s at block %d, alone %s at block %d: want together sooner",
			both.Decision, both.Block, alone.Decision, alone.Block)
	}
	if m := both.Metrics[0]; m.LogRollback >= m.RollbackThreshold {
		t.Errorf("evidence %v alone reaches %v: nothing was added", m.LogRollback, m.RollbackThreshold)
	}
}

func TestEveryGateMustPass(t *testing.T) {
	fine := map[string]Measure{
		"errors":     counts(14250, 142, 750, 7),
		"confidence": {Stable: values(14250, .7), Canary: values(750, .7)},
	}
	v := combined(t, errorsAndConfidence(), 60, fine)
	if v.Decision != Pass || !strings.HasPrefix(v.Reason, "every metric is within its margin at this step") {
		t.Errorf("%s: %s", v.Decision, v.Reason)
	}
	delete(fine, "confidence")
	v = combined(t, errorsAndConfidence(), 60, fine)
	if v.Decision != Inconclusive || v.Reason != "confidence: waiting for canary predictions, none compared yet" {
		t.Errorf("%s: %s", v.Decision, v.Reason)
	}
	if v.Metrics[0].Decision != Pass {
		t.Errorf("errors by themselves: %s", v.Metrics[0].Decision)
	}
}

// TestDelayedMetricsGateTheLastStepOnly.
func TestDelayedMetricsGateTheLastStepOnly(t *testing.T) {
	c := errorsAndConfidence()
	c.Metrics[1] = Metric{Name: "accuracy", Kind: Outcome, MaxIncrease: .01, Tolerate: .5}
	var st State
	var v Verdict
	step := func(i int64, last bool) {
		x := at(i, Measure{})
		x.Stage.Last = last
		x.Metrics = map[string]Measure{"errors": counts(14250, 142, 750, 7)}
		st, v = Step(c, st, x)
	}
	for i := range int64(30) {
		step(i, false)
	}
	if v.Decision != Pass {
		t.Errorf("early step without labels: %s: %s", v.Decision, v.Reason)
	}
	for i := range int64(30) {
		step(30+i, true)
	}
	if v.Decision != Inconclusive || !strings.HasPrefix(v.Reason, "accuracy: waiting for labelled canary predictions") {
		t.Errorf("last step without labels: %s: %s", v.Decision, v.Reason)
	}
}

// TestClocks: labels come by another clock, so their evidence does not add to
// that of requests, but suffices at its own share.
func TestClocks(t *testing.T) {
	c := errorsAndConfidence()
	c.Metrics[1] = Metric{Name: "accuracy", Kind: Outcome, MaxIncrease: .01, Tolerate: .5}
	v := combined(t, c, 400, map[string]Measure{
		"errors":   counts(1425, 14, 75, 0),
		"accuracy": counts(1425, 285, 75, 30),
	})
	if v.Decision != Fail || !cmp.Equal(v.Culprits, []string{"accuracy"}) {
		t.Fatalf("%s, culprits %v", v.Decision, v.Culprits)
	}
	if m := v.Metrics[1]; m.LogRollback < m.RollbackThreshold {
		t.Errorf("failed with evidence %v under its own threshold %v", m.LogRollback, m.RollbackThreshold)
	}
	if !strings.HasPrefix(v.Reason, "canary wrong predictions 40.0% against 20.0%, tolerated up to 20.5%, after ") {
		t.Errorf("reason %q", v.Reason)
	}
}

func TestWrongSplitIsInvalid(t *testing.T) {
	cfg := judged(defaultErrors)
	x := at(0, counts(800, 8, 200, 2))
	x.Assigned = []Assignment{{Weight: .05, Stable: 800, Canary: 200}}
	st, v := Step(cfg, State{}, x)
	want := "traffic is not split as configured: the canary got 20.0% of 1,000 requests instead of 5.0%; a comparison on such traffic cannot be trusted"
	if v.Decision != Invalid || v.Reason != want {
		t.Errorf("%s: %q, want Invalid: %q", v.Decision, v.Reason, want)
	}
	// A regression outranks a wrong split.
	for i := int64(1); i < 60; i++ {
		st, v = Step(cfg, st, at(i, counts(1425, 14, 75, 40)))
	}
	if v.Decision != Fail {
		t.Errorf("%s, want Fail over Invalid", v.Decision)
	}
	cfg.SRM = 0
	if _, v = Step(cfg, State{}, x); v.Decision != Inconclusive {
		t.Errorf("%s with the traffic check off", v.Decision)
	}
}

// TestAWrongSplitStaysWrong: what was counted meanwhile remains in the evidence,
// so a split put right again does not make the comparison trustworthy.
func TestAWrongSplitStaysWrong(t *testing.T) {
	cfg := judged(defaultErrors)
	x := at(0, counts(800, 8, 200, 2))
	x.Assigned = []Assignment{{Weight: .05, Stable: 800, Canary: 200}}
	st, _ := Step(cfg, State{}, x)
	var v Verdict
	for i := int64(1); i < 100; i++ {
		x := at(i, counts(14250, 142, 750, 7))
		x.Assigned = []Assignment{{Weight: .05, Stable: 14250, Canary: 750}}
		st, v = Step(cfg, st, x)
	}
	if cfg.wronglySplit(st.Traffic) {
		t.Fatal("the evidence has not receded; the test shows nothing")
	}
	if v.Decision != Invalid || v.Metrics[0].Decision != Pass {
		t.Errorf("%s, errors by themselves %s: want Invalid and Pass", v.Decision, v.Metrics[0].Decision)
	}
}

// TestAPassStays: within a step, until the evidence has turned round entirely.
func TestAPassStays(t *testing.T) {
	cfg := plain(judged(Metric{Kind: ErrorRate, MaxIncrease: .005, Tolerate: 1}))
	st, v := State{}, Verdict{}
	i := int64(0)
	step := func(canary int64) {
		st, v = Step(cfg, st, at(i, counts(14250, 142, 750, canary)))
		i++
	}
	for v.Decision != Pass {
		if step(7); i > 100 {
			t.Fatal("equal arms do not pass")
		}
	}
	for v.Metrics[0].LogPromotion > 1 {
		step(12)
		if v.Metrics[0].LogPromotion > 0 && v.Decision != Pass {
			t.Fatalf("%s at evidence %v after a pass at this step", v.Decision, v.Metrics[0].LogPromotion)
		}
	}
	for v.Metrics[0].LogPromotion >= 0 {
		step(12)
	}
	if v.Decision != Inconclusive {
		t.Errorf("%s once the evidence says the opposite", v.Decision)
	}
	for v.Metrics[0].LogPromotion < 2 {
		step(7)
	}
	if v.Decision != Inconclusive {
		t.Errorf("%s at evidence %v: a pass that was lost has to be shown again", v.Decision, v.Metrics[0].LogPromotion)
	}
}

func TestUnusableCountsAreInvalid(t *testing.T) {
	edges := []float64{.1, .2}
	hist := func(n ...int64) Counts { return Counts{Counts: n} }
	lat := Metric{Kind: Latency, Slower: []Slower{{Quantile: .5, Share: .1}}}
	for name, c := range map[string]struct {
		metric Metric
		x      Measure
		says   string
	}{
		"more hits than trials": {defaultErrors, counts(10, 1, 5, 6), "canary: 6 hits in 5 trials"},
		"negative":              {defaultErrors, counts(-1, 0, 5, 0), "stable: 0 hits in -1 trials"},
		"no edges":              {lat, Measure{Stable: hist(1, 2, 3)}, "no latency edges"},
		"falling edges":         {lat, Measure{Edges: []float64{.2, .1}}, "must be positive and ascending"},
		"too many buckets":      {lat, Measure{Edges: edges, Canary: hist(1, 2, 3, 4)}, "canary: 4 buckets where 3 were expected"},
		"negative bucket":       {lat, Measure{Edges: edges, Stable: hist(1, -2, 3)}, "stable: bucket 1 counts -2"},
		"out of bounds": {Metric{Kind: Mean, Upper: 1}, Measure{Stable: Counts{N: 2, Sum: 7, SumSq: 30}},
			"values outside their bounds"},
		"no bounds":       {Metric{Kind: Mean}, Measure{}, "bounds of the value are missing"},
		"more than pairs": {Metric{Kind: Pairs, Max: .1}, Measure{Pairs: 3, Disagree: 4}, "4 disagreements in 3 pairs"},
		"unknown kind":    {Metric{Kind: "magic"}, Measure{}, "no test for metrics of kind magic"},
	} {
		st, v := Step(judged(c.metric), State{}, at(0, c.x))
		if v.Decision != Invalid || !strings.Contains(v.Reason, c.says) {
			t.Errorf("%s: %s: %q, want Invalid saying %q", name, v.Decision, v.Reason, c.says)
		}
		if _, v = Step(judged(c.metric), st, at(1, Measure{})); v.Metrics[0].CanaryN != 0 {
			t.Errorf("%s: unusable counts became evidence", name)
		}
	}
}

func TestSchemaChangesAreInvalid(t *testing.T) {
	lat := judged(Metric{Kind: Latency, Slower: []Slower{{Quantile: .5, Share: .1}}})
	block := func(i int64, canary bool, edges ...float64) Sample {
		m := Measure{Edges: edges, Stable: Counts{Counts: []int64{5, 5, 5}}}
		if canary {
			m.Canary = m.Stable
		}
		return at(i, m)
	}
	_, v := feed(lat, State{}, block(0, true, .1, .2), block(1, true, .1, .3))
	if v.Decision != Invalid {
		t.Errorf("changed edges: %s", v.Decision)
	}
	_, v = feed(lat, State{}, block(0, true, .1, .2), block(1, true, .1, .3), block(2, true, .1, .2))
	if v.Decision != Inconclusive {
		t.Errorf("edges back as they were: %s: %s", v.Decision, v.Reason)
	}
	drift := judged(Metric{Kind: Drift, Max: .05, Tolerate: 1})
	classes := func(i int64, bins ...string) Sample {
		c := Counts{Counts: make([]int64, len(bins))}
		c.Counts[0] = 9
		return at(i, Measure{Bins: bins, Stable: c, Canary: c})
	}
	if _, v = feed(drift, State{}, classes(0, "a", "b"), classes(1, "b", "a")); v.Decision != Invalid {
		t.Errorf("renamed classes: %s", v.Decision)
	}
	if _, v = feed(drift, State{}, classes(0, "a"), classes(1, "a", "b"), classes(2, "a", "b", "c")); v.Decision != Inconclusive {
		t.Errorf("new classes at the end: %s: %s", v.Decision, v.Reason)
	}
}

func TestSentences(t *testing.T) {
	cfg := judged(defaultErrors)
	_, v := feed(cfg, State{}, at(0, counts(1425, 14, 75, 1)), at(1, counts(1425, 14, 75, 1)))
	want := "canary errors 1.3% against 1.0%, after 150 canary requests; not yet shown to be at most 1.3%, about 21 min more at this traffic if it is as good as stable"
	if v.Reason != want {
		t.Errorf("got  %q\nwant %q", v.Reason, want)
	}
	_, v = feed(cfg, State{}, at(0, counts(1425, 14, 0, 0)))
	if want := "m: waiting for canary requests, none compared yet"; v.Reason != want {
		t.Errorf("got  %q\nwant %q", v.Reason, want)
	}
	cfg.Warmup = 0
	x := at(0, counts(30, 0, 0, 0))
	x.Assigned = []Assignment{{Weight: .05, Stable: 30, Canary: 1}}
	_, v = feed(cfg, State{}, x)
	if want := "m: waiting for canary requests, none so far against 30 of stable; at a share of 5.0% one is due every 9 s"; v.Reason != want {
		t.Errorf("got  %q\nwant %q", v.Reason, want)
	}
	slow := at(0, counts(15, 0, 1, 0))
	slow.End = slow.Start.Add(15 * time.Second)
	_, v = feed(cfg, State{}, slow)
	if !strings.Contains(v.Reason, "h more at this traffic") || !strings.HasSuffix(v.Reason, "raise the weight, shadow, or allow more time") {
		t.Errorf("at one request a second: %q", v.Reason)
	}
	if !strings.Contains(v.Reason, "; a doubling of errors would show in ") || !strings.Contains(v.Reason, " at half of the traffic: raise") {
		t.Errorf("no outlook: %q", v.Reason)
	}
	cfg.Warmup = 90 * time.Second
	_, v = feed(cfg, State{}, at(0, counts(1425, 14, 75, 1)))
	if want := "m: the canary is warming up, for about 75 s more; its requests are not compared yet"; v.Reason != want {
		t.Errorf("got  %q\nwant %q", v.Reason, want)
	}
}

// TestOutlook compares with the published 9 hours at 5% and 2 hours at a half for
// one request a second, which are for a strict rollback boundary.
func TestOutlook(t *testing.T) {
	s := &metricState{Phi: 1, Flow: flow{Seconds: 1000, Stable: 950, Canary: 50}, Share: &shareState{}}
	s.Share.Contrast.Stable.N, s.Share.Contrast.Stable.K = 1e6, 1e4
	got := Metric{Kind: ErrorRate}.outlook(s, math.Log(100)*1.25)
	if want := "; a doubling of errors would show in about 9 h, or about 2 h at half of the traffic"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := (Metric{Kind: Mean}).outlook(s, 5); got != "" {
		t.Errorf("a mean's outlook: %q", got)
	}
}

func TestImpossibleLevelsStayFinite(t *testing.T) {
	cfg := judged(defaultErrors)
	cfg.FalseRollback, cfg.FalsePromotion = 0, 0
	st, _ := Step(cfg, State{}, at(0, counts(100, 1, 5, 0)))
	asJSON(t, st)
}

func TestNothingToJudgeBy(t *testing.T) {
	pairs := judged(Metric{Kind: Pairs, Max: .02, Tolerate: 1})
	x := at(0, Measure{})
	x.Metrics = nil
	x.Stage = Stage{Factor: 1}
	if _, v := Step(pairs, State{}, x); v.Decision != Pass {
		t.Errorf("early step that no metric gates: %s", v.Decision)
	}
	x.Stage.Last = true
	if _, v := Step(pairs, State{}, x); v.Decision != Inconclusive {
		t.Errorf("last step that no metric gates: %s", v.Decision)
	}
}

// TestStrongestIsBlamedWhenNoneIsNamed: 200, 150, 50 and 0 average 100, but every
// metric belongs to a smaller family that does not reach it.
func TestStrongestIsBlamedWhenNoneIsNamed(t *testing.T) {
	j := judgement{
		cfg:   Config{Metrics: []Metric{{Name: "a"}, {Name: "b"}, {Name: "c"}, {Name: "d"}}},
		alpha: math.Log(99), states: make([]metricState, 4), sums: make([]summary, 4),
		out: Verdict{Metrics: make([]MetricVerdict, 4)},
	}
	j.sums[1].phrase = "canary errors 2% against 1%"
	var claims []stats.Claim
	for _, e := range []float64{150, 200, 50, 1e-9} {
		claims = append(claims, stats.Claim{Share: .25, LogE: math.Log(e)})
	}
	if stats.Family(claims) < j.alpha {
		t.Fatal("the family does not reach the threshold")
	}
	j.fail(claims)
	if !cmp.Equal(j.out.Culprits, []string{"b"}) || j.out.Metrics[1].Decision != Fail ||
		!strings.HasPrefix(j.out.Reason, "several metrics together; most of all canary errors 2% against 1%") {
		t.Errorf("culprits %v: %s", j.out.Culprits, j.out.Reason)
	}
}
