package judge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite golden files")

// fleet writes the interleaved record of n rollouts, every fourth of which has a
// bad canary and every third of which ends early.
func fleet(n, blocks int) []byte {
	all := make([]*stream, n)
	for i := range all {
		canary := .01
		if i%4 == 1 {
			canary = .06
		}
		all[i] = newStream(fmt.Sprintf("r%d", i), uint64(i), .01, canary)
	}
	var out bytes.Buffer
	shuffle := rand.New(rand.NewPCG(1, 2))
	for b := range blocks {
		for _, i := range shuffle.Perm(n) {
			if i%3 != 0 || b < blocks/3 {
				all[i].all(&out)
			}
		}
	}
	return out.Bytes()
}

// TestResultsDoNotDependOnMemoryOrWorkers: with hardly any memory nearly every
// block brings a rollout back from the file.
func TestResultsDoNotDependOnMemoryOrWorkers(t *testing.T) {
	text := fleet(16, 32)
	want := judged(t, text, Options{Plan: everyKind(), Workers: 1})
	if len(want) != 16 {
		t.Fatalf("%d results, want 16", len(want))
	}
	verdicts := map[string]int{}
	for _, r := range want {
		verdicts[string(r.Verdict)]++
	}
	if verdicts["Fail"] != 4 || verdicts["Inconclusive"] == 0 {
		t.Errorf("verdicts %v: the test needs several kinds", verdicts)
	}
	for name, o := range map[string]Options{
		"two workers":       {Workers: 2},
		"five workers":      {Workers: 5},
		"no memory":         {Workers: 1, Memory: 1},
		"little, 3 workers": {Workers: 3, Memory: 100 << 10},
	} {
		o.Plan, o.Temp = everyKind(), t.TempDir()
		if diff := cmp.Diff(want, judged(t, text, o)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if left, _ := filepath.Glob(filepath.Join(o.Temp, "*")); len(left) > 0 {
			t.Errorf("%s: left %v behind", name, left)
		}
	}
}

func TestResultsAreInOrderOfAppearance(t *testing.T) {
	text := fleet(24, 3)
	var want []string
	seen := map[string]bool{}
	for line := range bytes.Lines(text) {
		id := strings.Split(string(line), `"`)[3]
		if !seen[id] {
			want = append(want, id)
		}
		seen[id] = true
	}
	var got []string
	for _, r := range judged(t, text, Options{Plan: errorsOnly(), Workers: 3}) {
		got = append(got, r.Rollout)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

// TestGolden holds the form of what is printed: names, order and kinds of values.
// The figures are the analysis's business. Rewrite it with -update only if the
// change is meant.
func TestGolden(t *testing.T) {
	var got bytes.Buffer
	for _, only := range []Side{Both, Rollback, Promotion} {
		for _, r := range judged(t, fleet(4, 80), Options{Plan: everyKind(), Only: only}) {
			text, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			var v any
			if err := json.Unmarshal(text, &v); err != nil {
				t.Fatal(err)
			}
			line, err := json.Marshal(shape(v))
			if err != nil {
				t.Fatal(err)
			}
			got.Write(append(line, '\n'))
		}
	}
	name := filepath.Join("testdata", "results.golden")
	if *update {
		if err := os.WriteFile(name, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
}

// shape puts words in the place of figures and sentences.
func shape(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			if v[k] = shape(v[k]); k == "reason" {
				v[k] = "a sentence"
			}
		}
	case float64:
		return "a number"
	}
	return v
}

// TestFirstBadLineIsNamed: however many lines are bad and whichever worker meets
// them, the first is the one reported.
func TestFirstBadLineIsNamed(t *testing.T) {
	lines := strings.SplitAfter(string(fleet(30, 20)), "\n")
	for _, at := range []int{len(lines) / 2, len(lines)/2 + 1, len(lines) - 3} {
		lines[at] = strings.Replace(lines[at], `"k":`, `"k":-`, 1)
	}
	for workers := 1; workers <= 4; workers++ {
		err := refused(t, strings.Join(lines, ""), Options{Plan: everyKind(), Workers: workers})
		var l *LineError
		if !errors.As(err, &l) || l.Line != int64(len(lines)/2+1) || l.Field != "metrics.errors.stable.k" {
			t.Errorf("%d workers: %v, want line %d", workers, err, len(lines)/2+1)
		}
	}
}

func TestBadRecords(t *testing.T) {
	one := func(t int) string {
		return fmt.Sprintf(`{"rollout":"a","t":%d,"weight":5,"metrics":{}}`, t)
	}
	for text, want := range map[string]string{
		one(15) + "\n" + one(15):               "record:2: t: is 15, not after the 15",
		one(15) + "\n\n\r\n" + one(30)[:20]:    "record:4: is no valid JSON",
		one(15) + "\n" + one(30) + one(45):     "record:2: is no valid JSON",
		`{"a":"` + strings.Repeat("x", 9<<20):  "record:1: is longer than 8388608 bytes",
		one(15) + "\n" + "\xff\xfe" + one(30):  "record:2: is no valid JSON",
		strings.Replace(one(15), "5,", "x", 1): "record:1: is no valid JSON at column",
	} {
		err := refused(t, text, Options{Plan: errorsOnly()})
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%.80q: %v, want %q", text, err, want)
		}
	}
}

func TestBlankLinesAndNoLastNewline(t *testing.T) {
	text := "\n  \n" + strings.ReplaceAll(strings.TrimSpace(string(record(newStream("a", 1, .01, .01), 5))), "\n", "\r\n\n")
	if r := judged(t, []byte(text), Options{Plan: errorsOnly()}); len(r) != 1 || r[0].Blocks != 5 {
		t.Errorf("%+v, want one rollout of five blocks", r)
	}
	if r := judged(t, nil, Options{Plan: errorsOnly()}); len(r) != 0 {
		t.Errorf("%+v of nothing", r)
	}
}

// TestLongLines: longer than any buffer, and read in small pieces.
func TestLongLines(t *testing.T) {
	text := record(newStream("a", 1, .01, .01), 3)
	padded := bytes.ReplaceAll(text, []byte(`{"rollout"`), append(bytes.Repeat([]byte(" "), 3<<20), `{"rollout"`...))
	want := judged(t, text, Options{Plan: errorsOnly()})
	if diff := cmp.Diff(want, judged(t, padded, Options{Plan: errorsOnly()})); diff != "" {
		t.Error(diff)
	}
}

func TestNames(t *testing.T) {
	s, err := File(t.Context(), "record", strings.NewReader(strings.ReplaceAll(example, "answers", "anwsers")),
		Options{Plan: everyKind()}, func(Result) error { return nil })
	want := Summary{Lines: 1, Bytes: int64(len(example)), Ignored: []string{"anwsers"}, Missing: []string{"answers"}}
	if diff := cmp.Diff(want, s); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestCancelledAndBroken(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	none := func(Result) error { return nil }
	if _, err := File(ctx, "record", bytes.NewReader(fleet(8, 300)), Options{Plan: everyKind()}, none); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	broken := errors.New("the disk is gone")
	r := io.MultiReader(bytes.NewReader(fleet(2, 3)), &failing{broken})
	if _, err := File(t.Context(), "record", r, Options{Plan: everyKind()}, none); !errors.Is(err, broken) {
		t.Errorf("a broken reader: %v", err)
	}
	full := Options{Plan: everyKind(), Memory: 1, Temp: filepath.Join(t.TempDir(), "missing")}
	if _, err := File(t.Context(), "record", bytes.NewReader(fleet(8, 3)), full, none); err == nil || !strings.Contains(err.Error(), "do not fit in memory") {
		t.Errorf("nowhere to put states: %v", err)
	}
	if _, err := File(t.Context(), "record", bytes.NewReader(fleet(8, 3)), Options{Plan: everyKind()}, func(Result) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("nowhere to print: %v", err)
	}
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

// endless makes the record of many interleaved rollouts as it is read, so that
// none of it is in memory.
type endless struct {
	streams []*stream
	next    int
	left    int // blocks
	rest    bytes.Buffer
}

func (e *endless) Read(p []byte) (int, error) {
	for e.rest.Len() < len(p) && e.left > 0 {
		e.streams[e.next%len(e.streams)].all(&e.rest)
		e.next++
		e.left--
	}
	return e.rest.Read(p)
}

// TestMemoryIsBounded: of interleaved rollouts whose states take several times
// the budget, what is in use stays near the budget, and does not without one.
func TestMemoryIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	const rollouts, budget = 1000, 1 << 19
	bounded, free := inUse(t, rollouts, budget), inUse(t, rollouts, 1<<40)
	t.Logf("in use at most: %.1f MB with a budget of half a MB, %.1f MB without", float64(bounded)/1e6, float64(free)/1e6)
	if bounded > 7<<20 || free < bounded*3/2 {
		t.Errorf("%.1f MB in use with a budget of half a MB, %.1f MB without: want at most 7, and much less than without",
			float64(bounded)/1e6, float64(free)/1e6)
	}
}

// inUse returns how much of the heap a record of three blocks a rollout has in
// use at most.
func inUse(t *testing.T, rollouts int, budget int64) uint64 {
	t.Helper()
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	src := &endless{left: 3 * rollouts}
	for i := range rollouts {
		src.streams = append(src.streams, newStream(fmt.Sprintf("rollout-%d", i), uint64(i), .01, .01))
	}
	high, calls, n := uint64(0), 0, 0
	watch := readerFunc(func(p []byte) (int, error) {
		if calls++; calls%24 == 0 {
			runtime.GC() // what is left is in use
			runtime.ReadMemStats(&now)
			high = max(high, now.HeapAlloc-min(before.HeapAlloc, now.HeapAlloc))
		}
		return src.Read(p[:min(len(p), 32<<10)])
	})
	if _, err := File(t.Context(), "record", watch, Options{Plan: everyKind(), Memory: budget, Temp: t.TempDir()},
		func(Result) error { n++; return nil }); err != nil {
		t.Fatal(err)
	}
	if n != rollouts {
		t.Errorf("%d results, want %d", n, rollouts)
	}
	return high
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func BenchmarkFile(b *testing.B) {
	for name, c := range map[string]struct {
		text []byte
		o    Options
	}{
		"errors":   {record(newStream("r", 1, .01, .01), 20000), Options{Plan: errorsOnly(), Only: Promotion}},
		"all":      {fleet(50, 200), Options{Plan: everyKind(), Only: Promotion}},
		"put-away": {fleet(50, 20), Options{Plan: everyKind(), Only: Promotion, Memory: 1}},
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(c.text)))
			b.ReportAllocs()
			for b.Loop() {
				judged(b, c.text, c.o)
			}
		})
	}
}

func BenchmarkLine(b *testing.B) {
	d := newDecoder(everyKind().Analysis)
	b.SetBytes(int64(len(example)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := d.line([]byte(example)); err != nil {
			b.Fatal(err)
		}
	}
}
