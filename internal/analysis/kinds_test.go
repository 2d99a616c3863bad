package analysis

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestHistogramInterpolation(t *testing.T) {
	h := histogram{edges: []float64{.1, .2, .4}, counts: []float64{10, 20, 30, 40}}
	for _, c := range []struct{ x, want float64 }{
		{.1, 90}, {.2, 70}, {.4, 40},
		{.2 * math.Sqrt2, 40 + .5*30}, // halfway on the logarithm
		{.05, 90 + .5*10},             // halfway below the first edge
		{9, 40},                       // beyond the last edge
	} {
		if got := h.exceeding(c.x); !close(got, c.want, 1e-9) {
			t.Errorf("%v values exceed %v, want %v", got, c.x, c.want)
		}
	}
	for _, c := range []struct {
		q, want float64
		ok      bool
	}{{.1, .1, true}, {.3, .2, true}, {.45, .2 * math.Sqrt2, true}, {.05, .05, true}, {.9, .4, false}} {
		got, ok := h.quantile(c.q)
		if !close(got, c.want, 1e-9) || ok != c.ok {
			t.Errorf("quantile %v = %v, %v; want %v, %v", c.q, got, ok, c.want, c.ok)
		}
	}
	if _, ok := (histogram{edges: h.edges, counts: make([]float64, 4)}).quantile(.5); ok {
		t.Error("a quantile of nothing")
	}
}

func TestNearestEdge(t *testing.T) {
	edges := []float64{.1, .2, .4}
	for x, want := range map[float64]int{.01: 0, .1: 0, .14: 0, .142: 1, .2: 1, .3: 2, .28: 1, 9: 2} {
		if got := nearest(edges, x); got != want {
			t.Errorf("nearest edge to %v is %d, want %d", x, got, want)
		}
	}
}

// TestAllowedSlowdown: what the canary may take, and the same slowdown taken back
// to where stable is looked at.
func TestAllowedSlowdown(t *testing.T) {
	edges := []float64{.05, .1, .11, .12, .125, .2}
	edge, point := Slower{Quantile: .5, Share: .1}.allowed(edges, .1, 1)
	if edge != 2 || !close(point, .1, 1e-12) {
		t.Errorf("10%%: edge %d and point %v, want 2 and 0.1", edge, point)
	}
	edge, point = Slower{Quantile: .99, Share: .1}.allowed(edges, .1, 2)
	if edge != 3 || !close(point, .1, 1e-12) {
		t.Errorf("twice 10%%: edge %d and point %v, want 3 and 0.1", edge, point)
	}
	edge, point = Slower{Quantile: .99, By: 20 * time.Millisecond}.allowed(edges, .1, 1)
	if edge != 3 || !close(point, .1, 1e-12) {
		t.Errorf("20 ms: edge %d and point %v, want 3 and 0.1", edge, point)
	}
}

func TestQuantilesAreNamedFromHistory(t *testing.T) {
	m := Metric{Kind: Latency, Slower: []Slower{{Quantile: .5, Share: .1}, {Quantile: .99, Share: .25}}}
	cfg := judged(m)
	edges := schema(3, .01, 2)
	draw := lognormal(edges, .05, .202, 1, 0)
	r := rng(1)
	block := func(i, nB, nC int64) Sample {
		return at(i, Measure{Edges: edges, Stable: draw(r, nB), Canary: draw(r, nC)})
	}
	st, v := feed(cfg, State{}, block(0, 100, 0))
	named := st.Metrics[0].Latency.Slower
	if named[0].Named == 0 || named[1].Named != 0 {
		t.Errorf("after 100 requests p50 is %v and p99 %v, want the first alone", named[0].Named, named[1].Named)
	}
	st, v = feed(cfg, st, block(1, 100, 10))
	if !strings.Contains(v.Metrics[0].Reason, "waiting for enough stable requests to know its p99") {
		t.Errorf("reason %q", v.Metrics[0].Reason)
	}
	st, v = feed(cfg, st, block(2, 5000, 100))
	p99 := st.Metrics[0].Latency.Slower[1].Named
	if p99 < .15 || p99 > .27 {
		t.Errorf("p99 named as %v, want about 0.2", p99)
	}
	st, v = feed(cfg, st, block(3, 5000, 300))
	if now := st.Metrics[0].Latency.Slower[1].Named; now != p99 {
		t.Errorf("p99 renamed from %v to %v", p99, now)
	}
	if e := v.Metrics[0].Effect; e.Unit != "seconds" || !e.Always || e.Low > e.Estimate || e.High < e.Estimate || e.Margin <= 0 {
		t.Errorf("effect %+v", e)
	}
}

