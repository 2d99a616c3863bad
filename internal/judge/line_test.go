package judge

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/internal/analysis"
)

func TestLineReadsTheExample(t *testing.T) {
	id, b, err := newDecoder(everyKind().Analysis).line([]byte(example))
	if err != nil {
		t.Fatal(err)
	}
	want := Block{T: 15, Weight: .05, Metrics: map[string]analysis.Measure{
		"errors":     {Stable: analysis.Counts{N: 1425, K: 14}, Canary: analysis.Counts{N: 75, K: 1}},
		"latency":    {Edges: []float64{.05, .1, .2}, Stable: analysis.Counts{Counts: []int64{900, 400, 100, 25}}, Canary: analysis.Counts{Counts: []int64{47, 21, 5, 2}}},
		"answers":    {Bins: []string{"no", "yes"}, Stable: analysis.Counts{Counts: []int64{1040, 385}}, Canary: analysis.Counts{Counts: []int64{55, 20}}},
		"confidence": {Stable: analysis.Counts{N: 1425, Sum: 1110.2, SumSq: 905.1}, Canary: analysis.Counts{N: 75, Sum: 58.4, SumSq: 47.2}},
		"agreement":  {Pairs: 1425, Disagree: 12, CanaryOnlyBad: 3, StableOnlyBad: 2},
	}}
	if diff := cmp.Diff(want, b); diff != "" || id != "r1" {
		t.Errorf("read %q (-want +got):\n%s", id, diff)
	}
}

func TestLineTakesLessAndMore(t *testing.T) {
	d := newDecoder(errorsOnly().Analysis)
	for text, want := range map[string]Block{
		// A block before any canary traffic; whole numbers however they are written.
		`{"rollout":"a","t":1.5e3,"weight":0,"metrics":{"errors":{"stable":{"n":1e3,"k":2.0}}}}`: {
			T: 1500, Metrics: map[string]analysis.Measure{"errors": {Stable: analysis.Counts{N: 1000, K: 2}}}},
		// Its length and the random decisions, told apart from the requests.
		`{"rollout":"a","t":30,"seconds":10,"weight":0.5,"assigned":{"stable":995,"canary":5},"metrics":{}}`: {
			T: 30, Seconds: 10, Weight: .005, Assigned: []analysis.Assignment{{Weight: .005, Stable: 995, Canary: 5}}, Metrics: map[string]analysis.Measure{}},
		// Groups of users, either way of writing them, and from before the rollout.
		`{"rollout":"a","t":30,"weight":5,"metrics":{"errors":{"before":[[9,1]],"stable":{"n":5,"k":1,"groups":[[2,1],[3,0]]},"canary":{"n":2,"k":0,"groups":[{"n":2,"k":0}]}}}}`: {
			T: 30, Weight: .05, Metrics: map[string]analysis.Measure{"errors": {
				Before: []analysis.Group{{N: 9, K: 1}},
				Stable: analysis.Counts{N: 5, K: 1, Groups: []analysis.Group{{N: 2, K: 1}, {N: 3}}},
				Canary: analysis.Counts{N: 2, Groups: []analysis.Group{{N: 2}}},
			}}},
		// No traffic at all.
		`{"rollout":"a","t":30,"weight":100,"metrics":{"errors":{"stable":{},"canary":{"n":0}}}}`: {
			T: 30, Weight: 1, Metrics: map[string]analysis.Measure{"errors": {}}},
		// A metric that is not compared may look like anything.
		`{"rollout":"a","t":30,"weight":5,"metrics":{"other":[1,{"x":2}]}}`: {
			T: 30, Weight: .05, Metrics: map[string]analysis.Measure{}},
	} {
		_, b, err := d.line([]byte(text))
		if diff := cmp.Diff(want, b); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", text, err, diff)
		}
	}
	if !d.ignored["other"] || len(d.ignored) != 1 {
		t.Errorf("ignored %v, want other", d.ignored)
	}
}

// TestLabelsByClass: outcomes whose labels may be selective.
func TestLabelsByClass(t *testing.T) {
	cfg := planOf(analysis.Metric{Name: "accuracy", Kind: analysis.Outcome, MaxIncrease: .01}).Analysis
	line := `{"rollout":"a","t":30,"weight":5,"metrics":{"accuracy":{"bins":["no","yes"],"stable":{"counts":[9,4],"labelled":[3,4],"wrong":[1,0]},"canary":{"counts":[2,1],"labelled":[1,1],"wrong":[0,0]}}}}`
	_, b, err := newDecoder(cfg).line([]byte(line))
	want := analysis.Measure{
		Bins:   []string{"no", "yes"},
		Stable: analysis.Counts{Counts: []int64{9, 4}, Labelled: []int64{3, 4}, Wrong: []int64{1, 0}},
		Canary: analysis.Counts{Counts: []int64{2, 1}, Labelled: []int64{1, 1}, Wrong: []int64{0, 0}},
	}
	if diff := cmp.Diff(want, b.Metrics["accuracy"]); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	_, _, err = newDecoder(cfg).line([]byte(strings.Replace(line, `"wrong":[1,0]`, `"wrong":[1]`, 1)))
	if err == nil || !strings.Contains(err.Error(), "stable.labelled: and wrong have 2 and 1 counts for 2 bins") {
		t.Errorf("too few: %v", err)
	}
}

