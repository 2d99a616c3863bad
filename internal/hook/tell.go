package hook

import (
	"context"
	"errors"

	"github.com/haldane-dev/haldane/internal/outbox"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// Channels returns a channel of an outbox for each hook that is told of events.
func (c Config) Channels() []outbox.Channel {
	var out []outbox.Channel
	for _, h := range c.Hooks {
		if h.When != Event && h.When != PostRollout {
			continue
		}
		out = append(out, outbox.Channel{
			Name: "hook/" + h.Name,
			Wants: func(e rollout.Event) bool {
				return h.When == Event || e.Kind == rollout.EventPromoted || e.Kind == rollout.EventCompleted || e.Kind == rollout.EventRolledBack
			},
			Send: func(ctx context.Context, m outbox.Message) error { return c.tell(ctx, h, m) },
		})
	}
	return out
}

// tell sends an event. What a receiver cannot read it is not sent again.
func (c *Config) tell(ctx context.Context, h Hook, m outbox.Message) error {
	a, err := c.post(ctx, h, c.body(h, m.Event.ID, m.State, &m.Event))
	switch {
	case err != nil:
		return err
	case a.OK():
		return nil
	case a.Rejects():
		return outbox.Refused(errors.New("it says " + said(a)))
	}
	return errors.New("it says " + said(a))
}