// TestSlowBeginningsAreForgotten: what stable did while it was cold is not what a
// canary may be slower than.
func TestSlowBeginningsAreForgotten(t *testing.T) {
	cfg := judged(Metric{Kind: Latency, Slower: []Slower{{Quantile: .5, Share: .1}}})
	edges := schema(3, .01, 2)
	cold, warm := lognormal(edges, .5, .202, 1, 0), lognormal(edges, .05, .202, 1, 0)
	r := rng(1)
	var st State
	for i := range int64(6) {
		draw := warm
		if i == 0 {
			draw = cold
		}
		st, _ = feed(cfg, st, at(i, Measure{Edges: edges, Stable: draw(r, 100), Canary: draw(r, 0)}))
	}
	if p50 := st.Metrics[0].Latency.Slower[0].Named; p50 < .04 || p50 > .07 {
		t.Errorf("before the first canary request p50 is named %v, want about 0.05", p50)
	}
}

func TestLatencyBeyondTheLastEdgeSaysSo(t *testing.T) {
	cfg := judged(Metric{Kind: Latency, Slower: []Slower{{Quantile: .5, Share: .1}}})
	slow := Counts{Counts: []int64{0, 1, 999}}
	_, v := feed(cfg, State{}, at(0, Measure{Edges: []float64{.1, .2}, Stable: slow, Canary: slow}))
	if want := "m: waiting for a p50 under the last latency edge of 200 ms"; v.Reason != want {
		t.Errorf("reason %q, want %q", v.Reason, want)
	}
}

func TestCoarseEdgesAreAnnounced(t *testing.T) {
	if s := coarse(schema(5, .01, 1), 60, schema(5, .01, 1)[60]/1.1); s != "" {
		t.Errorf("fine edges: %q", s)
	}
	edges := []float64{.005, .01, .025, .05, .1, .25, .5, 1}
	if s := coarse(edges, 5, .25/1.1); !strings.Contains(s, "between 0% and 150% longer") {
		t.Errorf("coarse edges: %q", s)
	}
}

func TestOverAFixedTime(t *testing.T) {
	edges := schema(3, .01, 2)
	s := fivePercent.arms(lognormal(edges, .05, .202, 1, 0), lognormal(edges, .05, .202, 1, .05))
	s.shape = Measure{Edges: edges}
	cfg := judged(Metric{Kind: Latency, Over: []Over{{Threshold: 250 * time.Millisecond, MaxIncrease: .01}}, Tolerate: .5})
	o := s.run(cfg, 1, hour, Fail)
	if o.decision != Fail || !strings.HasPrefix(o.last.Verdict.Reason, "canary over 250 ms ") {
		t.Errorf("%s: %s", o.decision, o.last.Verdict.Reason)
	}
	s.canary = s.stable
	if o := s.run(cfg, 1, hour, Pass); o.decision != Pass {
		t.Errorf("equal arms: %s: %s", o.decision, o.last.Verdict.Reason)
	}
}

// TestClassesSeenLate: a class only the canary answers, first seen in the middle,
// is evidence too.
func TestClassesSeenLate(t *testing.T) {
	cfg := judged(Metric{Kind: Drift, Max: .05, Tolerate: 1})
	var st State
	var v Verdict
	for i := range int64(60) {
		x := Measure{Bins: []string{"a", "b"}, Stable: Counts{Counts: []int64{900, 525}}, Canary: Counts{Counts: []int64{47, 28}}}
		if i >= 20 {
			x.Bins = []string{"a", "b", "broken"}
			x.Canary.Counts = []int64{40, 21, 14}
		}
		if st, v = Step(cfg, st, at(i, x)); v.Decision == Fail {
			break
		}
	}
	if v.Decision != Fail || !strings.HasPrefix(v.Reason, "canary answers class broken ") {
		t.Errorf("%s: %s", v.Decision, v.Reason)
	}
	d := st.Metrics[0].Drift
	if d.Initial != 2 || len(d.Events) != 3 {
		t.Errorf("%d events at first, %d now, want 2 and 3", d.Initial, len(d.Events))
	}
	sum := 0.0
	for i := range 200 {
		sum += d.share(i)
	}
	if sum > 1+1e-12 {
		t.Errorf("shares of classes sum to %v", sum)
	}
}

func TestOrderedBinsAreCumulative(t *testing.T) {
	d := driftState{Ordered: true}
	x := Measure{Bins: []string{"0.2", "0.4", "0.6"}, Ordered: true, Stable: Counts{Counts: []int64{5, 7, 11}}}
	d.grow(x)
	if len(d.Events) != 2 {
		t.Fatalf("%d events of three bins, want the two edges between them", len(d.Events))
	}
	if got := d.event(1, x.Stable); got.N != 23 || got.K != 12 {
		t.Errorf("at most the second bin: %+v, want 12 of 23", got)
	}
}