// TestLineRefuses: each bad line is one edit of the example, and the message
// names the field.
func TestLineRefuses(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{`"t":15,`, ``, `t: is missing`},
		{`"rollout":"r1",`, ``, `rollout: is missing`},
		{`"weight":5,`, ``, `weight: is missing`},
		{`"r1"`, `""`, `rollout: is ""`},
		{`"r1"`, `7`, `rollout: is 7: write the name`},
		{`"t":15`, `"t":"15"`, `t: is "15": write a number`},
		{`"t":15`, `"t":1e999`, `t: is 1e999: too large`},
		{`"t":15`, `"t":-1`, `t: is -1: below 0`},
		{`"t":15`, `"t":1785000000000`, `t: is 1785000000000: write seconds, not milliseconds`},
		{`"t":15`, `"t":15,"t":16`, `t: is given twice`},
		{`"t":15`, `"\u0074":15`, `has an escape in its name`},
		{`"weight":5`, `"weight":101`, `weight: is 101: above 100`},
		{`"weight":5`, `"weight":5,"step":1`, `step: is not known here`},
		{`"weight":5`, `"weight":5,"assigned":{"both":3}`, `assigned.both: is not known here`},
		{`"n":1425,"k":14`, `"n":1425.5,"k":14`, `metrics.errors.stable.n: is 1425.5: write a whole number`},
		{`"n":1425,"k":14`, `"n":-1,"k":14`, `metrics.errors.stable.n: is -1: counts are from 0`},
		{`"n":1425,"k":14`, `"n":1e17,"k":14`, `metrics.errors.stable.n: is 1e17: write a whole number of at most 2^53`},
		{`"n":1425,"k":14`, `"n":null,"k":14`, `metrics.errors.stable.n: is null`},
		{`"n":1425,"k":14`, `"n":1425`, `metrics.errors.stable.k: is missing: write how many of the 1425`},
		{`"n":1425,"k":14`, `"k":14`, `metrics.errors.stable.n: is missing`},
		{`"n":75,"k":1`, `"n":75,"k":76`, `metrics.errors.canary.k: is 76 of 75`},
		{`"canary":{"n":75,"k":1}`, `"canry":{"n":75,"k":1}`, `metrics.errors.canry: is not known here: a share is`},
		{`"canary":{"n":75,"k":1}`, `"canary":[75,1]`, `metrics.errors.canary: is [75,1]: write an object`},
		{`[0.05,0.1,0.2]`, `[0.05,0.2,0.1]`, `metrics.latency.edges[2]: is 0.1: edges are above 0 and ascend`},
		{`[0.05,0.1,0.2]`, `[0,0.1,0.2]`, `metrics.latency.edges[0]: is 0`},
		{`[0.05,0.1,0.2]`, `[]`, `metrics.latency.stable.counts: has 4 buckets for 0 edges`},
		{`"edges":[0.05,0.1,0.2],`, ``, `metrics.latency.stable.counts: has 4 buckets for 0 edges`},
		{`[900,400,100,25]`, `[900,400,125]`, `metrics.latency.stable.counts: has 3 buckets for 3 edges`},
		{`[900,400,100,25]`, `[900,400,-1,25]`, `metrics.latency.stable.counts[2]: is -1`},
		{`[900,400,100,25]`, `[9007199254740992,1,0,0]`, `metrics.latency.stable.counts: sums to more than 2^53`},
		{`["no","yes"]`, `["no","no"]`, `metrics.answers.bins: names a bin twice`},
		{`["no","yes"]`, `["no",1]`, `metrics.answers.bins[1]: is 1`},
		{`[1040,385]`, `[1040,385,0]`, `metrics.answers.stable.counts: has 3 counts for 2 bins`},
		{`"bins":["no","yes"]`, `"bins":["no","yes"],"ordered":1`, `metrics.answers.ordered: is 1: write true or false`},
		{`,"sumsq":905.1`, ``, `metrics.confidence.stable.sum: and sumsq are both needed for 1425 values`},
		{`"disagree":12`, `"disagree":1426`, `metrics.agreement.disagree: is 1426 of 1425`},
		{`"k":14}`, `"k":14,"groups":[[3,1],[4,5]]}`, `metrics.errors.stable.groups[1]: is 5 of 4`},
		{`"k":14}`, `"k":14,"groups":[[3,1,2]]}`, `metrics.errors.stable.groups[0]: is [3,1,2]: write [n, k]`},
		{`"k":14}`, `"k":14,"groups":7}`, `metrics.errors.stable.groups: is 7: write a list of [n, k]`},
		{`"k":14}`, `"k":14,"groups":[{"n":3,"x":1}]}`, `metrics.errors.stable.groups[0].x: is not known here`},
		{`"k":14}`, `"k":14,"groups":[` + strings.Repeat("[1,0],", 256) + `[1,0]]}`, `metrics.errors.stable.groups: has more than 256 groups`},
		{`"pairs":1425`, `"pair":1425`, `metrics.agreement.pair: is not known here: pairs are`},
		{`"k":14}`, `"k":14`, `is no valid JSON at column`},
		{example, `[1]`, `is no JSON object`},
		{`"metrics":{`, `"metrics":{` + many(1100), `metrics: has more than 1024 members`},
	} {
		text := strings.Replace(example, c.old, c.new, 1)
		if text == example {
			t.Fatalf("%q is not in the example", c.old)
		}
		_, _, err := newDecoder(everyKind().Analysis).line([]byte(text))
		if err == nil {
			t.Errorf("%s → %s: accepted", c.old, c.new)
			continue
		}
		e := err.(*fieldError)
		if got := (&LineError{"f", 3, e.field, e.message}).Error(); !strings.HasPrefix(got, "f:3: ") || !strings.Contains(got, c.want) {
			t.Errorf("%s → %s: %q, want %q", c.old, c.new, got, c.want)
		}
	}
}

