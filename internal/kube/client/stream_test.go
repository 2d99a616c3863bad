package client

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
	webclient "github.com/haldane-dev/haldane/internal/web/client"
)

var errEnough = errors.New("enough")

// say writes a phase into m's status, as the controller does.
func (w world) say(m *v1alpha1.ModelRollout, phase rollout.Phase) {
	w.t.Helper()
	if err := w.Get(w.t.Context(), client.ObjectKeyFromObject(m), m); err != nil {
		w.t.Fatal(err)
	}
	m.Status.Phase = string(phase)
	if err := w.Status().Update(w.t.Context(), m); err != nil {
		w.t.Fatal(err)
	}
}

func TestStreamTellsEventsBeforeTheStatus(t *testing.T) {
	m, state := under(t)
	w := newWorld(t, interceptor.Funcs{}, m, state, event(m, "old", rollout.EventInvalid, noon))
	var heard []string
	err := w.client("shop").Stream(t.Context(), "churn", webclient.StreamOptions{}, func(u engine.Update) error {
		if u.Event != nil {
			heard = append(heard, u.Event.ID)
			return nil
		}
		heard = append(heard, string(u.Status.Phase))
		if u.Status.Phase == rollout.Promoted {
			return errEnough
		}
		if err := w.Create(t.Context(), event(m, "new", rollout.EventPromoted, noon)); err != nil {
			t.Fatal(err)
		}
		w.say(m, rollout.Promoted)
		return nil
	})
	if got := strings.Join(heard, " "); !errors.Is(err, errEnough) || got != "Paused new Promoted" {
		t.Errorf("heard %q, %v", got, err)
	}
}

// TestStreamGoesOnAfterALoss: a watch that ends, or fails, is begun again.
func TestStreamGoesOnAfterALoss(t *testing.T) {
	m, state := under(t)
	watches := 0
	w := newWorld(t, interceptor.Funcs{Watch: func(ctx context.Context, c client.WithWatch, l client.ObjectList, opts ...client.ListOption) (watch.Interface, error) {
		if watches++; watches == 2 {
			return nil, errors.New("connection refused")
		}
		on, err := c.Watch(ctx, l, opts...)
		if watches == 1 {
			on.Stop()
		}
		return on, err
	}}, m, state)
	lost, statuses := 0, 0
	err := w.client("shop").Stream(t.Context(), "churn", webclient.StreamOptions{Lost: func(error, time.Duration) error { lost++; return nil }},
		func(u engine.Update) error {
			if statuses++; statuses == 2 {
				return errEnough
			}
			return nil
		})
	if !errors.Is(err, errEnough) || lost != 1 || watches != 3 {
		t.Errorf("%v after %d watches, %d of them lost", err, watches, lost)
	}
}

func TestStreamReplaysTheNewest(t *testing.T) {
	m, state := under(t)
	w := newWorld(t, interceptor.Funcs{}, m, state, event(m, "older", rollout.EventInvalid, noon), event(m, "newer", rollout.EventInvalid, noon.Add(1000)))
	var heard []string
	err := w.client("shop").Stream(t.Context(), "churn", webclient.StreamOptions{Replay: 1}, func(u engine.Update) error {
		if u.Event == nil {
			return errEnough
		}
		heard = append(heard, u.Event.ID)
		return nil
	})
	if got := strings.Join(heard, " "); !errors.Is(err, errEnough) || got != "newer" {
		t.Errorf("heard %q, %v", got, err)
	}
}

func TestStreamEnds(t *testing.T) {
	m, state := under(t)
	t.Run("when the rollout is deleted", func(t *testing.T) {
		w := newWorld(t, interceptor.Funcs{}, m.DeepCopy(), state.DeepCopy())
		err := w.client("shop").Stream(t.Context(), "churn", webclient.StreamOptions{}, func(engine.Update) error {
			return w.Delete(t.Context(), m.DeepCopy())
		})
		if err == nil || !strings.Contains(err.Error(), "was deleted") {
			t.Error(err)
		}
	})
	t.Run("when there is none", func(t *testing.T) {
		err := newWorld(t, interceptor.Funcs{}).client("shop").Stream(t.Context(), "churn", webclient.StreamOptions{}, nil)
		if err == nil || !strings.Contains(err.Error(), "there is no ModelRollout") {
			t.Error(err)
		}
	})
	t.Run("when whoever asked has gone", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		w := newWorld(t, interceptor.Funcs{}, m.DeepCopy(), state.DeepCopy())
		err := w.client("shop").Stream(ctx, "churn", webclient.StreamOptions{}, func(engine.Update) error {
			cancel(errEnough)
			return nil
		})
		if !errors.Is(err, errEnough) {
			t.Error(err)
		}
	})
	t.Run("when it was away for too long", func(t *testing.T) {
		gone := errors.New("gone")
		w := newWorld(t, interceptor.Funcs{Watch: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) (watch.Interface, error) {
			return nil, gone
		}}, m.DeepCopy(), state.DeepCopy())
		err := w.client("shop").Stream(t.Context(), "churn", webclient.StreamOptions{Lost: func(err error, _ time.Duration) error { return err }}, nil)
		if !errors.Is(err, gone) {
			t.Error(err)
		}
	})
}
