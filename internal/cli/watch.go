package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/web/client"
)

// awayFor is how long watch waits for a haldane that does not answer any more:
// one that was killed is started again by somebody.
const awayFor = 30 * time.Second

// watch follows the stream and ends, with run's exit codes, when the rollout does.
func (r *remote) watch(cmd *cobra.Command, c Rollouts, args []string) error {
	id, err := name(cmd.Context(), c, args)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(cmd.Context())
	defer stop()
	p := newProgress(cmd.OutOrStdout(), r.output)
	a := absence{cmd: cmd, p: p}
	var last *engine.Outcome
	begun := false
	err = c.Stream(ctx, id, client.StreamOptions{Lost: a.lost}, func(u engine.Update) error {
		a.since = time.Time{}
		if u.Status != nil && !begun {
			begun = true
			p.begin(u.Status)
		}
		p.update(u)
		if o, over := outcomeOfStatus(u.Status); over {
			last = &o
			stop()
		}
		return nil
	})
	p.end()
	switch {
	case last != nil:
		p.outcome(*last)
		return ended(*last)
	case cmd.Context().Err() != nil:
		return &codeError{exitFailed, nil} // interrupted: they know
	}
	return err
}

// outcomeOfStatus is how the rollout ended, and false while it has not.
func outcomeOfStatus(s *engine.Status) (engine.Outcome, bool) {
	if s == nil {
		return engine.Outcome{}, false
	}
	held := s.HeldAtDeadline()
	return engine.Outcome{Phase: s.Phase, Held: held, Reason: s.Reason}, held || s.Phase.Terminal()
}

// absence keeps account of how long nobody has answered.
type absence struct {
	cmd   *cobra.Command
	p     *progress
	since time.Time // zero while somebody answers
}

// lost is told of each lost connection.
func (a *absence) lost(err error, wait time.Duration) error {
	switch {
	case a.since.IsZero():
		a.since = time.Now()
		fmt.Fprintln(a.p.over(a.cmd.ErrOrStderr()), "haldane: the connection is lost, trying again")
	case time.Since(a.since)+wait > awayFor:
		return fmt.Errorf("the rollout was not seen to end, and nobody has answered for %s: %w", awayFor, err)
	}
	return nil
}
