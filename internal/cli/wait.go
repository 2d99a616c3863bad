package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/report"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/web"
	"github.com/haldane-dev/haldane/internal/web/client"
)

const (
	// appearWithin is how long wait gives a haldane to come up, and the rollout
	// to be there: both may have been started a moment ago.
	appearWithin = 30 * time.Second
	appearPause  = 250 * time.Millisecond
)

// goal is what --for takes: a phase, or "ended".
type goal string

const anyEnd goal = "ended"

// String implements pflag.Value.
func (g *goal) String() string { return string(*g) }

// Type implements pflag.Value.
func (g *goal) Type() string { return "ended|PHASE" }

// Set implements pflag.Value.
func (g *goal) Set(s string) error {
	all := []string{string(anyEnd)}
	for _, p := range rollout.Phases() {
		all = append(all, string(p))
	}
	i := slices.IndexFunc(all, func(x string) bool { return strings.EqualFold(x, s) })
	if i < 0 {
		return fmt.Errorf("want %s", strings.Join(all, ", "))
	}
	*g = goal(all[i])
	return nil
}

// reached reports whether s is what was waited for.
func (g goal) reached(s *engine.Status) bool {
	_, over := outcomeOfStatus(s)
	return over && g == anyEnd || string(s.Phase) == string(g)
}

// waiting is one `haldane wait`.
type waiting struct {
	remote
	goal     goal
	timeout  time.Duration
	revision string
	report   reportFiles
	first    func(id string) error // done once, when the rollout is watched; what was so before is no end
}

func waitCommand(p Program) *cobra.Command {
	w := &waiting{remote: remote{program: p}, goal: anyEnd}
	cmd := w.command("wait", "Wait until a rollout has ended, or is in a phase", groupAsk, "the outcome", w.wait)
	cmd.Long = `Waits until a rollout has ended, or is in a phase, and ends as ` + "`haldane run`" + ` does. A
rollout that ends otherwise ends the wait as well. One that was started a moment ago
and does not answer yet is waited for.

Exit codes: 0 promoted or completed, or in the phase that was waited for; 3 rolled back; 4 held at
the deadline; 2 bad flags; 1 anything else, the end of --timeout among it.`
	cmd.Example = "  haldane wait --timeout 2h --report rollout.xml\n  haldane wait --for=Paused --timeout 30m && haldane promote"
	f := cmd.Flags()
	f.Var(&w.goal, "for", "a phase, like Promoted, Completed, RolledBack or Paused, or ended: any end")
	f.DurationVar(&w.timeout, "timeout", 0, "give up after this time (default: never)")
	f.StringVar(&w.revision, "revision", "", "wait for this version of the candidate: another one's end is not the one that is meant")
	w.report.flag(cmd)
	return cmd
}

// errWaited is the end of --timeout.
var errWaited = errors.New("the time is over")

func (w *waiting) wait(cmd *cobra.Command, c Rollouts, args []string) error {
	if w.timeout < 0 {
		return Usage(errors.New("--timeout must be a time to come"))
	}
	ctx, stop := context.WithCancel(cmd.Context())
	defer stop()
	if w.timeout > 0 {
		ctx, stop = context.WithTimeoutCause(ctx, w.timeout, errWaited)
		defer stop()
	}
	seen := &report.Source{}
	found, err := w.follow(ctx, cmd, c, args, seen)
	if found || seen.Status.Name != "" {
		w.report.tell(cmd.ErrOrStderr(), *seen)
	}
	switch {
	case found:
		return w.end(cmd, &seen.Status)
	case cmd.Context().Err() != nil:
		return &codeError{exitFailed, nil} // interrupted: they know
	case errors.Is(context.Cause(ctx), errWaited):
		return w.late(&seen.Status)
	}
	return err
}

// follow takes what happens into seen until the goal is reached or the rollout
// has ended.
func (w *waiting) follow(ctx context.Context, cmd *cobra.Command, c Rollouts, args []string, seen *report.Source) (found bool, err error) {
	errFound := errors.New("found")
	options := client.StreamOptions{Lost: (&absence{cmd: cmd, p: newProgress(cmd.OutOrStdout(), text)}).lost}
	if len(w.report) > 0 {
		options.Replay = journalLimit
	}
	for begun := time.Now(); ; {
		var id string
		if id, err = name(ctx, c, args); err == nil {
			err = c.Stream(ctx, id, options, func(u web.Update) error {
				if first := w.first; first != nil && u.Status != nil {
					w.first = nil
					return first(id)
				}
				if w.take(u, seen) {
					return errFound
				}
				return nil
			})
		}
		var usage *codeError
		switch {
		case errors.Is(err, errFound):
			return true, nil
		case ctx.Err() != nil, seen.Status.Name != "", errors.As(err, &usage), time.Since(begun) > appearWithin:
			return false, err
		case !errors.Is(err, client.ErrUnreachable) && !client.NotFound(err) && !errors.Is(err, errNone):
			return false, err
		}
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-time.After(appearPause):
		}
	}
}

// take notes one thing that happened, and reports whether the wait is over.
func (w *waiting) take(u web.Update, seen *report.Source) bool {
	switch {
	case u.Block != nil && len(w.report) > 0:
		seen.Blocks = append(seen.Blocks, *u.Block)
	case u.Event != nil && len(w.report) > 0:
		seen.Events = append(seen.Events, *u.Event)
	case u.Status != nil:
		if w.revision != "" && w.revision != u.Status.Canary.Version && w.revision != u.Status.Canary.Hash {
			return false
		}
		seen.Status = *u.Status
		_, over := outcomeOfStatus(u.Status)
		return over || w.goal.reached(u.Status)
	}
	return false
}

// end says how the wait ended, and with which exit code.
func (w *waiting) end(cmd *cobra.Command, s *engine.Status) error {
	o, over := outcomeOfStatus(s)
	var err error
	switch {
	case over && (s.Phase == rollout.RolledBack || o.Held || w.goal == anyEnd || w.goal.reached(s) || w.goal == goal(rollout.RolledBack)):
		err = ended(o)
	case over:
		err = &codeError{exitFailed, fmt.Errorf("%s was %s without having been seen %s", s.Name, s.Phase, w.goal)}
	}
	out := outcome{Phase: s.Phase, Held: o.Held, Reason: s.Reason}
	var c *codeError
	if errors.As(err, &c) {
		out.ExitCode = c.code
	}
	if w.output == jsons {
		return errors.Join(writeJSON(cmd.OutOrStdout(), out), err)
	}
	fmt.Fprintln(cmd.OutOrStdout(), headline(s))
	if s.Reason != "" {
		fmt.Fprintln(cmd.OutOrStdout(), s.Reason)
	}
	return err
}

// late is the error of a wait that took too long.
func (w *waiting) late(s *engine.Status) error {
	switch {
	case s.Name == "" && w.revision != "":
		return fmt.Errorf("after %s no rollout of %s was seen", w.timeout, w.revision)
	case s.Name == "":
		return fmt.Errorf("after %s there is still no answer", w.timeout)
	}
	where := place(s)
	if s.Waiting != "" {
		where += ". " + s.Waiting
	}
	return fmt.Errorf("after %s %s is %s", w.timeout, s.Name, where)
}
