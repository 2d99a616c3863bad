package kube

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/router"
	"github.com/haldane-dev/haldane/internal/traffic"
	"github.com/haldane-dev/haldane/internal/workload"
)

// finalize puts the routes of a deleted rollout back, if its spec says so and
// nobody is led to an unjudged version by it, and then lets it go. It is let go
// whatever is left after ten minutes, and at once if the user's own Deployment
// or the whole namespace is going too.
func (c *Controller) finalize(ctx context.Context, m *v1alpha1.ModelRollout) (reconcile.Result, error) {
	about := client.ObjectKeyFromObject(m)
	if !controllerutil.ContainsFinalizer(m, Finalizer) {
		c.drop(about)
		return reconcile.Result{}, nil
	}
	m, err := c.leaving(ctx, m)
	if m == nil || err != nil {
		return reconcile.Result{}, err
	}
	d := c.driver(about, m.UID)
	whole := defaulted(m)
	left := m.DeletionTimestamp.Add(lettingGo).Sub(c.cfg.Wall())
	if whole.Spec.OnDelete == v1alpha1.OnDeleteKeep || left <= 0 {
		last, err := d.last(ctx, whole)
		if err == nil {
			err = d.calm(ctx, last)
		}
		if err != nil && left > 0 && !pointless(err) {
			return reconcile.Result{}, errors.Join(err, c.tellLeaving(ctx, m, err.Error()))
		}
		return reconcile.Result{}, c.letGo(ctx, m)
	}
	waiting, err := d.restore(ctx, whole)
	switch {
	case pointless(err):
		return reconcile.Result{}, c.letGo(ctx, m)
	case err != nil:
		return reconcile.Result{}, errors.Join(err, c.tellLeaving(ctx, m, err.Error()))
	case waiting != "":
		return reconcile.Result{RequeueAfter: min(2*time.Second, left)}, c.tellLeaving(ctx, m, waiting)
	}
	return reconcile.Result{}, c.letGo(ctx, m)
}

// byName is what every API server finds objects by.
const byName = "metadata.name"

// live reads a rollout from the API server, nil if there is none.
func (c *Controller) live(ctx context.Context, about client.ObjectKey) (*v1alpha1.ModelRollout, error) {
	var all v1alpha1.ModelRolloutList // by list: the controller has no right to get one
	if err := c.cfg.Reader.List(ctx, &all, client.InNamespace(about.Namespace), client.MatchingFields{byName: about.Name}); err != nil {
		return nil, fmt.Errorf("read ModelRollout %s, which is deleted: %w", about, err)
	}
	if len(all.Items) == 0 {
		return nil, nil
	}
	return &all.Items[0], nil
}

// leaving reads a deleted rollout from the API server, nil if it was let go by now.
// The cache may be older than that, and its notes may be gone already: a route that
// was put back would be taken over once more, and stay so.
func (c *Controller) leaving(ctx context.Context, m *v1alpha1.ModelRollout) (*v1alpha1.ModelRollout, error) {
	about := client.ObjectKeyFromObject(m)
	live, err := c.live(ctx, about)
	if err != nil {
		return nil, err
	}
	if live == nil || live.UID != m.UID || !controllerutil.ContainsFinalizer(live, Finalizer) {
		c.drop(about)
		return nil, nil
	}
	return live, nil
}

// forget deletes what is kept of a rollout that is gone.
func (c *Controller) forget(ctx context.Context, about client.ObjectKey) error {
	c.drop(about)
	live, err := c.live(ctx, about)
	if err != nil || live != nil { // of one that the cache has not seen yet all is kept
		return err
	}
	id := rollout.ID(about.String())
	defer c.cfg.States.Forget(id)
	return c.cfg.States.Remove(ctx, id)
}

// pointless reports whether an error says that there is nothing to put back, or
// nowhere.
func pointless(err error) bool {
	return errors.Is(err, cluster.ErrGone) || apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause)
}

// restore leads all traffic back to the user's own Deployment and removes what
// was made for the rollout. It returns what it waits for.
func (d *driver) restore(ctx context.Context, m *v1alpha1.ModelRollout) (waiting string, err error) {
	last, err := d.last(ctx, m)
	if err != nil || d.active == nil {
		return "", err
	}
	// What was begun to be put back is not taken over again.
	notes := d.c.cfg.States.Notes(d.id)
	leaving, err := notes.Get(ctx, noteLeaving)
	if err != nil {
		return "", err
	}
	if leaving == nil {
		if waiting, err := d.handBack(ctx, last); waiting != "" || err != nil {
			return waiting, err
		}
		if err := notes.Put(ctx, noteLeaving, []byte("begun")); err != nil {
			return "", err
		}
	}
	w, r, _ := d.guard.parts()
	_, err = bounded(ctx, d.c.cfg.Timeout, func(ctx context.Context) (struct{}, error) {
		if err := r.Release(ctx, router.Target{Rollout: string(d.id), Sequence: last.sequence}); err != nil {
			return struct{}{}, fmt.Errorf("put the routes back: %w", err)
		}
		return struct{}{}, w.Release(ctx, workload.Target{Rollout: string(d.id), Sequence: last.sequence})
	})
	return "", err
}

