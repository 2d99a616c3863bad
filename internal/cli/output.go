package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// format is what -o takes.
type format string

// The formats.
const (
	text  format = "text"
	jsons format = "json"
)

// String implements pflag.Value.
func (f *format) String() string { return string(*f) }

// Type implements pflag.Value.
func (f *format) Type() string { return "text|json" }

// Set implements pflag.Value.
func (f *format) Set(s string) error {
	if s != string(text) && s != string(jsons) {
		return errors.New("want text or json")
	}
	*f = format(s)
	return nil
}

// flag adds -o to a command; json says what it prints then.
func (f *format) flag(c *cobra.Command, json string) {
	*f = text
	c.Flags().VarP(f, "output", "o", "json: "+json)
}

// level is what --log-level takes.
type level slog.Level

// String implements pflag.Value.
func (l *level) String() string {
	switch slog.Level(*l) {
	case slog.LevelDebug:
		return "debug"
	case slog.LevelInfo:
		return "info"
	case slog.LevelWarn:
		return "warn"
	}
	return "error"
}

// Type implements pflag.Value.
func (l *level) Type() string { return "debug|info|warn|error" }

// Set implements pflag.Value.
func (l *level) Set(s string) error {
	for _, known := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		if k := level(known); s == k.String() {
			*l = k
			return nil
		}
	}
	return errors.New("want debug, info, warn or error")
}

// withModels follows what --log-level says of a command that may start models.
const withModels = "; from info on also what the models print"

// flag adds --log-level to a command, with the present value as the default.
func (l *level) flag(c *cobra.Command, more string) {
	c.Flags().Var(l, "log-level", "what goes to standard error"+more)
}

// logger logs to w from the level on.
func (l level) logger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.Level(l)}))
}

// models is where the models' own lines go: nowhere unless the level asks for them.
func (l level) models(w io.Writer) io.Writer {
	if slog.Level(l) > slog.LevelInfo {
		return io.Discard
	}
	return w
}

// line is one line of JSON of `run` and `watch`: exactly one field is set.
type line struct {
	Addresses *Addresses     `json:"addresses,omitempty"` // where it answers
	Event     *rollout.Event `json:"event,omitempty"`
	Block     *engine.Block  `json:"block,omitempty"`
	Status    *engine.Status `json:"status,omitempty"`
	Outcome   *outcome       `json:"outcome,omitempty"` // the last line
}

// outcome is how a rollout ended, as programs are told.
type outcome struct {
	Phase    rollout.Phase `json:"phase"`
	Held     bool          `json:"held"` // at its deadline, undecided
	Reason   string        `json:"reason,omitempty"`
	ExitCode int           `json:"exitCode"`
}

func outcomeOf(o engine.Outcome) outcome {
	out := outcome{Phase: o.Phase, Held: o.Held, Reason: o.Reason}
	var c *codeError
	switch err := ended(o); {
	case errors.As(err, &c):
		out.ExitCode = c.code
	case err != nil:
		out.ExitCode = exitFailed
	}
	return out
}

// errStopped is what `run` says when it was interrupted.
var errStopped = errors.New("stopped before the rollout had ended: run it again to go on from here")

// ended turns an outcome into the exit code.
func ended(o engine.Outcome) error {
	switch {
	case o.Held:
		return &codeError{exitHeld, nil}
	case o.Phase == rollout.Promoted, o.Phase == rollout.Completed:
		return nil
	case o.Phase == rollout.RolledBack:
		return &codeError{exitRolledBack, nil}
	}
	return errStopped
}

// writeJSON prints v for people who read JSON.
func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// writeLine prints one line of JSON.
func writeLine(w io.Writer, l line) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(l); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// terminal returns the file behind w if it is a terminal.
func terminal(w io.Writer) (*os.File, bool) {
	f, ok := w.(*os.File)
	return f, ok && term.IsTerminal(int(f.Fd()))
}
