package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// The exit codes of the program.
const (
	exitOK         = 0
	exitFailed     = 1 // anything not named here
	exitUsage      = 2 // a bad file or bad flags
	exitRolledBack = 3
	exitHeld       = 4 // at its deadline, undecided
)

// version is set when a release is built.
var version = ""

// codeError carries an exit code through cobra. An empty message is not printed.
type codeError struct {
	code int
	err  error
}

// Error returns the wrapped message.
func (e *codeError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

// Unwrap returns the cause.
func (e *codeError) Unwrap() error { return e.err }

func usage(err error) error {
	if err == nil {
		return nil
	}
	return &codeError{exitUsage, err}
}

// Main runs one command line and returns the exit code. It returns when the
// command has ended or ctx ends.
func Main(ctx context.Context, args []string, out, errOut io.Writer, p Program) int {
	root := &cobra.Command{
		Use:           "haldane",
		Short:         "Progressive delivery for machine-learning models",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          func(c *cobra.Command, args []string) error { return usage(cobra.NoArgs(c, args)) },
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errOut)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	root.AddCommand(runCommand(p), demoCommand(p), modelCommand(p), validateCommand(), versionCommand())
	addServerCommands(root)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if text := err.Error(); text != "" {
		fmt.Fprintln(errOut, "haldane:", text)
	}
	var c *codeError
	var bad *v1alpha1.Problems
	switch {
	case errors.As(err, &c):
		return c.code
	case errors.As(err, &bad):
		return exitUsage
	}
	return exitFailed
}

func runCommand(p Program) *cobra.Command {
	var file, output string
	o := RunOptions{Token: os.Getenv("HALDANE_TOKEN")}
	cmd := &cobra.Command{
		Use: "run -f FILE", Short: "Carry out one rollout on this machine, gateway and dashboard included",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if file == "" {
				return usage(errors.New("run needs a rollout: give its file with -f"))
			}
			var err error
			if o.Rollout, err = v1alpha1.LoadFile(file); err != nil {
				return usage(err)
			}
			o.Dir = filepath.Dir(file)
			o.Logger = slog.New(slog.NewTextHandler(c.ErrOrStderr(), nil))
			o.Output = c.ErrOrStderr()
			progress := newProgress(c.OutOrStdout())
			if output != "json" {
				o.Update = progress.update
				o.Ready = func(a Addresses) {
					progress.line("gateway %s, dashboard %s", a.Gateway, a.Dashboard)
				}
			}
			outcome, err := p.Run(c.Context(), o)
			progress.end()
			if err != nil {
				return err
			}
			if output == "json" {
				if err := writeJSON(c.OutOrStdout(), outcome); err != nil {
					return err
				}
			}
			return ended(outcome)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&file, "file", "f", "", "the rollout file; - reads standard input")
	f.StringVarP(&output, "output", "o", "", "json prints the ending as JSON and no progress")
	f.StringVar(&o.State, "state", "", "the state file (default .haldane/NAME.db beside the rollout file)")
	f.StringVar(&o.API, "api", "", "address of the API and dashboard (default 127.0.0.1:7600)")
	f.StringVar(&o.Token, "token", o.Token, "token the API asks for; needed beyond loopback (HALDANE_TOKEN)")
	f.BoolVar(&o.Hold, "hold", false, "keep serving after the end, until interrupted")
	f.BoolVar(&o.Retry, "retry", false, "run a rolled-back revision again")
	return cmd
}

// ended turns an outcome into the exit code.
func ended(o engine.Outcome) error {
	switch {
	case o.Held:
		return &codeError{exitHeld, nil}
	case o.Phase == rollout.Promoted:
		return nil
	case o.Phase == rollout.RolledBack:
		return &codeError{exitRolledBack, nil}
	}
	return errors.New("stopped before the rollout had ended; run it again to go on")
}

func demoCommand(p Program) *cobra.Command {
	o := DemoOptions{}
	cmd := &cobra.Command{
		Use: "demo", Short: "Roll out a real model on real data, nothing to install",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o.Out = c.OutOrStdout()
			o.Terminal = isTerminal(o.Out)
			o.Logger = slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelError}))
			progress := newProgress(o.Out)
			o.Update = progress.update
			expected, err := p.Demo(c.Context(), o)
			progress.end()
			if err == nil && !expected {
				err = &codeError{exitFailed, nil}
			}
			return err
		},
	}
	cmd.Flags().StringVar(&o.Scenario, "scenario", "good", fmt.Sprintf("one of %v", p.Scenarios))
	cmd.Flags().StringVar(&o.API, "api", "", "address of the dashboard (default 127.0.0.1:7600, or a free port)")
	cmd.Flags().BoolVar(&o.Hold, "hold", false, "keep running after the report, to look around")
	return cmd
}

func modelCommand(p Program) *cobra.Command {
	var variant, listen string
	cmd := &cobra.Command{
		Use: "model", Short: "Serve one of the demo's models", Hidden: true, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return p.Model(c.Context(), variant, listen) },
	}
	cmd.Flags().StringVar(&variant, "variant", "v1", "which model")
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:0", "address to listen on")
	return cmd
}

func validateCommand() *cobra.Command {
	return &cobra.Command{
		Use: "validate FILE...", Short: "Say what is wrong with rollout files",
		Args: func(c *cobra.Command, args []string) error { return usage(cobra.MinimumNArgs(1)(c, args)) },
		RunE: func(c *cobra.Command, args []string) error {
			var errs []error
			for _, name := range args {
				if _, err := v1alpha1.LoadFile(name); err != nil {
					errs = append(errs, err)
					continue
				}
				fmt.Fprintf(c.OutOrStdout(), "%s: valid\n", name)
			}
			return usage(errors.Join(errs...))
		},
	}
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		Run: func(c *cobra.Command, _ []string) {
			v := version
			if info, ok := debug.ReadBuildInfo(); v == "" && ok {
				v = info.Main.Version
			}
			fmt.Fprintln(c.OutOrStdout(), "haldane", v)
		},
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
