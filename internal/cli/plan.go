package cli

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/plan"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// planFlags are what `haldane plan` is told.
type planFlags struct {
	file, svg string
	force     bool
	output    format
	baseline  baselineFlags
}

// forecast is what is said of a rollout or of an experiment.
type forecast interface {
	Text(w io.Writer) error
	SVG(w io.Writer) error
	// Refusals say what cannot be decided in time and what would help.
	Refusals() []string
}

func planCommand(p Program) *cobra.Command {
	f := &planFlags{}
	cmd := &cobra.Command{
		Use: "plan -f FILE --rps N", Short: "Say what a rollout can detect and how long it will take",
		Long: `Says what a rollout can detect and how long it will take, from the rollout file, the
rate of requests and what the version in service does today: for each step the
smallest regression that is taken back with a probability of 80% and 95%, and the
times to expect. Of an experiment: how it ends by how much better an arm is, and how
long that takes. A file for a cluster does too.

A rollout whose healthy canary would not be promoted within maxDuration, half of the
time, is refused with what to change; so is an experiment in which an arm that is
better by minEffect would not win, half of the time.

Exit codes: 0 it can be decided in time (or --force), 2 it cannot, or bad file or
flags, 1 anything else.`,
		Example: `  haldane plan -f rollout.yaml --rps 100 --error-rate 1% --latency p50=50ms,p99=200ms
  haldane plan -f experiment.yaml --rps 20 --mean goal=3% --error-rate 1%
  haldane plan -f rollout.yaml --baseline counts.jsonl --svg plan.svg`,
		GroupID: groupOffline, Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c, p) },
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.file, "file", "f", "", "the rollout file; - reads standard input")
	flags.StringVar(&f.svg, "svg", "", "write the picture to this file")
	flags.BoolVar(&f.force, "force", false, "only warn of what cannot be decided in time")
	f.baseline.flags(cmd)
	f.output.flag(cmd, "the forecast as JSON")
	return cmd
}

func (f *planFlags) run(c *cobra.Command, p Program) error {
	if f.file == "" {
		return Usage(errors.New("plan needs a rollout: give its file with -f"))
	}
	m, err := v1alpha1.LoadAnyFile(f.file)
	if err != nil {
		return Usage(err)
	}
	planned, err := p.Plan(m)
	if err != nil {
		return Usage(err)
	}
	base, err := f.baseline.read(c, p, m, planned)
	if err != nil {
		return err
	}
	report, err := foretell(planned, base)
	if err != nil {
		return Usage(err)
	}
	if err := f.print(c, report); err != nil {
		return err
	}
	var problems []error
	for _, text := range report.Refusals() {
		problems = append(problems, errors.New(text))
	}
	if f.force {
		for _, p := range problems {
			fmt.Fprintln(c.ErrOrStderr(), "haldane: warning:", p)
		}
		return nil
	}
	return Usage(errors.Join(problems...))
}

func foretell(p rollout.Plan, b plan.Baseline) (forecast, error) {
	if p.Experiment != nil {
		return plan.ForecastExperiment(p, b)
	}
	return plan.Forecast(p, b)
}

// print writes the report and its picture.
func (f *planFlags) print(c *cobra.Command, r forecast) error {
	if f.svg != "" {
		file, err := os.Create(f.svg)
		if err != nil {
			return fmt.Errorf("draw the plan: %w", err)
		}
		if err := errors.Join(r.SVG(file), file.Close()); err != nil {
			return fmt.Errorf("draw the plan to %s: %w", f.svg, err)
		}
	}
	if f.output == jsons {
		return writeJSON(c.OutOrStdout(), r)
	}
	return r.Text(c.OutOrStdout())
}