func TestManyClassesAreCountedTogether(t *testing.T) {
	var x Measure
	for i := range 300 {
		x.Bins = append(x.Bins, fmt.Sprint("class", i))
		x.Stable.Counts = append(x.Stable.Counts, 1)
	}
	var d driftState
	d.grow(x)
	if len(d.Events) != maxEvents || len(d.Bins) > maxEvents+1 {
		t.Fatalf("%d events and %d names kept", len(d.Events), len(d.Bins))
	}
	if got := d.event(maxEvents-1, x.Stable).K; got != 300-maxEvents+1 {
		t.Errorf("%v answers in the last event, want all of the remaining classes", got)
	}
	x.Bins = append(x.Bins, "one more")
	if why := d.check(Metric{}, x); why != "" {
		t.Errorf("a class beyond the cap: %s", why)
	}
}

func TestLimitsOfMeans(t *testing.T) {
	approx := cmp.Options{cmpopts.EquateApprox(0, 1e-12), cmp.AllowUnexported(limit{})}
	down := Metric{Kind: Mean, Lower: -1, Upper: 3, MaxDecrease: .2}.limits()
	if len(down) != 1 || !down[0].mirror || !close(down[0].margin.Shift, .05, 1e-12) {
		t.Errorf("decrease: %+v", down)
	}
	up := Metric{Kind: Mean, Lower: 10, Upper: 20, MaxRatio: 1.1, MaxIncrease: .5}.limits()
	// 15 → 17 at the margin, that is 0.5 → 0.7 on [0,1].
	if len(up) != 1 || up[0].mirror || !close(up[0].margin.At(.5), .7, 1e-12) {
		t.Errorf("increase: %+v", up)
	}
	both := Metric{Kind: Mean, Upper: 1, MaxDecrease: .1, MaxIncrease: .1}.limits()
	if len(both) != 2 {
		t.Errorf("both: %+v", both)
	}
	if d := cmp.Diff(both[0].margin, both[1].margin, approx); d != "" {
		t.Errorf("the same limit both ways differs:\n%s", d)
	}
}

func TestMeansBothWays(t *testing.T) {
	cfg := judged(Metric{Kind: Mean, Upper: 1, MaxDecrease: .05, MaxIncrease: .05, Tolerate: .5})
	for _, c := range []struct {
		canary float64
		want   Decision
	}{{.6, Pass}, {.45, Fail}, {.75, Fail}} {
		s := fivePercent.arms(scoring(.6, .15), scoring(c.canary, .15))
		if o := s.run(cfg, 1, hour, Pass, Fail); o.decision != c.want {
			t.Errorf("mean %v against 0.6: %s, want %s", c.canary, o.decision, c.want)
		}
	}
}

// TestShadowJudgesPairsAlone: on mirrored traffic errors of the canary are no
// comparison, disagreeing answers are.
func TestShadowJudgesPairsAlone(t *testing.T) {
	cfg := judged(Metric{Kind: Pairs, Max: .02, Tolerate: 1})
	cfg.Metrics[0].Name = "agreement"
	cfg.Metrics = append(cfg.Metrics, Metric{Name: "errors", Kind: ErrorRate, MaxIncrease: .005, Tolerate: .5})
	run := func(p float64) Verdict {
		r := rng(1)
		var st State
		var v Verdict
		for i := range int64(40) {
			x := at(i, Measure{})
			x.Stage = Stage{Factor: 1, Shadow: true}
			x.Metrics = map[string]Measure{
				"agreement": {Pairs: 500, Disagree: binomial(r, 500, p)},
				"errors":    counts(500, 5, 500, 400),
			}
			if st, v = Step(cfg, st, x); v.Decision == Fail {
				break
			}
		}
		return v
	}
	v := run(.005)
	if v.Decision != Pass || v.Metrics[1].CanaryN != 0 {
		t.Errorf("0.5%% disagree: %s: %s", v.Decision, v.Reason)
	}
	v = run(.06)
	if v.Decision != Fail || !slices.Equal(v.Culprits, []string{"agreement"}) || !strings.HasPrefix(v.Reason, "answers differ in ") {
		t.Errorf("6%% disagree: %s, %v: %s", v.Decision, v.Culprits, v.Reason)
	}
	if v = run(.02); v.Decision != Inconclusive {
		t.Errorf("2%% disagree: %s: %s", v.Decision, v.Reason)
	}
}

func TestFormats(t *testing.T) {
	for got, want := range map[string]string{
		percent(0): "0%", percent(.021): "2.1%", percent(.00042): "0.042%", percent(.3149): "31.5%", percent(1): "100%",
		percent(.0093): "0.93%", percent(-.021): "-2.1%", percent(.01): "1.0%",
		points(.05): "5 points", points(.00125): "0.125 points", number(.6983333): "0.6983",
		seconds(.1234): "123 ms", seconds(2): "2 s", seconds(.00025): "250 µs", seconds(0): "0 µs",
		thousands(1310): "1,310", thousands(999): "999", thousands(1234567): "1,234,567", thousands(-1000): "-1,000",
		about(42): "about 42 s", about(300): "about 5 min", about(9 * 3600): "about 9 h", about(5 * 86400): "about 5 days",
		about(1e9): "more than a month", about(0): "about 1 s",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
