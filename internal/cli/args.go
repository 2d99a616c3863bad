package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// noArgs refuses words behind a command that takes none, and says what may have
// been meant.
func noArgs(c *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case c.HasAvailableSubCommands():
		return unknown(c, args[0])
	case c.Flags().Lookup("file") != nil:
		return fmt.Errorf("%s takes no argument: if %s is the rollout file, write -f %s", c.Name(), args[0], args[0])
	}
	return fmt.Errorf("%s takes no argument, and %q is one", c.Name(), args[0])
}

// oneName takes the name of a rollout, or none.
func oneName(c *cobra.Command, args []string) error {
	if len(args) > 1 {
		return fmt.Errorf("%s takes the name of one rollout: %s are %d", c.Name(), strings.Join(args, ", "), len(args))
	}
	return nil
}

// someFiles takes files, one at least.
func someFiles(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("%s needs a file, or several; - is standard input", c.Name())
	}
	return nil
}

// unknown is the error of a command that there is not.
func unknown(c *cobra.Command, name string) error {
	err := fmt.Errorf("unknown command %q", name)
	c.SuggestionsMinimumDistance = 2 // letters
	if near := c.SuggestionsFor(name); len(near) > 0 {
		return fmt.Errorf("%w: did you mean %s?", err, strings.Join(near, " or "))
	}
	return fmt.Errorf("%w: see %s --help", err, c.CommandPath())
}

// helpCommand makes help refuse what is no command.
func helpCommand(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	help, _, err := root.Find([]string{"help"})
	if err != nil {
		return
	}
	help.Args = func(_ *cobra.Command, args []string) error {
		c, rest, err := root.Find(args)
		if err == nil && len(rest) > 0 {
			err = unknown(c, rest[0])
		}
		return err
	}
}

// wants says what to write instead of a value that cannot be read, by how the
// error of reading it begins.
var wants = []struct{ cause, write string }{
	{"time: ", "write a time like 90s, 10m or 2h"},
	{"strconv.ParseFloat: ", "write a number, like 2.5"},
	{"strconv.ParseInt: ", "write a whole number"},
	{"strconv.ParseBool: ", "write true or false"},
}

// badFlag says what is wrong with a flag, and what to write.
func badFlag(c *cobra.Command, err error) error {
	text := err.Error()
	if strings.HasPrefix(text, "unknown ") {
		return Usage(fmt.Errorf("%w: see %s --help", err, c.CommandPath()))
	}
	if cause := errors.Unwrap(err); cause != nil {
		for _, w := range wants {
			if strings.HasPrefix(cause.Error(), w.cause) {
				return Usage(errors.New(strings.TrimSuffix(text, cause.Error()) + w.write))
			}
		}
	}
	return Usage(err)
}
