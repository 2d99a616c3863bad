package cli

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/report"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// runFlags are what `haldane run` is told.
type runFlags struct {
	file   string
	output format
	level  level
	report reportFiles
	o      RunOptions
}

func runCommand(p Program) *cobra.Command {
	r := &runFlags{level: level(slog.LevelWarn)}
	cmd := &cobra.Command{
		Use: "run -f FILE", Short: "Carry out one rollout on this machine, gateway and dashboard included",
		Long: `Carries out one rollout on this machine: starts or watches both models, splits the
traffic that comes to the gateway, compares, and promotes or takes back. It ends
when the rollout has. Ended before that, even by force, it goes on from where it
was when it is run again with the same state file.
` + exitCodes,
		Example: "  haldane run -f rollout.yaml\n  haldane run -f rollout.yaml -o json | jq -c .event\n  haldane run -f rollout.yaml --retry",
		GroupID: groupStart, Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return r.run(c, p) },
	}
	f := cmd.Flags()
	f.StringVarP(&r.file, "file", "f", "", "the rollout file; - reads standard input")
	f.StringVar(&r.o.State, "state", "", "the state file (default .haldane/NAME.db beside the rollout file)")
	f.StringVar(&r.o.API, "api", "", "address of the API and dashboard (default 127.0.0.1:7600)")
	f.StringVar(&r.o.Token, "token", "", "token the API asks for, needed beyond loopback (default $HALDANE_TOKEN)")
	f.StringVar(&r.o.Traces, "traces", "", "send OpenTelemetry spans of requests to this OTLP endpoint (default $OTEL_EXPORTER_OTLP_ENDPOINT)")
	f.BoolVar(&r.o.Hold, "hold", false, "keep serving after the end, until interrupted")
	f.BoolVar(&r.o.Retry, "retry", false, "run a rolled-back version again, as its next attempt")
	r.report.flag(cmd)
	r.output.flag(cmd, "everything that happens as lines of JSON, the outcome last")
	r.level.flag(cmd, withModels)
	return cmd
}

func (r *runFlags) run(c *cobra.Command, p Program) error {
	if r.file == "" {
		return Usage(errors.New("run needs a rollout: give its file with -f"))
	}
	o := r.o
	var err error
	if o.Rollout, err = v1alpha1.LoadFile(r.file); err != nil {
		return Usage(err)
	}
	o.Dir = "."
	if r.file != "-" {
		o.File, o.Dir = r.file, filepath.Dir(r.file)
	}
	o.Token = orEnv(o.Token, tokenVariable)
	progress := newProgress(c.OutOrStdout(), r.output)
	errOut := progress.over(c.ErrOrStderr())
	o.Logger, o.Output = r.level.logger(errOut), r.level.models(errOut)
	told := false
	o.Found = func(s rollout.State, over bool) {
		told = over
		progress.found(s, over)
	}
	o.Ready, o.Update = progress.addresses, progress.update
	if len(r.report) > 0 {
		o.Report = func(s report.Source) { r.report.tell(errOut, s) }
	}
	result, err := p.Run(c.Context(), o)
	progress.end()
	over := result.Held || result.Phase.Terminal()
	if err != nil && (!over || o.Hold) {
		return err
	}
	if err != nil { // what went wrong while it stopped does not undo its end
		fmt.Fprintln(errOut, "haldane:", err)
	}
	if over {
		progress.outcome(result)
	}
	if result.Held && !o.Hold && !told {
		fmt.Fprintln(c.ErrOrStderr(), "haldane: held at its deadline, undecided.", whenHeld)
	}
	return ended(result)
}

// The environment variables that stand in for flags.
const (
	tokenVariable  = "HALDANE_TOKEN"
	serverVariable = "HALDANE_SERVER"
)

// orEnv is the flag's value or, where it was not given, the variable's. Read
// here and not as the flag's default, so that no help text shows a token.
func orEnv(value, variable string) string {
	if value != "" {
		return value
	}
	return os.Getenv(variable)
}

func demoCommand(p Program) *cobra.Command {
	o := DemoOptions{}
	l := level(slog.LevelError)
	cmd := &cobra.Command{
		Use: "demo", Short: "Roll out a real model on real data, nothing to install",
		Long: `Rolls out a real model of customer churn under recorded traffic, on this machine,
and ends with a report. Exit code 0 means that it ended as the scenario should:
good is promoted, all others are taken back.`,
		Example: "  haldane demo\n  haldane demo --scenario wrong --hold",
		GroupID: groupStart, Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if len(p.Scenarios) > 0 && !slices.Contains(p.Scenarios, o.Scenario) {
				return Usage(fmt.Errorf("--scenario %q: want %s", o.Scenario, strings.Join(p.Scenarios, ", ")))
			}
			progress := newProgress(c.OutOrStdout(), text)
			o.Out = progress.over(c.OutOrStdout())
			o.Terminal = progress.screen != nil
			errOut := progress.over(c.ErrOrStderr())
			o.Logger, o.Output = l.logger(errOut), l.models(errOut)
			o.Update = progress.update
			expected, err := p.Demo(c.Context(), o)
			progress.end()
			if err == nil && !expected {
				err = &codeError{exitFailed, nil}
			}
			return err
		},
	}
	cmd.Flags().StringVar(&o.Scenario, "scenario", "good", strings.Join(p.Scenarios, ", "))
	cmd.Flags().StringVar(&o.API, "api", "", "address of the dashboard (default 127.0.0.1:7600, or a free port)")
	cmd.Flags().BoolVar(&o.Hold, "hold", false, "keep running after the report, to look around")
	l.flag(cmd, withModels)
	return cmd
}

func modelCommand(p Program) *cobra.Command {
	var variant, listen string
	cmd := &cobra.Command{
		Use: "model", Short: "Serve one of the demo's models", Hidden: true, Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return p.Model(c.Context(), variant, listen) },
	}
	cmd.Flags().StringVar(&variant, "variant", "v1", "which model")
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:0", "address to listen on")
	return cmd
}
