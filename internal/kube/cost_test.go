package kube

import (
	"context"
	"sync"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/haldane-dev/haldane/api/v1alpha1"
)

// writes counts what is written to the API server.
type writes struct {
	mu                    sync.Mutex
	states, status, other int
}

// count wraps the world's client.
func (w *world) count() *writes {
	n := &writes{}
	add := func(o client.Object, status bool) {
		n.mu.Lock()
		defer n.mu.Unlock()
		_, state := o.(*v1alpha1.RolloutState)
		switch {
		case state:
			n.states++
		case status:
			n.status++
		default:
			n.other++
		}
	}
	w.cfg.Client = interceptor.NewClient(w.server, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			add(o, false)
			return c.Create(ctx, o, opts...)
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			add(o, false)
			return c.Update(ctx, o, opts...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			add(o, false)
			return c.Patch(ctx, o, p, opts...)
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			add(o, true)
			return c.SubResource(sub).Patch(ctx, o, p, opts...)
		},
	})
	return n
}

// during returns what is written while so much time goes by.
func (n *writes) during(d time.Duration) (states, status, other int) {
	n.mu.Lock()
	states, status, other = n.states, n.status, n.other
	n.mu.Unlock()
	time.Sleep(d)
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.states - states, n.status - status, n.other - other
}

// TestWrites: a rollout at rest writes nothing, and one that is compared every
// 10 seconds its state once a minute, its status once a block at most, and
// nothing else.
func TestWrites(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		n := w.count()
		w.create(document())
		r := w.run()
		w.settle(r)
		time.Sleep(time.Minute)
		if states, status, other := n.during(24 * time.Hour); states+status+other > 0 {
			t.Errorf("in a day at rest: %d states, %d statuses, %d others", states, status, other)
		}
		m := w.get()
		m.Spec.Paused = true
		if err := w.server.Update(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		w.offer(r, "b")
		w.until("held at 10%", func(s v1alpha1.ModelRolloutStatus) bool { return s.Phase == "Paused" && weight("10%")(s) })
		time.Sleep(time.Minute)
		states, status, other := n.during(time.Hour)
		if states < 50 || states > 61 || status < 1 || status > 361 || other > 0 {
			t.Errorf("in an hour of comparing: %d states, %d statuses, %d others", states, status, other)
		}
	})
}
