package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
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

// badFlag says what is wrong with a flag, and what to write.
func badFlag(c *cobra.Command, err error) error {
	var value *pflag.InvalidValueError
	var none *pflag.NotExistError
	switch {
	case errors.As(err, &none):
		return Usage(fmt.Errorf("%w: see %s --help", err, c.CommandPath()))
	case !errors.As(err, &value):
		return Usage(err)
	}
	wants, known := map[string]string{
		"duration": "write a time like 90s, 10m or 2h", "float64": "write a number, like 2.5", "int": "write a whole number", "bool": "write true or false",
	}[value.GetFlag().Value.Type()]
	if !known {
		return Usage(err)
	}
	return Usage(fmt.Errorf("invalid argument %q for %q flag: %s", value.GetValue(), "--"+value.GetFlag().Name, wants))
}
