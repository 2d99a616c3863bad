package plan

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

var update = flag.Bool("update", false, "rewrite golden files")

// printed is a report with a bit of everything.
func printed(t *testing.T) *Report {
	t.Helper()
	p := fiftyFifty(errorRate, slower, agreement, analysis.Metric{Name: "accuracy", Kind: analysis.Outcome, MaxIncrease: .01})
	p.Steps = append([]rollout.Step{{Shadow: traffic.Percent(50)}, {Pause: &rollout.Pause{For: time.Minute}}, {Pause: &rollout.Pause{}}}, p.Steps...)
	p.Split.Sticky.Header = "X-User"
	r, err := Forecast(p, habits())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// golden compares with a file, which -update rewrites.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	name = filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestText(t *testing.T) {
	var b bytes.Buffer
	if err := printed(t).Text(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.txt", b.Bytes())
}

func TestSVG(t *testing.T) {
	var b bytes.Buffer
	r := printed(t)
	r.Rollout = `a<b>&"c`
	if err := r.SVG(&b); err != nil {
		t.Fatal(err)
	}
	lines := 0
	for d := xml.NewDecoder(&b); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("no XML: %v", err)
		}
		if s, ok := token.(xml.StartElement); ok && s.Name.Local == "polyline" {
			lines++
		}
	}
	if want := 2; lines != want { // of errors; the mirror is not on their scale
		t.Errorf("%d curves, want %d", lines, want)
	}
}

// TestJSON: what programs read, with null for what never comes.
func TestJSON(t *testing.T) {
	text, err := json.Marshal(printed(t))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Promotion map[string]any
		Steps     []struct {
			Pause   map[string]any
			Metrics []struct {
				Name     string
				Caught95 map[string]any
			}
		}
		Unforeseen []string
		Warnings   []string
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.Steps[2].Pause["seconds"] != nil || got.Steps[1].Pause["seconds"] != 60. || len(got.Warnings) != 1 ||
		cmp.Diff([]string{"accuracy"}, got.Unforeseen) != "" || got.Steps[3].Metrics[0].Caught95["size"] == "" || got.Promotion["half"] == nil {
		t.Errorf("%+v", got)
	}
}

func TestWords(t *testing.T) {
	for in, want := range map[float64]string{12.2: "13 s", 89: "89 s", 90: "1.5 min", 5000: "83 min", 9000: "2.5 h", 200000: "2.3 days", 1e8: "months", math.Inf(1): "never"} {
		if got := span(in); got != want {
			t.Errorf("span(%v) = %s, want %s", in, got, want)
		}
	}
	for in, want := range map[float64]string{.0123: "1.2%", .123: "12.3%", .00042: "0.042%", 1: "100%", .9996: "99.96%", 0: "0%"} {
		if got := percent(in); got != want {
			t.Errorf("percent(%v) = %s, want %s", in, got, want)
		}
	}
	for in, want := range map[float64]string{1: "5m", 3599: "1h", 4000: "1h10m", 20000: "6h", 100000: "30h"} {
		got := roundUp(in)
		d, err := time.ParseDuration(got)
		if got != want || err != nil || d.Seconds() < in {
			t.Errorf("roundUp(%v) = %s, want %s", in, got, want)
		}
	}
	if mark(0) != '1' || mark(8) != '9' || mark(9) != 'a' || mark(99) != '*' {
		t.Error("marks of steps")
	}
}

// TestMarginsAreWrittenAsInTheFile: advice that can be copied.
func TestMarginsAreWrittenAsInTheFile(t *testing.T) {
	r := &Report{}
	for want, m := range map[string]analysis.Metric{
		"maxRatio: 1.5, maxIncrease: 0.2pp": widened(errorRate, 2),
		"maxIncrease: 1pp":                  {Kind: analysis.ErrorRate, MaxIncrease: .01},
		"maxDecrease: 3pp":                  {Kind: analysis.Outcome, MaxIncrease: .03},
		"maxDecrease: 0.04":                 widened(confidence, 2),
		"maxIncrease: 0.5":                  {Kind: analysis.Mean, MaxIncrease: .5},
		"max: 0.1":                          widened(answers, 2),
		"maxDisagreement: 6%":               widened(agreement, 3),
		"p50 +20%, p99 +50%":                widened(slower, 2),
		"p99 +40 ms, over 250ms +2 points": widened(analysis.Metric{Kind: analysis.Latency, Slower: []analysis.Slower{{Quantile: .99, By: 20 * time.Millisecond}},
			Over: []analysis.Over{{Threshold: 250 * time.Millisecond, MaxIncrease: .01}}}, 2),
	} {
		if got := r.margin(m); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if slower.Slower[0].Share != .1 {
		t.Error("widening changed the metric itself")
	}
}

func TestFromCounts(t *testing.T) {
	metrics := []analysis.Metric{errorRate, slower, answers, confidence, agreement, {Name: "absent", Kind: analysis.ErrorRate}}
	rps, got := FromCounts(metrics, map[string]analysis.Measure{
		"errors":     {Stable: analysis.Counts{N: 950, K: 19}, Canary: analysis.Counts{N: 50, K: 40}},
		"latency":    {Edges: []float64{.1, .2}, Stable: analysis.Counts{Counts: []int64{800, 100, 50}}, Canary: analysis.Counts{Counts: []int64{50, 0, 0}}},
		"answers":    {Bins: []string{"a", "b"}, Stable: analysis.Counts{Counts: []int64{300, 175}}, Canary: analysis.Counts{Counts: []int64{25, 0}}},
		"confidence": {Stable: analysis.Counts{N: 100, Sum: 50, SumSq: 26}},
		"agreement":  {Pairs: 200, Disagree: 3},
	}, 10)
	want := map[string]Habit{
		"errors":     {Share: 1, Rate: .02},
		"latency":    {Share: 1, Edges: []float64{.1, .2}, Counts: []float64{800, 100, 50}},
		"answers":    {Share: .5, Classes: []float64{300. / 475, 175. / 475}},
		"confidence": {Share: .1, Mean: .5, SD: .1},
		"agreement":  {Share: .2, Rate: .015},
	}
	approx := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-9 })
	if diff := cmp.Diff(want, got, approx); diff != "" || rps != 100 {
		t.Errorf("%v requests a second (-want +got):\n%s", rps, diff)
	}
}

// TestOrderedScoresMove: bins of a score, and limits that the baseline leaves no
// room for.
func TestOrderedScoresMove(t *testing.T) {
	b := habits()
	b.Habits["answers"] = Habit{Classes: []float64{.1, .2, .4, .2, .1}, Ordered: true}
	r, err := Forecast(fiftyFifty(errorRate, answers), b)
	if err != nil {
		t.Fatal(err)
	}
	m := r.Steps[1].Metrics[1]
	if !strings.HasSuffix(m.Most.Size, "of scores move") || m.Most.Value < answers.Max || m.Most.Value > 2*answers.Max {
		t.Errorf("%+v", m)
	}
	d := drift{answers, b.Habits["answers"]}
	for _, e := range d.events(1) {
		if e.canary < -1e-9 || e.canary > 1+1e-9 {
			t.Errorf("an impossible share: %s", fmt.Sprint(d.events(1)))
		}
	}
}