func many(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(`"m` + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + strings.Repeat("y", i/26) + `":0,`)
	}
	return b.String()
}

// TestLineSharesWhatIsTheSame: edges and bins are read once as long as they stay
// the same, and again when they change.
func TestLineSharesWhatIsTheSame(t *testing.T) {
	d := newDecoder(everyKind().Analysis)
	_, a, _ := d.line([]byte(example))
	_, b, _ := d.line([]byte(example))
	if &a.Metrics["latency"].Edges[0] != &b.Metrics["latency"].Edges[0] {
		t.Error("equal edges were read twice")
	}
	_, c, err := d.line([]byte(strings.Replace(example, "0.2]", "0.3]", 1)))
	if err != nil || c.Metrics["latency"].Edges[2] != .3 || a.Metrics["latency"].Edges[2] != .2 {
		t.Errorf("edges %v after %v, %v", c.Metrics["latency"].Edges, a.Metrics["latency"].Edges, err)
	}
}

// FuzzLine: whatever a stranger sends, there is no panic, an error names no
// field twice over, and what is accepted is within its limits.
func FuzzLine(f *testing.F) {
	f.Add([]byte(example))
	f.Add([]byte(`{"rollout":"a","t":1,"weight":0,"metrics":{"errors":{"stable":{"n":1e3,"k":2.0}}}}`))
	f.Add([]byte(`{"rollout":"a","t":1,"seconds":2,"weight":100,"assigned":{"stable":1},"metrics":{"answers":{"bins":["x"],"ordered":true,"stable":{"counts":[9007199254740992]}}}}`))
	f.Add([]byte(`{"rollout":"\ud800","t":1e-300,"weight":5,"metrics":{}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		plan := everyKind()
		id, b, err := newDecoder(plan.Analysis).line(text)
		if err != nil {
			if e, ok := err.(*fieldError); !ok || e.message == "" {
				t.Fatalf("error %#v", err)
			}
			return
		}
		if id == "" || b.T < 0 || b.T > maxTime || b.Weight < 0 || b.Weight > 1 {
			t.Fatalf("accepted %q: %+v", id, b)
		}
		for name, m := range b.Metrics {
			for _, c := range []analysis.Counts{m.Stable, m.Canary} {
				if c.N < 0 || c.N > maxCount || c.K < 0 || c.K > c.N && c.N > 0 {
					t.Fatalf("accepted %s: %+v", name, c)
				}
			}
		}
		rules, err := NewRules(plan, Both)
		if err != nil {
			t.Fatal(err)
		}
		var o Rollout
		for i := range 3 { // the same counts, again and again
			b.T += float64(i)
			if o.Add(rules, b) != nil {
				return
			}
		}
		finite(t, o.Result(rules, id))
	})
}
