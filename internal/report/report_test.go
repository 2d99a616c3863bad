package report_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/report"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }

func verdict(d analysis.Decision, reason string) analysis.Verdict {
	return analysis.Verdict{Decision: d, Reason: reason, Metrics: []analysis.MetricVerdict{
		{Name: "errors", Kind: analysis.ErrorRate, Decision: d, Reason: reason, StableN: 1900, CanaryN: 100, Stable: 0.01, Canary: 0.013,
			Effect: analysis.Effect{Estimate: 0.003, Low: -0.01, High: 0.02, Unit: "share", Always: true}},
		{Name: "latency p99", Kind: analysis.Latency, Decision: analysis.Pass, Reason: "p99 is at most 25% longer.", StableN: 1900, CanaryN: 100, Stable: 0.0421, Canary: 0.0433,
			Effect: analysis.Effect{Unit: "seconds"}},
		{Name: "accuracy", Kind: analysis.Outcome, Decision: analysis.Inconclusive, Reason: "No label has matured yet."},
	}}
}

func block(n int64, step, from, to int, v analysis.Verdict) engine.Block {
	return engine.Block{Block: n, Start: at(from), End: at(to), Step: step, Phase: rollout.Progressing, Verdict: v, Arms: map[string]engine.BlockArm{
		"stable": {Requests: 950, Errors: 9}, "canary": {Requests: 50, Errors: 1}}}
}

func event(second int, k rollout.EventKind, message string) rollout.Event {
	return rollout.Event{At: at(second), Kind: k, Revision: "v2", Attempt: 2, Message: message}
}

const nasty = "errors: 40% <b>worse</b> & \"worse\" | a_b *c* `d` \x01\x1b[31m\nsecond line ]]> @everyone"

// rolledBack is taken back at its third step of four, with a reason that every
// format has to escape.
func rolledBack() report.Source {
	bad := verdict(analysis.Fail, nasty)
	return report.Source{
		Status: engine.Status{
			Name: "shop/churn", Phase: rollout.RolledBack, Reason: nasty, Attempt: 2, Step: 2, Began: at(0), Now: at(500),
			Stable: rollout.Revision{Version: "v1"}, Canary: rollout.Revision{Version: "v2"},
			Steps:   []rollout.Step{{Weight: traffic.Percent(5)}, {Pause: &rollout.Pause{For: time.Minute}}, {Weight: traffic.Percent(25)}, {Weight: traffic.Percent(100)}},
			Verdict: bad, FalseRollback: 0.01, FalsePromotion: 0.05, Warnings: []string{"The disk is full."},
		},
		Blocks: []engine.Block{
			block(1, 0, -60, -45, bad), // of the attempt before
			block(2, 0, 10, 25, verdict(analysis.Inconclusive, "Not enough yet.")), block(3, 0, 25, 40, verdict(analysis.Pass, "No worse than the margin.")),
			block(4, 2, 100, 115, verdict(analysis.Inconclusive, "Not enough yet.")), block(5, 2, 115, 130, bad),
		},
		Events: []rollout.Event{
			{At: at(-100), Kind: rollout.EventStarted, Revision: "v2", Attempt: 1, Message: "Attempt 1."},
			event(0, rollout.EventStarted, "v2 is to replace v1."), event(10, rollout.EventStep, "Step 1 of 4: 5%."),
			event(130, rollout.EventRollback, nasty), event(131, rollout.EventRolledBack, "All traffic is on v1."),
		},
	}
}

