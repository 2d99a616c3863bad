package kube

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// finalize puts the routes of a deleted rollout back, if its spec says so and
// nobody is led to an unjudged version by it, and then lets it go. After ten
// minutes it is let go whatever is left.
func (c *Controller) finalize(ctx context.Context, m *v1alpha1.ModelRollout) (reconcile.Result, error) {
	about := client.ObjectKeyFromObject(m)
	if !controllerutil.ContainsFinalizer(m, Finalizer) {
		c.drop(about)
		return reconcile.Result{}, nil
	}
	d := c.driver(about, m.UID)
	whole := defaulted(m)
	left := m.DeletionTimestamp.Add(lettingGo).Sub(c.cfg.Wall())
	if whole.Spec.OnDelete == v1alpha1.OnDeleteKeep || left <= 0 {
		if err := d.calm(ctx, whole); err != nil && left > 0 {
			return reconcile.Result{}, err
		}
		return reconcile.Result{}, c.letGo(ctx, m)
	}
	waiting, err := d.restore(ctx, whole)
	if err != nil || waiting != "" {
		t := turned{waiting: waiting}
		if waiting != "" {
			t.waiting = fmt.Sprintf("%s; it is let go at %s whatever is left", waiting, m.DeletionTimestamp.Add(lettingGo).UTC().Format(time.RFC3339))
		}
		err = errors.Join(err, c.tellLeaving(ctx, m, t))
		return reconcile.Result{RequeueAfter: min(2*time.Second, left)}, err
	}
	return reconcile.Result{}, c.letGo(ctx, m)
}

// restore leads all traffic back to the user's own Deployment and removes what
// was made for the rollout. It returns what it waits for.
func (d *driver) restore(ctx context.Context, m *v1alpha1.ModelRollout) (waiting string, err error) {
	if err := d.calm(ctx, m); err != nil || d.active == nil {
		return "", err
	}
	w, r, _ := d.guard.parts()
	at := d.workloadTarget()
	type pair struct{ stable, canary rollout.Revision }
	now, err := bounded(ctx, d.c.cfg.Timeout, func(ctx context.Context) (pair, error) {
		s, c, err := w.Revisions(ctx, at)
		return pair{s, c}, err
	})
	if err != nil {
		return "", fmt.Errorf("read the revisions: %w", err)
	}
	if now.stable.Hash != now.canary.Hash {
		return fmt.Sprintf("The routes as they were would lead to %s, which was not promoted: undo the edit, or set onDelete: Keep", now.canary), nil
	}
	waiting, err = bounded(ctx, d.c.cfg.Timeout, func(ctx context.Context) (string, error) { return w.Restore(ctx, at) })
	if err != nil || waiting != "" {
		return waiting, err
	}
	_, err = bounded(ctx, d.c.cfg.Timeout, func(ctx context.Context) (struct{}, error) {
		if err := r.Release(ctx, d.routerTarget()); err != nil {
			return struct{}{}, fmt.Errorf("put the routes back: %w", err)
		}
		return struct{}{}, w.Release(ctx, at)
	})
	return "", err
}

// calm takes all traffic from a candidate that is on its way. It does nothing
// for a rollout that never began.
func (d *driver) calm(ctx context.Context, m *v1alpha1.ModelRollout) error {
	st, version, err := d.c.cfg.States.Load(ctx, d.id)
	if err != nil || version == 0 {
		return err
	}
	if d.active == nil {
		if err := d.firstEquip(ctx, m, d.c.refuse(m)); err != nil || d.active == nil {
			return err
		}
	}
	if resting(st) || st.Phase == rollout.Promoted || st.Serving != "" {
		return nil
	}
	split := st.Want.Split
	split.Canary, split.Mirror, split.Open = 0, 0, false
	split.Generation++
	target := d.routerTarget()
	target.Sequence = d.c.cfg.States.Epoch(d.id) + st.Sequence + 1
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
func (c *Controller) tellLeaving(ctx context.Context, m *v1alpha1.ModelRollout, t turned) error {
	next := m.DeepCopy()
	next.Status.Waiting = t.waiting
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
