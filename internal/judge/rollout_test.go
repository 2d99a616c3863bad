package judge

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// finite fails the test unless a result can be printed and read.
func finite(t testing.TB, r Result) {
	t.Helper()
	if _, err := json.Marshal(r); err != nil {
		t.Fatalf("result does not print: %v", err)
	}
	for name, e := range r.Evidence {
		if math.IsNaN(e.LogE) || math.IsInf(e.LogE, 0) {
			t.Fatalf("%s: log evidence %v", name, e.LogE)
		}
	}
}

func TestVerdicts(t *testing.T) {
	for name, c := range map[string]struct {
		canary float64
		only   Side
		want   analysis.Decision
	}{
		"worse":                      {.04, Both, analysis.Fail},
		"as good":                    {.01, Both, analysis.Pass},
		"worse, rollback alone":      {.04, Rollback, analysis.Fail},
		"as good, rollback alone":    {.01, Rollback, analysis.Inconclusive},
		"worse, promotion alone":     {.04, Promotion, analysis.Inconclusive},
		"as good, promotion alone":   {.01, Promotion, analysis.Pass},
		"between, both are possible": {.01375, Both, analysis.Inconclusive},
	} {
		blocks := 240
		if c.canary == .01375 {
			blocks = 12
		}
		r := judged(t, record(newStream("r", 3, .01, c.canary), blocks), Options{Plan: errorsOnly(), Only: c.only})[0]
		if r.Verdict != c.want || r.Metric != "errors" || r.Reason == "" || float64(15*r.Blocks) != r.T {
			t.Errorf("%s: %+v, want %s", name, r, c.want)
		}
		open := c.want == analysis.Inconclusive
		if at := float64(15 * blocks); (r.T == at) != open {
			t.Errorf("%s: reached at %v of %v", name, r.T, at)
		}
		if _, ok := r.Evidence["errors"]; !ok {
			t.Errorf("%s: no evidence", name)
		}
		finite(t, r)
	}
}

