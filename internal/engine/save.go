package engine

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/store"
)

// load reads the saved state and starts the clock.
func (e *Engine) load(ctx context.Context) error {
	s, v, err := e.cfg.Store.Load(ctx, e.id)
	if err != nil {
		return fmt.Errorf("load the state of rollout %s: %w", e.id, err)
	}
	if err := e.check(s, v); err != nil {
		return fmt.Errorf("load the state of rollout %s: %w", e.id, err)
	}
	e.adopt(s, v)
	if e.clock == nil {
		e.clock = newClock(e.cfg.Wall)
		e.awoke(s)
	}
	e.recall(s)
	e.want, e.wanted = s.Want, v > 0
	return nil
}

// check tests what was loaded: a state that Next could not have made is not
// acted upon.
func (e *Engine) check(s rollout.State, v store.Version) error {
	switch {
	case v == 0:
		return nil
	case s.Version > rollout.StateVersion:
		return fmt.Errorf("%w: its state has format %d, this version reads up to %d", store.ErrNewer, s.Version, rollout.StateVersion)
	}
	if err := s.Validate(); err != nil {
		return fmt.Errorf("%w: %w", store.ErrCorrupt, err)
	}
	return e.cfg.answerable(s.Plan)
}

// adopt makes a saved state the engine's own.
func (e *Engine) adopt(s rollout.State, v store.Version) {
	e.state, e.version, e.unsaved = s, v, false
	e.stored, e.storedAt = s, time.Time{}
	if e.clock != nil {
		e.storedAt = e.clock.now()
	}
	if s.Evidence != nil {
		e.number = max(e.number, s.Evidence.LastBlock)
	}
	e.number = max(e.number, s.Verdict.Block)
	e.forgetDelivered()
}

// save makes a decision durable and adopts it. If that fails the engine holds:
// it keeps the old state, and what was counted is counted again. The one
// exception is a decision that takes traffic away from the canary: it is
// adopted unsaved, and its Save is tried again until it succeeds, because a
// full disk must not keep users on a bad model (see apply.go).
func (e *Engine) save(ctx context.Context, d rollout.Decision) error {
	switch {
	case e.version > 0 && same(d.State, e.state):
	case e.version > 0 && e.mayWait(d.State):
		// What is written until the next Save is written for the decision that
		// was saved: after a crash the next one must not seem to be older.
		d.State.Sequence = e.stored.Sequence
	default:
		v, err := e.cfg.Store.Save(ctx, e.id, d.State, e.version)
		switch {
		case errors.Is(err, store.ErrConflict):
			return err
		case err != nil:
			if ctx.Err() == nil {
				e.trouble.is("save", "The state cannot be saved, so nothing new is done and traffic stays as it is: "+sentence(err.Error())+makeRoom(err))
			}
			switch {
			case !e.wanted && idles(d.Want.Split):
				// Nothing was ever decided: stable must be served meanwhile.
				e.want, e.wanted, e.waiting = d.Want, true, d.Waiting
			case e.wanted && relieves(e.want.Split, d.Want.Split):
				e.state, e.unsaved = d.State, true
				e.want, e.waiting = d.Want, d.Waiting
			}
			return fmt.Errorf("save the state: %w", err)
		}
		e.trouble.is("save", "")
		e.adopt(d.State, v)
	}
	e.state = d.State // LastSeen may have moved, and counts that may wait
	e.want, e.wanted, e.waiting = d.Want, true, d.Waiting
	return nil
}

// mayWait reports whether a state need not be saved yet: since the last Save
// there was nothing but counts that have decided nothing, and events that were
// delivered, which are delivered once more after a crash, and known by their IDs.
func (e *Engine) mayWait(s rollout.State) bool {
	if e.storedAt.IsZero() || e.clock.now().Sub(e.storedAt) >= e.cfg.CountsSaved {
		return false
	}
	was := e.stored
	if s.Verdict.Decision != was.Verdict.Decision || s.Emitted != was.Emitted {
		return false
	}
	if x, y := s.Experiment, was.Experiment; x != nil && y != nil && x.Slots == y.Slots {
		s.Experiment = y
	}
	s.Evidence, s.Verdict, s.Cursor, s.Events = was.Evidence, was.Verdict, was.Cursor, was.Events
	s.Sequence = was.Sequence
	return same(s, was)
}

// makeRoom says what to do about a disk that is full, and nothing otherwise.
func makeRoom(err error) string {
	if errors.Is(err, syscall.ENOSPC) {
		return ". Make room on the disk: it then goes on by itself"
	}
	return ""
}

// saveAgain tries to save what was applied unsaved. Until that succeeds
// nothing else is decided.
func (e *Engine) saveAgain(ctx context.Context, requests []*request) (again time.Time, ok bool) {
	v, err := e.cfg.Store.Save(ctx, e.id, e.state, e.version)
	switch {
	case err == nil:
		e.trouble.is("save", "")
		e.adopt(e.state, v)
		return time.Time{}, true
	case errors.Is(err, store.ErrConflict):
		return e.reload(ctx, requests, err), false
	}
	if ctx.Err() == nil {
		e.trouble.is("save", "The rollback is done but not saved: "+sentence(err.Error())+makeRoom(err))
	}
	g := e.observe(ctx)
	g.blind = e.seen.blind
	e.seen = g
	e.apply(ctx, true)
	answerAll(requests, nil, fmt.Errorf("save the state: %w", err), false)
	e.show()
	return e.clock.now().Add(retryPause), false
}

// reload takes over what somebody else has saved. The requests go back into
// the queue: nothing has obeyed them yet.
func (e *Engine) reload(ctx context.Context, requests []*request, cause error) time.Time {
	e.log.Warn("somebody else has saved the state of this rollout: reading it again", "error", cause)
	e.back = append(e.back, requests...)
	again := e.clock.now().Add(shortestPause)
	if err := e.load(ctx); err != nil {
		e.trouble.of("load", err)
		return again.Add(retryPause)
	}
	e.trouble.is("load", "")
	return again
}

// answerAll tells those who wait what became of their commands. err is why the
// decision could not be saved; done says that it was carried out even so.
func answerAll(requests []*request, replies []rollout.Reply, err error, done bool) {
	byID := map[string]rollout.Reply{}
	for _, r := range replies {
		byID[r.ID] = r
	}
	for _, q := range requests {
		r, known := byID[q.command.ID]
		a := answer{reply: r}
		switch {
		case err != nil && done && known && r.Accepted:
			a.reply.Message += " It is not saved yet, and will be as soon as it can be: " + sentence(err.Error())
		case err != nil:
			a = answer{reply: rollout.Reply{ID: q.command.ID}, err: fmt.Errorf("%s: nothing was done: %w", q.command.Verb, err)}
		case !known:
			a = answer{reply: rollout.Reply{ID: q.command.ID}, err: fmt.Errorf("%s: the rollout did not answer", q.command.Verb)}
		}
		q.answer <- a
	}
}
