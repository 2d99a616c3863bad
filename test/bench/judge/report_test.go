package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTable(t *testing.T) {
	got := table{header: []string{"rule", "×2"}, rows: [][]string{{"a long name", "0"}, {"b", "100 / 5"}}}.String()
	want := strings.Join([]string{
		"| rule        |      ×2 |",
		"|:------------|--------:|",
		"| a long name |       0 |",
		"| b           | 100 / 5 |",
		"",
	}, "\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDigits(t *testing.T) {
	got := []string{share(0, 10), share(1, 1000), share(1, 100), share(5, 1000), share(996, 1000), digits((tally{}).median())}
	if diff := cmp.Diff([]string{"0", "0.1", "1", "0.5", "100", "–"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestReplace: the section is put in place of the old one, and nothing else moves.
func TestReplace(t *testing.T) {
	for _, c := range []struct{ name, before, want string }{
		{"no page", "", "# Benchmarks\n\n## Decisions\n\nnew\n"},
		{"no section", "# Benchmarks\n\n## Gateway\n\nfast\n", "# Benchmarks\n\n## Gateway\n\nfast\n\n## Decisions\n\nnew\n"},
		{"the last section", "# B\n\n## Decisions\n\nold\n\n### Part\n", "# B\n\n## Decisions\n\nnew\n"},
		{"between others", "# B\n\n## Decisions\n\nold\n\n## Gateway\n\nfast\n", "# B\n\n## Decisions\n\nnew\n\n## Gateway\n\nfast\n"},
	} {
		if diff := cmp.Diff(c.want, replace(c.before, "new\n")); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

// canned is an experiment whose results are made up.
func canned() *experiment {
	e := &experiment{Seed: 7, Commit: "abc1234", Runs: 10, Healthy: 10, grid: map[cell]result{}}
	fake := func(w workload) result {
		good := tally{rule: "Haldane", runs: 10, caught: 10, minutes: []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, requests: 1884.6}
		eager := tally{rule: "eager", runs: 10, early: 9}
		if !w.regressed {
			good = tally{rule: "Haldane", runs: 10, promoted: 10}
		}
		return result{w, []tally{good, eager}}
	}
	for _, split := range splits {
		for _, rps := range rates {
			for _, base := range bases {
				for _, effect := range effects {
					e.grid[key(base, effect, rps, split)] = fake(key(base, effect, rps, split).workload())
				}
			}
		}
	}
	for _, w := range specials() {
		e.special = append(e.special, fake(w))
	}
	for _, d := range slowdowns {
		e.latency = append(e.latency, fake(slowing(d)))
	}
	e.figures = []measured{{figure: figure{name: "a figure", limit: .01}, n: 100, interval: interval{0, .037}}}
	return e
}

func TestTables(t *testing.T) {
	e := canned()
	doubled := func(t table) string { return t.rows[0][5] } // 1% → 2%
	if got := doubled(e.detectionTable(100, .05)); got != "100 / 6" {
		t.Errorf("caught and median: %q", got)
	}
	if got := doubled(e.boundTable(100, .05)); got != "1.50" { // the bound is 1256.4
		t.Errorf("requests over the bound: %q", got)
	}
	if got := e.detectionTable(100, .05).rows[1][5]; got != "†" {
		t.Errorf("a rule that takes healthy canaries back shows %q", got)
	}
	healthy := e.falseRollbackTable(.05)
	if got := healthy.rows[1][len(healthy.header)-1]; got != "90 [60, 98]" {
		t.Errorf("worst cell: %q", got)
	}
	if got := e.list(e.special, true).rows[1][1]; got != "†" {
		t.Errorf("special workload of a rule that takes healthy canaries back: %q", got)
	}
	if got := e.list(e.special, false).rows[1][1]; got != "90" {
		t.Errorf("healthy special workload: %q", got)
	}
	if got := len(e.everything().rows); got != 2*(72+len(specials())+len(slowdowns)) {
		t.Errorf("%d lines in all", got)
	}
}

// TestWrite: the page and the plots are written, keep the rest of the page, and the
// plots are well-formed.
func TestWrite(t *testing.T) {
	docs := t.TempDir()
	page := filepath.Join(docs, "benchmarks.md")
	if err := os.WriteFile(page, []byte("# Benchmarks\n\n## Gateway\n\nfast\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := canned().write(docs); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"## Gateway\n\nfast\n", "## Decisions\n", "abc1234", "seed 7", "a figure"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, name := range []string{"decisions-false-rollback.svg", "decisions-detection.svg"} {
		f, err := os.Open(filepath.Join(docs, "images", name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for d := xml.NewDecoder(f); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if !strings.Contains(string(text), "images/"+name) {
			t.Errorf("the page does not show %s", name)
		}
	}
}

// TestWriteFigures: the part about the figures is put in place of the old one, and
// nothing else moves.
func TestWriteFigures(t *testing.T) {
	docs := t.TempDir()
	page := filepath.Join(docs, "benchmarks.md")
	if err := canned().writeFigures(docs); err == nil {
		t.Error("written to a page that does not exist")
	}
	if err := canned().write(docs); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	newer := canned()
	newer.Commit = "def5678"
	for _, c := range []struct{ name, after string }{{"the last part", ""}, {"before another section", "\n## Gateway\n\nfast\n"}} {
		if err := os.WriteFile(page, append(whole, c.after...), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := newer.writeFigures(docs); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		i := strings.Index(string(whole), figuresHeading)
		want := string(whole[:i]) + strings.ReplaceAll(string(whole[i:]), "abc1234", "def5678") + c.after
		if diff := cmp.Diff(want, string(got)); diff != "" || want == string(whole)+c.after {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
	if err := os.WriteFile(page, []byte("# Benchmarks\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := newer.writeFigures(docs); err == nil {
		t.Error("written to a page without the part")
	}
}

// TestExperimentIsSeeded: the same seed writes the same report.
func TestExperimentIsSeeded(t *testing.T) {
	w := cell{.05, 2, 100, .5, 15 * time.Second, 20 * time.Minute}.workload()
	run := func(seed uint64) []tally { return compete(w, rules(w, seed), seed, 20).tallies }
	show := cmp.AllowUnexported(tally{})
	if diff := cmp.Diff(run(1), run(1), show); diff != "" {
		t.Error(diff)
	}
	if cmp.Equal(run(1), run(2), show) {
		t.Error("another seed gives the same")
	}
}