// promoted was promoted in full by a person before its second step had passed.
func promoted() report.Source {
	return report.Source{
		Status: engine.Status{
			Name: "churn", Phase: rollout.Promoted, Reason: "Every step passed.", Attempt: 2, Step: 3, Began: at(0), Now: at(3700),
			Stable: rollout.Revision{Version: "v1"}, Canary: rollout.Revision{Version: "v2"},
			Steps:   []rollout.Step{{Shadow: traffic.Percent(100)}, {Weight: traffic.Percent(5)}, {Pause: &rollout.Pause{}}, {Weight: traffic.Percent(100)}},
			Verdict: verdict(analysis.Inconclusive, "Not enough yet."), FalseRollback: 0.01, FalsePromotion: 0.05,
		},
		Blocks: []engine.Block{block(7, 0, 10, 25, verdict(analysis.Pass, "Fine.")), block(8, 1, 25, 40, verdict(analysis.Inconclusive, "Not enough yet."))},
		Events: []rollout.Event{{At: at(41), Kind: rollout.EventCommand, Revision: "v2", Attempt: 2, Message: "promote --full", By: "ann"}, event(3600, rollout.EventPromoted, "v2 serves.")},
	}
}

func TestGolden(t *testing.T) {
	for name, source := range map[string]report.Source{"rolledback": rolledBack(), "promoted": promoted()} {
		for _, ext := range []string{".xml", ".md", ".json"} {
			t.Run(name+ext, func(t *testing.T) {
				f, err := report.ByName("x" + ext)
				if err != nil {
					t.Fatal(err)
				}
				var got bytes.Buffer
				if err := report.Write(&got, f, report.New(source)); err != nil {
					t.Fatal(err)
				}
				golden := filepath.Join("testdata", name+ext)
				if *update {
					if err := os.WriteFile(golden, got.Bytes(), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(golden)
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(string(want), got.String()); d != "" {
					t.Errorf("(-want +got), go test -update rewrites it:\n%s", d)
				}
			})
		}
	}
}

// TestJUnitIsWhatConsumersRead: well-formed, its counts are those of its cases,
// every case has a name of its own and at most one result, and the text comes
// back as it was but for what XML cannot hold.
func TestJUnitIsWhatConsumersRead(t *testing.T) {
	var out bytes.Buffer
	if err := report.WriteJUnit(&out, report.New(rolledBack()), report.New(promoted())); err != nil {
		t.Fatal(err)
	}
	type result struct {
		Message string `xml:"message,attr"`
	}
	var doc struct {
		XMLName xml.Name `xml:"testsuites"`
		Tests   int      `xml:"tests,attr"`
		Suites  []struct {
			Name     string `xml:"name,attr"`
			Tests    int    `xml:"tests,attr"`
			Failures int    `xml:"failures,attr"`
			Errors   int    `xml:"errors,attr"`
			Skipped  int    `xml:"skipped,attr"`
			Cases    []struct {
				Class   string   `xml:"classname,attr"`
				Name    string   `xml:"name,attr"`
				Failure []result `xml:"failure"`
				Error   []result `xml:"error"`
				Skipped []result `xml:"skipped"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	dec := xml.NewDecoder(bytes.NewReader(bytes.TrimSpace(out.Bytes())))
	if err := dec.Decode(&doc); err != nil {
		t.Fatal(err)
	}
	if _, err := dec.Token(); err != io.EOF {
		t.Errorf("after the root comes %v", err)
	}
	total := 0
	for _, s := range doc.Suites {
		names, failures, errs, skipped := map[string]bool{}, 0, 0, 0
		for _, c := range s.Cases {
			names[c.Class+c.Name] = true
			failures += len(c.Failure)
			errs += len(c.Error)
			skipped += len(c.Skipped)
			if len(c.Failure)+len(c.Error)+len(c.Skipped) > 1 {
				t.Errorf("%s has more than one result", c.Name)
			}
		}
		if len(names) != s.Tests || len(s.Cases) != s.Tests || failures != s.Failures || errs != s.Errors || skipped != s.Skipped {
			t.Errorf("%s counts %d, %d, %d, %d; it has %d names, %d, %d, %d", s.Name, s.Tests, s.Failures, s.Errors, s.Skipped, len(names), failures, errs, skipped)
		}
		total += s.Tests
	}
	if total != doc.Tests || len(doc.Suites) != 2 {
		t.Errorf("%d tests in %d suites, counted as %d", total, len(doc.Suites), doc.Tests)
	}
	want := strings.NewReplacer("\x01", "\uFFFD", "\x1b", "\uFFFD").Replace(nasty)
	if got := doc.Suites[0].Cases[0].Failure; len(got) != 1 || got[0].Message != want {
		t.Errorf("the failure is %q, want %q", got, want)
	}
}

func TestMarkdownStaysInItsTable(t *testing.T) {
	var out bytes.Buffer
	if err := report.WriteMarkdown(&out, report.New(rolledBack())); err != nil {
		t.Fatal(err)
	}
	columns := 0
	for line := range strings.Lines(out.String()) {
		bars := strings.Count(line, "|") - strings.Count(line, `\|`)
		switch {
		case !strings.HasPrefix(line, "|"):
			columns = 0
		case columns == 0:
			columns = bars
		case bars != columns:
			t.Errorf("%d columns in a table of %d: %s", bars-1, columns-1, line)
		}
	}
	for _, raw := range []string{"<b>", "\x1b", "`d`", " @everyone"} {
		if strings.Contains(out.String(), raw) {
			t.Errorf("%q is not escaped:\n%s", raw, out.String())
		}
	}
}

func TestStates(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*engine.Status)
		result report.Result
		states []report.StepState
	}{
		"rolled back":  {func(*engine.Status) {}, report.RolledBack, []report.StepState{report.Passed, report.Passed, report.Failed, report.NotReached}},
		"under way":    {func(s *engine.Status) { s.Phase = rollout.Progressing }, report.Unfinished, []report.StepState{report.Passed, report.Passed, report.Stands, report.NotReached}},
		"held":         {func(s *engine.Status) { s.Phase, s.Hold = rollout.Paused, &engine.Hold{Kind: engine.HeldAtDeadline} }, report.Held, []report.StepState{report.Passed, report.Passed, report.Stands, report.NotReached}},
		"not begun":    {func(s *engine.Status) { s.Phase, s.Step = rollout.Initializing, 0 }, report.Unfinished, []report.StepState{report.NotReached, report.NotReached, report.NotReached, report.NotReached}},
		"full promote": {func(s *engine.Status) { s.Phase, s.Step = rollout.Promoted, 3 }, report.Promoted, []report.StepState{report.Passed, report.Passed, report.Skipped, report.Passed}},
	} {
		t.Run(name, func(t *testing.T) {
			s := rolledBack()
			tc.change(&s.Status)
			r := report.New(s)
			var got []report.StepState
			for _, x := range r.Steps {
				got = append(got, x.State)
			}
			if d := cmp.Diff(tc.states, got); d != "" || r.Result != tc.result {
				t.Errorf("%s (-want +got):\n%s", r.Result, d)
			}
		})
	}
}

// TestCounts: of this attempt alone.
func TestCounts(t *testing.T) {
	r := report.New(rolledBack())
	if got, want := r.Arms["canary"], (report.Arm{Requests: 200, Errors: 4}); got != want {
		t.Errorf("the canary served %+v, want %+v", got, want)
	}
	if r.Seconds != 131 || r.Partial || len(r.Events) != 4 || r.Steps[2].Seconds != 30 {
		t.Errorf("%g s, partial %t, %d events, third step %g s", r.Seconds, r.Partial, len(r.Events), r.Steps[2].Seconds)
	}
	if r := report.New(promoted()); !r.Partial {
		t.Error("its first block is the journal's seventh: the report does not say that some are gone")
	}
}

func TestOfNothing(t *testing.T) {
	for _, f := range []report.Format{report.JUnit, report.Markdown, report.JSON} {
		var out bytes.Buffer
		if err := report.Write(&out, f, report.New(report.Source{Status: engine.Status{Name: "a", Phase: rollout.Idle}})); err != nil || out.Len() == 0 {
			t.Errorf("%s: %v, %d bytes", f, err, out.Len())
		}
		if f == report.JSON && !json.Valid(out.Bytes()) {
			t.Errorf("not JSON: %s", out.String())
		}
	}
	if err := report.Write(io.Discard, "pdf", report.Report{}); err == nil {
		t.Error("written as pdf")
	}
	if _, err := report.ByName("x.pdf"); err == nil {
		t.Error("the ending .pdf is taken")
	}
}
