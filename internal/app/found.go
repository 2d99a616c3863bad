package app

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/store"
)

// found looks at what an earlier run left, before anything is served, and tells
// whether that is the end. A state that cannot be trusted is an error, and stays
// as it is.
func (l *local) found(ctx context.Context) (o engine.Outcome, over bool, err error) {
	s, version, err := l.load(ctx)
	if err != nil {
		return o, false, err
	}
	if l.options.Retry {
		return o, false, l.retry(ctx, s, version)
	}
	if version == 0 {
		return o, false, nil
	}
	l.decided = s.Want.Split
	// What the core makes of the file and the saved state: another version in
	// the file begins anew.
	next := rollout.Next(s, rollout.Observation{Now: time.Now(), Plan: l.plan}).State
	if next.Plan.Canary != s.Plan.Canary || next.Plan.Stable != s.Plan.Stable || next.Attempt != s.Attempt {
		return o, false, nil
	}
	held := s.Phase == rollout.Paused && s.Deadline
	over = (held || s.Phase.Terminal()) && next.Phase == s.Phase && !l.options.Hold && !l.owes(s)
	if l.options.Found != nil {
		l.options.Found(s, over)
	}
	return engine.Outcome{Phase: s.Phase, Held: held, Reason: s.Reason}, over, nil
}

// owes reports whether somebody in the file is still to be told of what has
// happened.
func (l *local) owes(s rollout.State) bool {
	m := l.options.Rollout
	told, err := whoIsTold(m, caller{log: l.options.Logger})
	if err != nil || told == nil {
		return false
	}
	for _, name := range told.Names() {
		at, known := s.Told[name]
		for _, e := range s.Events {
			if known && e.Number > at {
				return true
			}
		}
	}
	return false
}

// load reads the saved state; version 0 is that of none.
func (l *local) load(ctx context.Context) (rollout.State, store.Version, error) {
	s, version, err := l.store.Load(ctx, l.plan.Name)
	switch {
	case err != nil:
		return s, 0, fmt.Errorf("load the state of rollout %s: %w", l.plan.Name, err)
	case version == 0:
		return s, 0, nil
	case s.Version > rollout.StateVersion:
		return s, 0, fmt.Errorf("%s: the state of rollout %s is %w (format %d; this version reads %d): use that version, or another file with --state",
			l.store.Path(), l.plan.Name, store.ErrNewer, s.Version, rollout.StateVersion)
	}
	if err := s.Validate(); err != nil {
		return s, 0, fmt.Errorf("%s: the state of rollout %s cannot be used (%w): restore a copy, or use another file with --state",
			l.store.Path(), l.plan.Name, err)
	}
	return s, version, nil
}

// retry begins another attempt, in the saved state, before the engine reads it:
// it would take the earlier end for this run's.
func (l *local) retry(ctx context.Context, s rollout.State, version store.Version) error {
	now := time.Now().UTC().Round(0)
	d := rollout.Next(s, rollout.Observation{Now: now, Plan: l.plan, Commands: []rollout.Command{
		{ID: rand.Text(), Verb: rollout.Retry, By: "haldane run --retry", At: now},
	}})
	for _, r := range d.Replies {
		if !r.Accepted {
			return fmt.Errorf("--retry: %s", r.Message)
		}
	}
	l.decided = d.State.Want.Split
	if _, err := l.store.Save(ctx, l.plan.Name, d.State, version); err != nil {
		return fmt.Errorf("--retry: save the state: %w", err)
	}
	return nil
}
