package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/experiment"
	"github.com/haldane-dev/haldane/internal/report"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// table returns a writer that aligns columns, which tabs separate.
func table(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 4, 2, ' ', 0) }

// writeList prints one line a rollout and, below, what a person should know.
func writeList(w io.Writer, all []engine.Status) error {
	t := table(w)
	fmt.Fprintln(t, "NAME\tPHASE\tSTEP\tTRAFFIC\tVERDICT\tSTABLE\tCANARY")
	for _, s := range all {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.Name, s.Phase, stepOf(&s), s.Observed.Canary,
			orDash(string(s.Verdict.Decision)), s.Stable, s.Canary)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, s := range all {
		for _, x := range s.Warnings {
			fmt.Fprintf(w, "! %s: %s\n", s.Name, x)
		}
	}
	return nil
}

// stepOf is the place on the ladder, "-" where there is none.
func stepOf(s *engine.Status) string {
	if len(s.Steps) == 0 || s.Phase == rollout.Idle {
		return "-"
	}
	return fmt.Sprintf("%d/%d", min(s.Step+1, len(s.Steps)), len(s.Steps))
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// writeStatus prints everything about one rollout.
func writeStatus(w io.Writer, s *engine.Status) error {
	t := table(w)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	if s.Mode == "kubernetes" && s.Canary.Hash == s.Stable.Hash {
		row("Rollout", "%s: %s serves, and there is no candidate", s.Name, s.Stable)
	} else if x := s.Experiment; x != nil {
		row("Rollout", "%s: an experiment with %d arms%s", s.Name, len(x.Arms), attempt(s.Attempt))
	} else if s.Strategy == rollout.StrategyShadow {
		row("Rollout", "%s: %s is to be compared with %s, which users see%s", s.Name, s.Canary, s.Stable, attempt(s.Attempt))
	} else {
		row("Rollout", "%s: %s is to replace %s%s", s.Name, s.Canary, s.Stable, attempt(s.Attempt))
	}
	row("Phase", "%s", place(s))
	traffic := fmt.Sprintf("%s to %s", s.Observed.Canary, s.Canary)
	if s.Observed.Canary != s.Wanted.Canary {
		traffic += fmt.Sprintf(" (%s wanted)", s.Wanted.Canary)
	}
	if s.Observed.Mirror > 0 {
		traffic += fmt.Sprintf(", %s mirrored", s.Observed.Mirror)
	}
	if s.Experiment == nil {
		row("Traffic", "%s", traffic)
	}
	if s.Reason != "" {
		row("Reason", "%s", s.Reason)
	}
	if s.Waiting != "" {
		row("Waiting", "%s", strings.TrimPrefix(s.Waiting, "Waiting "))
	}
	if !s.Deadline.IsZero() {
		row("Deadline", "%s, in %s", s.Deadline.Local().Format("2006-01-02 15:04:05"), s.Deadline.Sub(s.Now).Round(time.Second))
	}
	for _, x := range s.Warnings {
		row("Warning", "%s", x)
	}
	for _, x := range s.Signals { // those that only warn are among the warnings
		if x.Effect != rollout.SignalWarn && !strings.Contains(s.Waiting+s.Reason, x.Message) {
			row(string(x.Effect), "%s: %s", x.Name, x.Message)
		}
	}
	for _, name := range []string{"gateway", "flag", "preview", "dashboard"} {
		if at := s.Links[name]; at != "" {
			row(strings.ToUpper(name[:1])+name[1:], "%s", at)
		}
	}
	writeArms(t, s)
	if err := t.Flush(); err != nil {
		return err
	}
	if err := writeExperiment(w, s.Experiment); err != nil {
		return err
	}
	if err := writeWatches(w, s.Watches); err != nil {
		return err
	}
	return writeEvidence(w, s)
}

// writeWatches prints how everything stands that has a say beside the evidence.
func writeWatches(w io.Writer, all []engine.Watch) error {
	if len(all) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	t := table(w)
	fmt.Fprintln(t, "WATCHED\tSTATE\tREADING\tLIMITS\tEFFECT\tSAYS")
	for _, x := range all {
		effect := orDash(string(x.Effect))
		if x.DryRun {
			effect += " (dry run)"
		}
		fmt.Fprintf(t, "%s %s\t%s\t%s\t%s\t%s\t%s\n", x.Kind, x.Name, x.State, reading(x.Value), limits(x), effect, orDash(x.Says))
	}
	return t.Flush()
}

func reading(x *float64) string {
	if x == nil {
		return "-"
	}
	return strconv.FormatFloat(*x, 'g', 6, 64)
}

// limits writes the least and the most that is allowed.
func limits(x engine.Watch) string {
	var out []string
	if x.Min != nil {
		out = append(out, "min "+reading(x.Min))
	}
	if x.Max != nil {
		out = append(out, "max "+reading(x.Max))
	}
	return orDash(strings.Join(out, ", "))
}

// place is the phase, and the step where there is one.
func place(s *engine.Status) string {
	if step := stepOf(s); step != "-" {
		return string(s.Phase) + ", step " + step
	}
	return string(s.Phase)
}

func attempt(n int) string {
	if n < 2 {
		return ""
	}
	return fmt.Sprintf(", attempt %d", n)
}

// servedArm is an arm and what it serves.
type servedArm struct {
	name     string
	revision rollout.Revision
}

// writeExperiment prints how the arms of an experiment compare.
func writeExperiment(w io.Writer, x *experiment.View) error {
	if x == nil {
		return nil
	}
	for _, rows := range [][][]string{report.ExperimentArms(x), report.ExperimentPairs(x)} {
		if rows == nil {
			continue
		}
		fmt.Fprintln(w)
		t := table(w)
		for i, cells := range rows {
			line := strings.Join(cells, "\t")
			if i == 0 {
				line = strings.ToUpper(line)
			}
			fmt.Fprintln(t, line)
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "\n%s\n", report.ExperimentRule(x))
	return err
}

// writeArms prints how each version does.
func writeArms(w io.Writer, s *engine.Status) {
	arms := []servedArm{{"stable", s.Stable}, {"canary", s.Canary}}
	if x := s.Experiment; x != nil {
		for _, a := range x.Arms[min(len(arms), len(x.Arms)):] {
			arms = append(arms, servedArm{a.Name, rollout.Revision{Version: a.Version}})
		}
	}
	for _, arm := range arms {
		state := "not running"
		if h, ok := s.Workloads[arm.name]; ok {
			switch {
			case h.Ready:
				state = "ready"
			case h.Message != "":
				state = h.Message
			}
		}
		if t, ok := s.Totals[arm.name]; ok {
			state += "; " + requests(t)
		}
		if l, ok := s.Labels[arm.name]; ok {
			state += fmt.Sprintf("; labels for %d of %d predictions, %d wrong", l.Labelled, l.Predicted, l.Wrong)
		}
		fmt.Fprintf(w, "%s %s\t%s\n", strings.ToUpper(arm.name[:1])+arm.name[1:], arm.revision, state)
	}
}

// writeEvidence prints how far each metric is from either bound.
func writeEvidence(w io.Writer, s *engine.Status) error {
	all := s.Verdict.Metrics
	if len(all) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	t := table(w)
	fmt.Fprintln(t, "METRIC\tVERDICT\tSTABLE\tCANARY\tNO WORSE\tWORSE\tCOUNTED")
	for _, m := range all {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%d, %d\n", m.Name, m.Decision, report.Figure(m, m.Stable), report.Figure(m, m.Canary),
			bar(m.LogPromotion, m.PromotionThreshold), bar(m.LogRollback, m.RollbackThreshold), m.StableN, m.CanaryN)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, m := range all {
		if m.Reason == "" || strings.Contains(s.Waiting+s.Reason, m.Reason) {
			continue // it stands above
		}
		if _, err := fmt.Fprintf(w, "\n%s: %s\n", m.Name, strings.TrimPrefix(m.Reason, m.Name+": ")); err != nil {
			return err
		}
	}
	return nil
}

// writeHistory prints one line an event.
func writeHistory(w io.Writer, events []rollout.Event) error {
	t := table(w)
	for _, e := range events {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", e.At.Local().Format("2006-01-02 15:04:05"), e.Revision, e.Kind, e.Message)
	}
	return t.Flush()
}
