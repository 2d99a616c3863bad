package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/haldane-dev/haldane/internal/report"
)

// journalLimit is how many of the newest blocks and events are asked for: as
// many as the API gives.
const journalLimit = 5000

// reportFormat is what `report -o` takes.
type reportFormat report.Format

// String implements pflag.Value.
func (f *reportFormat) String() string { return string(*f) }

// Type implements pflag.Value.
func (f *reportFormat) Type() string { return "markdown|junit|json" }

// Set implements pflag.Value.
func (f *reportFormat) Set(s string) error {
	switch report.Format(s) {
	case report.Markdown, report.JUnit, report.JSON:
		*f = reportFormat(s)
		return nil
	}
	return fmt.Errorf("want markdown, junit or json")
}

func reportCommand(p Program) *cobra.Command {
	r, format := &remote{program: p}, reportFormat(report.Markdown)
	cmd := r.asking("report", "Report how a rollout goes or went", groupAsk, func(cmd *cobra.Command, c Rollouts, args []string) error {
		id, err := name(cmd.Context(), c, args)
		if err != nil {
			return err
		}
		s := report.Source{}
		if s.Status, err = c.Status(cmd.Context(), id); err != nil {
			return err
		}
		if s.Blocks, err = c.Blocks(cmd.Context(), id, journalLimit); err != nil {
			return err
		}
		if s.Events, err = c.Events(cmd.Context(), id, journalLimit); err != nil {
			return err
		}
		return report.Write(cmd.OutOrStdout(), report.Format(format), report.New(s))
	})
	cmd.Long = `Reports how a rollout goes or went: each step, each metric's verdict with its numbers
and its reason, and what each version served. It asks a haldane that runs; to have
the report of one that ends with its rollout, give --report to run or to wait.`
	cmd.Example = "  haldane report\n  haldane report churn -o junit > churn.xml"
	cmd.Flags().VarP(&format, "output", "o", "markdown for people, junit for what collects test results, json for programs")
	return cmd
}

// reportFiles is what --report takes: files, whose endings say the format.
type reportFiles []string

// String implements pflag.Value.
func (f *reportFiles) String() string { return strings.Join(*f, ",") }

// Type implements pflag.Value.
func (f *reportFiles) Type() string { return "FILE" }

// Set implements pflag.Value.
func (f *reportFiles) Set(s string) error {
	if _, err := report.ByName(s); err != nil {
		return err
	}
	// It is written at the end, hours from now.
	if info, err := os.Stat(filepath.Dir(s)); err != nil || !info.IsDir() {
		return fmt.Errorf("there is no folder %s: make it first", filepath.Dir(s))
	}
	*f = append(*f, s)
	return nil
}

// flag adds --report to a command.
func (f *reportFiles) flag(c *cobra.Command) {
	c.Flags().Var(f, "report", "write a report there at the end: .xml (JUnit), .md or .json; may be repeated")
}

// write writes every report. A file is whole or not there.
func (f reportFiles) write(s report.Source) error {
	for _, file := range f {
		format, err := report.ByName(file)
		if err != nil {
			return err
		}
		var text bytes.Buffer
		if err := report.Write(&text, format, report.New(s)); err != nil {
			return err
		}
		partial := file + ".partial"
		if err := os.WriteFile(partial, text.Bytes(), 0o644); err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
		if err := os.Rename(partial, file); err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
	}
	return nil
}

// tell writes every report, and says on errOut what went wrong: it does not
// change how the rollout ended.
func (f reportFiles) tell(errOut io.Writer, s report.Source) {
	if err := f.write(s); err != nil {
		fmt.Fprintln(errOut, "haldane:", err)
	}
}
