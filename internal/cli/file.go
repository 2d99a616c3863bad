package cli

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/haldane-dev/haldane/api/v1alpha1"
)

// version is set when a release is built.
var version = ""

// finding is what validate says of one file, as programs are told.
type finding struct {
	File     string    `json:"file"`
	Valid    bool      `json:"valid"`
	Problems []problem `json:"problems,omitempty"`
}

type problem struct {
	Path    string `json:"path,omitempty"`
	Line    int    `json:"line,omitempty"`
	Message string `json:"message"`
}

func validateCommand() *cobra.Command {
	var output format
	cmd := &cobra.Command{
		Use: "validate FILE...", Short: "Say what is wrong with rollout files",
		Long: "Says what is wrong with rollout files, with the line and the path of each field. One\nwith a workload is checked as the controller of a cluster reads it.\nExit code 0: all are valid; 2: one is not.",
		Args: someFiles, GroupID: groupStart,
		RunE: func(c *cobra.Command, args []string) error {
			var errs []error
			findings := make([]finding, 0, len(args))
			for _, name := range args {
				_, err := v1alpha1.LoadAnyFile(name)
				findings = append(findings, findingOf(name, err))
				if err != nil {
					errs = append(errs, err)
				} else if output == text {
					fmt.Fprintf(c.OutOrStdout(), "%s: valid\n", name)
				}
			}
			err := errors.Join(errs...)
			if output == text || err == nil {
				return errors.Join(printed(c, output, findings), Usage(err))
			}
			return errors.Join(printed(c, output, findings), &codeError{exitUsage, nil})
		},
	}
	output.flag(cmd, "the findings")
	return cmd
}

// printed prints v if JSON was asked for.
func printed(c *cobra.Command, f format, v any) error {
	if f != jsons {
		return nil
	}
	return writeJSON(c.OutOrStdout(), v)
}

func findingOf(name string, err error) finding {
	out := finding{File: name, Valid: err == nil}
	var all *v1alpha1.Problems
	switch {
	case errors.As(err, &all):
		for _, p := range all.List {
			out.Problems = append(out.Problems, problem{p.Path, p.Line, p.Message})
		}
	case err != nil:
		out.Problems = []problem{{Message: err.Error()}}
	}
	return out
}

// build is which program this is.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Modified bool   `json:"modified,omitempty"` // the tree was not as committed
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// thisBuild reads what the toolchain wrote into the binary.
func thisBuild() build {
	b := build{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		if b.Version == "" {
			b.Version = strings.Trim(info.Main.Version, "()")
		}
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				b.Commit = s.Value
			case "vcs.modified":
				b.Modified = s.Value == "true"
			}
		}
	}
	if b.Version == "" {
		b.Version = "devel"
	}
	return b
}

// String is the build on one line.
func (b build) String() string {
	parts := []string{b.Go, b.Platform}
	if b.Commit != "" {
		parts = append([]string{"commit " + b.Commit[:min(len(b.Commit), 12)]}, parts...)
	}
	return fmt.Sprintf("%s (%s)", b.Version, strings.Join(parts, ", "))
}

func versionCommand() *cobra.Command {
	var output format
	cmd := &cobra.Command{
		Use: "version", Short: "Print the version", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			b := thisBuild()
			if output == jsons {
				return writeJSON(c.OutOrStdout(), b)
			}
			fmt.Fprintln(c.OutOrStdout(), "haldane", b)
			return nil
		},
	}
	output.flag(cmd, "the same")
	return cmd
}
