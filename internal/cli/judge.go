package cli

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/judge"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// judgeHeap is what the heap is kept to while a record is read, in bytes, as far
// as collecting more often can do so. GOMEMLIMIT overrides it.
const judgeHeap = 220 << 20

// addOfflineCommands adds the commands that need no traffic.
func addOfflineCommands(root *cobra.Command, p Program) {
	root.AddCommand(planCommand(p), checkCommand(p), judgeCommand(p))
}

// judgeFlags are what `haldane judge` is told.
type judgeFlags struct {
	file, counts, only string
	output             format
	server             serverFlags
}

func judgeCommand(p Program) *cobra.Command {
	j := &judgeFlags{}
	cmd := &cobra.Command{
		Use: "judge -f FILE {--counts FILE.jsonl | --prometheus URL --from TIME --to TIME}", Short: "Give the verdict on recorded counts",
		Long: `Gives the verdict on counts that were recorded, one for each rollout in the record,
by the analysis of the rollout file. Every block is held to the full margin. The
record is JSON lines, or the raw counters of a Prometheus server.

Exit codes: 0 every rollout passed (with --only rollback: none failed), 3 at least
one failed, 4 none failed but at least one is undecided or cannot be trusted, 2 bad
file, record or flags, 1 anything else.`,
		Example: `  haldane judge -f rollout.yaml --counts counts.jsonl
  zcat counts.jsonl.gz | haldane judge -f rollout.yaml --counts - -o json
  haldane judge -f rollout.yaml --prometheus http://127.0.0.1:9090 --from 2h`,
		GroupID: groupOffline, Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return j.run(c, p) },
	}
	f := cmd.Flags()
	f.StringVarP(&j.file, "file", "f", "", "the rollout file; - reads standard input")
	f.StringVar(&j.counts, "counts", "", "the record, one JSON object a line; - reads standard input")
	f.StringVar(&j.only, "only", "", "rollback or promotion: look at one side alone, to the end of the record")
	j.output.flag(cmd, "one JSON object a rollout")
	j.server.flags(cmd)
	return cmd
}

func (j *judgeFlags) run(c *cobra.Command, p Program) error {
	switch {
	case j.file == "":
		return Usage(errors.New("judge needs a rollout: give its file with -f"))
	case (j.counts == "") == (j.server.address == ""):
		return Usage(errors.New("judge needs one record: give a file with --counts, or a server with --prometheus"))
	case j.file == "-" && j.counts == "-":
		return Usage(errors.New("-f and --counts cannot both read standard input"))
	}
	if name := j.server.given(c); j.counts != "" && name != "" {
		return Usage(fmt.Errorf("--%s is about a server: leave it out with --counts, or give --prometheus instead", name))
	}
	m, err := v1alpha1.LoadAnyFile(j.file)
	if err != nil {
		return Usage(err)
	}
	plan, err := p.Plan(m)
	if err != nil {
		return Usage(err)
	}
	if _, err := judge.NewRules(plan, judge.Side(j.only)); err != nil {
		return Usage(fmt.Errorf("--only: %w", err))
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(judgeHeap)
	}
	out := &verdicts{w: bufio.NewWriter(c.OutOrStdout()), json: j.output == jsons, only: judge.Side(j.only)}
	if j.counts != "" {
		err = j.record(c, plan, out)
	} else {
		err = j.server.judge(c.Context(), p, plan, out)
	}
	if err := errors.Join(err, out.end()); err != nil {
		return err
	}
	return out.code()
}

// record judges a file.
func (j *judgeFlags) record(c *cobra.Command, plan rollout.Plan, out *verdicts) error {
	name, in := "standard input", c.InOrStdin()
	if j.counts != "-" {
		f, err := os.Open(j.counts)
		if err != nil {
			return Usage(fmt.Errorf("read the record: %w", err))
		}
		defer f.Close()
		name, in = j.counts, f
	}
	s, err := judge.File(c.Context(), name, in, judge.Options{Plan: plan, Only: judge.Side(j.only)}, out.add)
	if l := (*judge.LineError)(nil); errors.As(err, &l) {
		return Usage(err)
	}
	if err != nil {
		return err
	}
	return checkNames(c.ErrOrStderr(), name, plan, s)
}

// checkNames tells of names that do not meet. A record that has nothing the
// rollout compares is at fault.
func checkNames(w io.Writer, name string, plan rollout.Plan, s judge.Summary) error {
	switch {
	case s.Lines == 0:
		return Usage(fmt.Errorf("%s: is empty", name))
	case len(s.Missing) == len(plan.Analysis.Metrics):
		return Usage(fmt.Errorf("%s: has no counts of %s, which the rollout compares%s", name, strings.Join(s.Missing, ", "), instead(s.Ignored)))
	case len(s.Missing) > 0:
		fmt.Fprintf(w, "haldane: %s: has no counts of %s, so that nothing can pass%s\n", name, strings.Join(s.Missing, ", "), instead(s.Ignored))
	}
	return nil
}

func instead(ignored []string) string {
	if len(ignored) == 0 {
		return ""
	}
	return "; what it has beside and the rollout does not compare: " + strings.Join(ignored, ", ")
}

// verdicts prints results as they come and remembers what the exit code needs.
type verdicts struct {
	w    *bufio.Writer
	json bool
	only judge.Side
	n    int
	by   map[analysis.Decision]int
}

func (v *verdicts) add(r judge.Result) error {
	if v.by == nil {
		v.by = map[analysis.Decision]int{}
	}
	v.n++
	v.by[r.Verdict]++
	if v.json {
		enc := json.NewEncoder(v.w)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(r); err != nil {
			return fmt.Errorf("print: %w", err)
		}
		return nil
	}
	_, err := fmt.Fprintf(v.w, "%s: %s %s at %s, %s%% of traffic: %s\n", r.Rollout, r.Verdict, when(r), seconds(r.T), strconv.FormatFloat(r.Weight, 'g', 6, 64), r.Reason)
	return err
}

// when says what the time of a result is.
func when(r judge.Result) string {
	if r.Verdict == analysis.Pass || r.Verdict == analysis.Fail {
		return "reached"
	}
	return "still"
}

// seconds writes a time of a record.
func seconds(t float64) string { return strconv.FormatFloat(t, 'f', -1, 64) + " s" }

// end prints the sum of many results.
func (v *verdicts) end() error {
	if !v.json && v.n > 1 {
		var parts []string
		for _, d := range []analysis.Decision{analysis.Fail, analysis.Invalid, analysis.Inconclusive, analysis.Pass} {
			if v.by[d] > 0 {
				parts = append(parts, fmt.Sprintf("%d %s", v.by[d], d))
			}
		}
		fmt.Fprintf(v.w, "%d rollouts: %s\n", v.n, strings.Join(parts, ", "))
	}
	if err := v.w.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// code turns the results into the exit code.
func (v *verdicts) code() error {
	open := v.by[analysis.Invalid]
	if v.only != judge.Rollback {
		open += v.by[analysis.Inconclusive]
	}
	switch {
	case v.by[analysis.Fail] > 0:
		return &codeError{exitRolledBack, nil}
	case open > 0:
		return &codeError{exitHeld, nil}
	}
	return nil
}
