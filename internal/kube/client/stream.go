package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/engine"
	webclient "github.com/haldane-dev/haldane/internal/web/client"
)

// The waits between two tries to connect.
const (
	firstWait   = 250 * time.Millisecond
	longestWait = 10 * time.Second
)

// Stream calls each with the status of a rollout whenever it changes, and
// before it with the events that have come since; of those before, as many
// of the newest as o.Replay says. A lost connection is made again; the first one is not retried.
func (c *Client) Stream(ctx context.Context, name string, o webclient.StreamOptions, each func(engine.Update) error) error {
	m, err := c.read(ctx, name)
	if err != nil {
		return err
	}
	f := &follower{client: c, each: each, told: map[string]bool{}}
	if err := f.past(ctx, m, o.Replay); err != nil {
		return err
	}
	for pause := firstWait; ; {
		heard, err := f.follow(ctx, m)
		var final *finalError
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.As(err, &final):
			return final.err
		}
		if heard {
			pause = firstWait
		}
		if o.Lost != nil && err != nil {
			if err := o.Lost(err, pause); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
		pause = min(2*pause, longestWait)
	}
}

// follower is one Stream call's memory over its connections.
type follower struct {
	client *Client
	each   func(engine.Update) error
	told   map[string]bool // events, by name
}

// finalError ends a stream for good: the caller's own, or nothing is left to
// follow.
type finalError struct{ err error }

func (e *finalError) Error() string { return e.err.Error() }

// past marks the events that are there already as told, but for the newest.
func (f *follower) past(ctx context.Context, m *v1alpha1.ModelRollout, newest int) error {
	all, err := f.client.events(ctx, m)
	for _, e := range all[:max(0, len(all)-newest)] {
		f.told[e.ID] = true
	}
	return err
}

// follow tells of one connection to its end, nil if the server ended it in
// good order; heard says that it was made.
func (f *follower) follow(ctx context.Context, m *v1alpha1.ModelRollout) (heard bool, err error) {
	now, err := f.client.read(ctx, m.Name)
	switch {
	case webclient.NotFound(err) || err == nil && now.UID != m.UID:
		return false, &finalError{fmt.Errorf("the ModelRollout %s was deleted", m.Name)}
	case err != nil:
		return false, err
	}
	w, err := f.client.cfg.Client.Watch(ctx, &v1alpha1.ModelRolloutList{}, client.InNamespace(m.Namespace), &client.ListOptions{
		FieldSelector: fields.OneTermEqualSelector(metav1.ObjectNameField, m.Name),
		Raw:           &metav1.ListOptions{ResourceVersion: now.ResourceVersion},
	})
	if err != nil {
		return false, f.client.explain(err, "follow rollout "+m.Name)
	}
	defer w.Stop()
	if err := f.tell(ctx, now); err != nil {
		return true, err
	}
	for {
		select {
		case <-ctx.Done():
			return true, context.Cause(ctx)
		case change, more := <-w.ResultChan():
			if !more {
				return true, nil
			}
			if err := f.take(ctx, m.Name, change); err != nil {
				return true, err
			}
		}
	}
}

// take tells of one change.
func (f *follower) take(ctx context.Context, name string, change watch.Event) error {
	m, ok := change.Object.(*v1alpha1.ModelRollout)
	switch {
	case !ok:
		return fmt.Errorf("follow rollout %s: %w", name, apierrors.FromObject(change.Object))
	case change.Type == watch.Deleted:
		return &finalError{fmt.Errorf("the ModelRollout %s was deleted", name)}
	}
	return f.tell(ctx, m)
}

// tell hands over what is new.
func (f *follower) tell(ctx context.Context, m *v1alpha1.ModelRollout) error {
	all, err := f.client.events(ctx, m)
	if err != nil {
		return err
	}
	for i := range all {
		if f.told[all[i].ID] {
			continue
		}
		f.told[all[i].ID] = true
		if err := f.each(engine.Update{Event: &all[i]}); err != nil {
			return &finalError{err}
		}
	}
	s, err := f.client.complete(ctx, m)
	if err != nil {
		return err
	}
	if err := f.each(engine.Update{Status: &s}); err != nil {
		return &finalError{err}
	}
	return nil
}