// handBack makes the user's own Deployment serve as it did before, under routes
// that send nothing to a candidate. It returns what it waits for.
func (d *driver) handBack(ctx context.Context, l last) (waiting string, err error) {
	w, r, _ := d.guard.parts()
	if _, declared := w.(cluster.Declarer); declared {
		return "", d.calm(ctx, l) // there is nothing to lead back to: applications go by their own default
	}
	at := workload.Target{Rollout: string(d.id), Sequence: l.sequence}
	type pair struct{ stable, canary rollout.Revision }
	now, unread := bounded(ctx, d.c.cfg.Timeout, func(ctx context.Context) (pair, error) {
		s, c, err := w.Revisions(ctx, at)
		return pair{s, c}, err
	})
	if errors.Is(unread, cluster.ErrGone) {
		return "", unread
	}
	if err := d.calm(ctx, l); err != nil {
		return "", err
	}
	if unread != nil {
		return "", fmt.Errorf("read the revisions: %w", unread)
	}
	if now.stable.Hash != now.canary.Hash {
		return fmt.Sprintf("The routes as they were would lead to %s, which was not promoted: undo the edit, or set onDelete: Keep", now.canary), nil
	}
	return bounded(ctx, d.c.cfg.Timeout, func(ctx context.Context) (string, error) {
		if l, ok := r.(cluster.Leaver); ok {
			if waiting, err := l.Leaving(ctx); waiting != "" || err != nil {
				return waiting, err
			}
		}
		return w.Restore(ctx, at)
	})
}

// last is what a rollout that is deleted has decided, and the sequence of what
// is written now: later than every decision.
type last struct {
	state    rollout.State
	sequence uint64
}

func (d *driver) last(ctx context.Context, m *v1alpha1.ModelRollout) (last, error) {
	st, _, err := d.c.cfg.States.Load(ctx, d.id)
	if err != nil {
		return last{}, err
	}
	if d.active == nil {
		if err := d.firstEquip(ctx, m, d.c.refuse(m)); err != nil {
			return last{}, err
		}
	}
	return last{st, d.c.cfg.States.Epoch(d.id) + st.Sequence + 1}, nil
}

// calm takes all traffic from a candidate that is on its way. It does nothing
// for a rollout that never began.
func (d *driver) calm(ctx context.Context, l last) error {
	st := l.state
	if d.active == nil || resting(st) || st.Phase == rollout.Promoted || st.Serving != "" {
		return nil
	}
	split := st.Want.Split
	split.Canary, split.Mirror, split.Open = 0, 0, false
	split.Generation++
	target := router.Target{Rollout: string(d.id), Sequence: l.sequence}
	_, r, _ := d.guard.parts()
	return d.carry(ctx, func(ctx context.Context) (traffic.Observed, error) {
		if err := r.Apply(ctx, target, split); err != nil {
			return traffic.Observed{}, err
		}
		return r.Observe(ctx, target)
	}, split)
}

// carry waits, by an error, until a split is known to be carried.
func (d *driver) carry(ctx context.Context, apply func(context.Context) (traffic.Observed, error), s traffic.Split) error {
	o, err := bounded(ctx, d.c.cfg.Timeout, apply)
	if err != nil {
		return fmt.Errorf("take all traffic from the candidate: %w", err)
	}
	if !o.Carries(s) {
		return errors.New("waiting for the router to confirm that all traffic has left the candidate")
	}
	return nil
}

// tellLeaving says in the status what a deletion waits for.
func (c *Controller) tellLeaving(ctx context.Context, m *v1alpha1.ModelRollout, waiting string) error {
	next := m.DeepCopy()
	next.Status.Waiting = clipped(fmt.Sprintf("%s; it is let go at %s whatever is left", waiting,
		m.DeletionTimestamp.Add(lettingGo).UTC().Format(time.RFC3339)), 1024)
	if next.Status.Waiting == m.Status.Waiting {
		return nil
	}
	err := c.cfg.Client.Status().Patch(ctx, next, client.MergeFrom(m), client.FieldOwner(cluster.FieldManager))
	return client.IgnoreNotFound(err)
}

// letGo takes the finalizer away.
func (c *Controller) letGo(ctx context.Context, m *v1alpha1.ModelRollout) error {
	next := m.DeepCopy()
	controllerutil.RemoveFinalizer(next, Finalizer)
	err := c.cfg.Client.Patch(ctx, next, client.MergeFrom(m), client.FieldOwner(cluster.FieldManager))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("let ModelRollout %s go: %w", client.ObjectKeyFromObject(m), err)
	}
	c.drop(client.ObjectKeyFromObject(m))
	return nil
}
