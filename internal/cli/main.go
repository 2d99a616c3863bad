package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/haldane-dev/haldane/api/v1alpha1"
)

// The exit codes of the program.
const (
	exitOK         = 0
	exitFailed     = 1 // anything not named here
	exitUsage      = 2 // a bad file or bad flags
	exitRolledBack = 3
	exitHeld       = 4 // at its deadline, undecided
)

// codeError carries an exit code through cobra. Without an error nothing is
// printed.
type codeError struct {
	code int
	err  error
}

// Error returns the wrapped message, "" if there is none.
func (e *codeError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

// Unwrap returns the cause.
func (e *codeError) Unwrap() error { return e.err }

// Usage marks an error as the fault of the file or the flags, so that the
// program ends with the exit code for those. Nil stays nil.
func Usage(err error) error {
	if err == nil {
		return nil
	}
	return &codeError{exitUsage, err}
}

const about = `Haldane sends a new version of a model a little of the live traffic, compares it
with the version it replaces while both serve, promotes it when there is enough
evidence that it is no worse, and takes it back when there is enough evidence
that it is.`

const exitCodes = `
Exit codes: 0 promoted or completed (or done), 3 rolled back, 4 held at the deadline,
2 bad file or flags, 1 anything else.`

// Main runs one command line and returns the exit code. It returns when the
// command has ended or ctx ends. What goes wrong is one line on errOut that
// begins with "haldane: "; a bad file gets one for each problem.
func Main(ctx context.Context, args []string, out, errOut io.Writer, p Program) int {
	root := &cobra.Command{
		Use:           "haldane",
		Short:         "Progressive delivery for machine-learning models",
		Long:          about,
		Example:       "  haldane demo\n  haldane run -f rollout.yaml\n  haldane status",
		Version:       thisBuild().String(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	if p.Plugin {
		root.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl haldane"}
		root.Example = "  kubectl haldane get\n  kubectl haldane status churn -n shop\n  kubectl haldane watch churn"
	}
	root.SetVersionTemplate("haldane {{.Version}}\n")
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errOut)
	root.SetFlagErrorFunc(badFlag)
	cobra.EnableCommandSorting = false
	root.AddGroup(&cobra.Group{ID: groupStart, Title: "Start a rollout:"},
		&cobra.Group{ID: groupAsk, Title: "Look at one that runs:"},
		&cobra.Group{ID: groupTell, Title: "Decide about one that runs:"},
		&cobra.Group{ID: groupOffline, Title: "Before and after, without traffic:"})
	root.AddCommand(demoCommand(p), runCommand(p), controllerCommand(p), gatewayCommand(p), validateCommand(), modelCommand(p))
	addServerCommands(root, p)
	root.AddCommand(importCommand())
	addOfflineCommands(root, p)
	root.AddCommand(versionCommand())
	root.InitDefaultCompletionCmd(args...)
	if c, _, err := root.Find([]string{"completion"}); err == nil {
		c.Args = noArgs
		c.RunE = func(*cobra.Command, []string) error {
			return Usage(errors.New("completion needs a shell: bash, zsh, fish or powershell"))
		}
	}
	helpCommand(root)
	markUsage(root)
	return exitCode(root.ExecuteContext(ctx), errOut)
}

// The groups of commands in the help text.
const (
	groupStart = "start"
	groupAsk   = "ask"
	groupTell  = "tell"

	groupOffline = "offline"
)

// markUsage makes wrong arguments of c and of the commands below it the fault
// of the command line.
func markUsage(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error { return Usage(check(c, args)) }
	}
	for _, sub := range c.Commands() {
		markUsage(sub)
	}
}

// exitCode tells what went wrong, and returns the code for it.
func exitCode(err error, errOut io.Writer) int {
	if err == nil {
		return exitOK
	}
	for line := range strings.Lines(err.Error()) {
		if line = strings.TrimRight(line, "\n"); line != "" {
			fmt.Fprintln(errOut, "haldane:", line)
		}
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
