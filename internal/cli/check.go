package cli

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/haldane-dev/haldane/api/v1alpha1"
)

// CheckOptions is one `haldane check`.
type CheckOptions struct {
	Rollout *v1alpha1.ModelRollout // loaded, defaulted and valid
	Dir     string                 // what relative paths in it are relative to
	Wait    time.Duration          // for all versions to become ready
	Logger  *slog.Logger
	Output  io.Writer // what the models print
}

// CheckResult is what one version came to in one check.
type CheckResult struct {
	Check   string  `json:"check"`
	Arm     string  `json:"arm"` // stable, canary, or a variant of an experiment
	Version string  `json:"version"`
	Passed  bool    `json:"passed"`
	Message string  `json:"message,omitempty"` // what is wrong
	Seconds float64 `json:"seconds"`           // until that was known
}

// checkFlags are what `haldane check` is told.
type checkFlags struct {
	file   string
	output format
	level  level
	wait   time.Duration
}

func checkCommand(p Program) *cobra.Command {
	f := &checkFlags{level: level(slog.LevelWarn)}
	cmd := &cobra.Command{
		Use: "check -f FILE", Short: "Send the checks of a rollout once, to both versions",
		Long: `Sends the checks of a rollout once, to both versions, and says what came back. It
starts the versions that the file has commands for, and ends them. Nothing is rolled
out.

Exit codes: 0 the candidate passes all, 1 it does not, or anything else, 2 bad file or
flags.`,
		Example: "  haldane check -f rollout.yaml",
		GroupID: groupOffline, Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c, p) },
	}
	cmd.Flags().StringVarP(&f.file, "file", "f", "", "the rollout file; - reads standard input")
	cmd.Flags().DurationVar(&f.wait, "wait", time.Minute, "how long to wait for all versions to become ready")
	f.output.flag(cmd, "the results")
	f.level.flag(cmd, withModels)
	return cmd
}

func (f *checkFlags) run(c *cobra.Command, p Program) error {
	if f.file == "" {
		return Usage(errors.New("check needs a rollout: give its file with -f"))
	}
	m, err := v1alpha1.LoadFile(f.file)
	if err != nil {
		return Usage(err)
	}
	if len(m.Spec.Analysis.Checks) == 0 {
		return Usage(fmt.Errorf("%s has no checks: write some under spec.analysis.checks", f.file))
	}
	o := CheckOptions{Rollout: m, Dir: ".", Wait: f.wait, Logger: f.level.logger(c.ErrOrStderr()), Output: f.level.models(c.ErrOrStderr())}
	if f.file != "-" {
		o.Dir = filepath.Dir(f.file)
	}
	results, err := p.Check(c.Context(), o)
	if err != nil {
		return err
	}
	if err := f.print(c, results); err != nil {
		return err
	}
	for _, r := range results {
		if r.Arm != "stable" && !r.Passed {
			return &codeError{exitFailed, nil}
		}
	}
	return nil
}

func (f *checkFlags) print(c *cobra.Command, all []CheckResult) error {
	if f.output == jsons {
		return writeJSON(c.OutOrStdout(), all)
	}
	w := table(c.OutOrStdout())
	fmt.Fprintln(w, "CHECK\tARM\tVERSION\tTIME\tRESULT")
	for _, r := range all {
		result := "passed"
		if !r.Passed {
			result = "FAILED: " + r.Message
		}
		took := time.Duration(r.Seconds * float64(time.Second)).Round(100 * time.Microsecond)
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.Check, r.Arm, r.Version, took, result)
	}
	return w.Flush()
}