// TestVerdictIsStepsOwn: the verdict and its block are what analysis.Step says,
// fed by hand.
func TestVerdictIsStepsOwn(t *testing.T) {
	text := record(newStream("r", 5, .01, .03), 240)
	rules, err := NewRules(errorsOnly(), Both)
	if err != nil {
		t.Fatal(err)
	}
	var st analysis.State
	var v analysis.Verdict
	at := 0.0
	for line := range bytes.Lines(text) {
		_, b, err := newDecoder(rules.config).line(bytes.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		m := b.Metrics["errors"]
		st, v = analysis.Step(rules.config, st, analysis.Sample{
			Block: st.LastBlock + 1, Start: instant(at), End: instant(b.T), Weight: .05,
			Stage:    analysis.Stage{Factor: 1, Last: true},
			Assigned: []analysis.Assignment{{Weight: .05, Stable: m.Stable.N, Canary: m.Canary.N}},
			Metrics:  b.Metrics,
		})
		at = b.T
		if v.Decision == analysis.Fail {
			break
		}
	}
	got := judged(t, text, Options{Plan: errorsOnly()})[0]
	if got.Verdict != v.Decision || got.T != at || got.Evidence["errors"].LogE != v.Metrics[0].LogRollback || got.Reason != v.Reason {
		t.Errorf("judged %+v, want %s at %v: %s", got, v.Decision, at, v.Reason)
	}
}

// passing writes blocks of a healthy canary at a weight until well beyond its
// Pass.
func passing(s *stream, weight float64, blocks int, w *bytes.Buffer) {
	s.weight = weight
	for range blocks {
		s.failures(w)
	}
}

// TestPassOfAnEarlierStepDoesNotStand: what counts is the last step recorded.
func TestPassOfAnEarlierStepDoesNotStand(t *testing.T) {
	var text bytes.Buffer
	s := newStream("r", 1, .01, .01)
	passing(s, 5, 150, &text)
	first := judged(t, text.Bytes(), Options{Plan: errorsOnly()})[0]
	if first.Verdict != analysis.Pass || first.Weight != 5 {
		t.Fatalf("at 5%%: %+v", first)
	}
	passing(s, 50, 2, &text)
	if r := judged(t, text.Bytes(), Options{Plan: errorsOnly()})[0]; r.Verdict != analysis.Inconclusive || r.Weight != 50 {
		t.Errorf("two blocks into 50%%: %+v", r)
	}
	passing(s, 50, 60, &text)
	at50 := judged(t, text.Bytes(), Options{Plan: errorsOnly()})[0]
	if at50.Verdict != analysis.Pass || at50.Weight != 50 || at50.T <= 150*15 {
		t.Errorf("at 50%%: %+v", at50)
	}
	passing(s, 100, 3, &text)
	if r := judged(t, text.Bytes(), Options{Plan: errorsOnly()})[0]; cmp.Diff(at50, r) != "" {
		t.Errorf("all traffic changed the verdict:\n%s", cmp.Diff(at50, r))
	}
	s.canary = .2
	passing(s, 50, 40, &text)
	if r := judged(t, text.Bytes(), Options{Plan: errorsOnly()})[0]; r.Verdict != analysis.Fail {
		t.Errorf("after a bad turn at another weight: %+v", r)
	}
}

// TestFirstVerdictCounts: at one weight the first verdict is the verdict, unless
// one side alone is looked at.
func TestFirstVerdictCounts(t *testing.T) {
	var text bytes.Buffer
	s := newStream("r", 1, .01, .01)
	passing(s, 5, 120, &text)
	s.canary = .2
	passing(s, 5, 60, &text)
	if r := judged(t, text.Bytes(), Options{Plan: errorsOnly()})[0]; r.Verdict != analysis.Pass {
		t.Errorf("both sides: %+v", r)
	}
	if r := judged(t, text.Bytes(), Options{Plan: errorsOnly(), Only: Rollback})[0]; r.Verdict != analysis.Fail || r.T <= 120*15 {
		t.Errorf("rollback alone: %+v", r)
	}
}

func TestTrafficCheck(t *testing.T) {
	var text bytes.Buffer
	s := newStream("r", 1, .01, .01)
	passing(s, 8, 100, &text)
	wrong := bytes.ReplaceAll(text.Bytes(), []byte(`"weight":8`), []byte(`"weight":5`))
	r := judged(t, wrong, Options{Plan: errorsOnly(), Only: Rollback})[0]
	if r.Verdict != analysis.Invalid || !strings.Contains(r.Reason, "not split as configured") {
		t.Errorf("8%% recorded as 5%%: %+v", r)
	}
	// With sticky cohorts requests are not assigned one by one.
	sticky := errorsOnly()
	sticky.Split.Sticky.Header = "X-User"
	if r := judged(t, wrong, Options{Plan: sticky, Only: Rollback})[0]; r.Verdict != analysis.Inconclusive {
		t.Errorf("sticky: %+v", r)
	}
	// What was assigned can be told.
	told := bytes.ReplaceAll(wrong, []byte(`"weight":5`), []byte(`"weight":5,"assigned":{"stable":950,"canary":50}`))
	if r := judged(t, told, Options{Plan: errorsOnly(), Only: Rollback})[0]; r.Verdict != analysis.Inconclusive {
		t.Errorf("told: %+v", r)
	}
}

func TestMirroredTrafficAlone(t *testing.T) {
	line := func(t string) string {
		return `{"rollout":"r","t":` + t + `,"weight":0,"metrics":{"agreement":{"pairs":20000,"disagree":20}}}` + "\n"
	}
	text := []byte(line("15") + line("30") + line("45") + line("60") + line("75") + line("90") + line("105") + line("120") + line("135"))
	live := judged(t, text, Options{Plan: everyKind()})[0]
	if live.Verdict != analysis.Inconclusive || !strings.Contains(live.Reason, "no live traffic") {
		t.Errorf("a plan with weights: %+v", live)
	}
	shadow := everyKind()
	shadow.Steps = []rollout.Step{{Shadow: shadow.Steps[2].Weight}}
	if r := judged(t, text, Options{Plan: shadow})[0]; r.Verdict != analysis.Pass || r.Metric != "agreement" {
		t.Errorf("a plan of mirroring alone: %+v", r)
	}
}

// TestTimes: when blocks begin, and that they are in order.
func TestTimes(t *testing.T) {
	rules, err := NewRules(errorsOnly(), Both)
	if err != nil {
		t.Fatal(err)
	}
	block := func(at, seconds float64) Block {
		return Block{T: at, Seconds: seconds, Weight: .05, Metrics: map[string]analysis.Measure{
			"errors": {Stable: analysis.Counts{N: 95}, Canary: analysis.Counts{N: 5}},
		}}
	}
	for name, c := range map[string]struct {
		first Block
		want  float64 // its length
	}{
		"from zero":        {block(20, 0), 20},
		"clock time":       {block(1.8e9, 0), 15},
		"told":             {block(1.8e9, 60), 60},
		"told, from zero":  {block(20, 5), 5},
		"part of a second": {block(1.5, 0), 1.5},
	} {
		var o Rollout
		if err := o.Add(rules, c.first); err != nil {
			t.Fatal(err)
		}
		if got := o.State.Metrics[0].Flow.Seconds; math.Abs(got-c.want) > 1e-6 {
			t.Errorf("%s: %v seconds, want %v", name, got, c.want)
		}
	}
	var o Rollout
	for _, c := range []struct {
		b    Block
		want string
	}{
		{block(15, 0), ""},
		{block(30, 15), ""},
		{block(30, 0), "t: is 30, not after the 30 of the block before"},
		{block(40, 15), "seconds: is 15: the block would begin before the one before it ended"},
		{block(60, 10), ""},
	} {
		err := o.Add(rules, c.b)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.b, err, c.want)
		}
	}
}

func TestUnknownSide(t *testing.T) {
	if _, err := NewRules(errorsOnly(), "sideways"); err == nil {
		t.Error("accepted a side that is none")
	}
}
