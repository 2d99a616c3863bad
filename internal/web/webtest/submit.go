package webtest

import (
	"context"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// Submit implements web.Rollouts: it obeys what fits the phase.
func (f *Fake) Submit(_ context.Context, name string, c rollout.Command) (rollout.Reply, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, err := f.find(name)
	if err != nil {
		return rollout.Reply{}, err
	}
	f.commands = append(f.commands, c)
	b, e := len(r.blocks), len(r.events)
	message, ok := r.obey(c)
	if ok {
		event := &r.events[len(r.events)-1]
		event.By = c.By
	}
	f.publish(name, b, e)
	return rollout.Reply{ID: c.ID, Accepted: ok, Message: message}, nil
}

// obey does what a command asks, or says why not.
func (r *replay) obey(c rollout.Command) (string, bool) {
	s := &r.status
	if c.Revision != "" && c.Revision != s.Canary.Hash && c.Revision != s.Canary.Version {
		return "the candidate is " + s.Canary.Version + " by now: look again before you act", false
	}
	if c.Step != nil && *c.Step != s.Step {
		return "the rollout is at another step by now: look again before you act", false
	}
	live := s.Phase == rollout.Progressing || s.Phase == rollout.Paused
	switch {
	case c.Verb == rollout.Hold && s.Phase == rollout.Progressing:
		s.Phase, r.held, s.Waiting = rollout.Paused, true, "Held: resume goes on, abort takes it back"
		s.Hold = &engine.Hold{Kind: engine.HeldByPerson, By: c.By, Since: s.Now}
		r.tell(rollout.EventPaused, "held at %s%s", s.Wanted.Canary, because(c.Reason))
		return "held at " + s.Wanted.Canary.String() + "; analysis goes on", true
	case (c.Verb == rollout.Resume || c.Verb == rollout.Promote && !c.Full) && s.Phase == rollout.Paused:
		s.Phase, r.held, s.Hold = rollout.Progressing, false, nil
		r.tell(rollout.EventResumed, "goes on at %s%s", s.Wanted.Canary, because(c.Reason))
		return "the rollout goes on at " + s.Wanted.Canary.String(), true
	case c.Verb == rollout.Promote && c.Full && live:
		r.tell(rollout.EventCommand, "promoted in full%s", because(c.Reason))
		r.enter(len(s.Steps) - 1)
		return "all traffic goes to " + s.Canary.Version + "; the remaining gates are skipped", true
	case c.Verb == rollout.Abort && (live || s.Phase == rollout.Initializing):
		r.rollBack("aborted" + because(c.Reason))
		return "all traffic goes back to " + s.Stable.Version, true
	case c.Verb == rollout.Retry && s.Phase == rollout.RolledBack:
		r.begin(s.Now)
		return "the next attempt at " + s.Canary.Version + " begins", true
	}
	return "nothing to " + string(c.Verb) + ": the rollout is " + string(s.Phase), false
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}
