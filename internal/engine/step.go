package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/haldane-dev/haldane/internal/rollout"
)

// Open reads the saved state and applies what it wants. Run does it by itself;
// a shell with a timer of its own calls it once, before its first Step. It may
// be tried again after an error.
func (e *Engine) Open(ctx context.Context) error {
	if err := e.load(ctx); err != nil {
		return err
	}
	if e.wanted { // traffic as it was decided, before anything is looked at
		e.apply(ctx, false)
	}
	return nil
}

// Answer is what became of a command that was handed to Step.
type Answer struct {
	Reply rollout.Reply
	Err   error // nothing is known to have been obeyed: hand it in again
}

// Step goes round once and returns how long to wait before the next time at
// most, and an answer to each command, in their order. It is what Run does, for
// shells with a timer of their own; it must not run beside itself or Run. A
// command needs an ID; handed in again it is obeyed once.
func (e *Engine) Step(ctx context.Context, commands []rollout.Command) (time.Duration, []Answer) {
	requests := make([]*request, len(commands))
	for i, c := range commands {
		requests[i] = &request{command: c, answer: make(chan answer, 1)}
	}
	wake := e.tick(ctx, requests)
	e.back = nil // handed in again by the caller
	answers := make([]Answer, len(commands))
	for i, r := range requests {
		select {
		case a := <-r.answer:
			answers[i] = Answer{a.reply, a.err}
		default:
			answers[i] = Answer{rollout.Reply{ID: r.command.ID}, fmt.Errorf("%s: nothing was done yet", r.command.Verb)}
		}
	}
	return max(wake.Sub(e.clock.now()), shortestPause), answers
}

// State returns what was last decided, for the shell that calls Step, between
// its calls. It is shared: nobody writes.
func (e *Engine) State() rollout.State { return e.state }

// Blind returns for how long the source has given nothing, 0 if it answers, for
// the shell that calls Step, between its calls.
func (e *Engine) Blind() time.Duration {
	if e.blindFrom.IsZero() {
		return 0
	}
	return e.clock.now().Sub(e.blindFrom)
}

// Close ends the subscriptions, refuses commands from now on and gives up a
// question to the source that is on its way. Traffic stays as decided. Run does
// it by itself; it must not run beside Step.
func (e *Engine) Close() {
	if e.unask != nil {
		e.unask()
	}
	for _, o := range e.cfg.Outside {
		o.Close()
	}
	if e.cfg.Listeners != nil {
		e.advance(e.cfg.Listeners.Close())
	}
	e.subs.close()
	select {
	case <-e.stopped:
	default:
		close(e.stopped)
	}
}
