package kube

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// Finalizer keeps a deleted rollout until its routes are put back.
const Finalizer = "haldane.dev/routes"

// Controller reconciles ModelRollouts. All methods are safe for concurrent use;
// Reconcile is never called twice for one rollout at the same time.
type Controller struct {
	cfg   Config
	slots slots

	mu      sync.Mutex
	drivers map[types.NamespacedName]*driver
	queue   func(types.NamespacedName)
}

// New returns a controller that does nothing until it is set up.
func New(c Config) *Controller {
	c.complete()
	return &Controller{cfg: c, drivers: map[types.NamespacedName]*driver{}, queue: func(types.NamespacedName) {}}
}

// wake lets a rollout be reconciled soon, before those that only are due.
func (c *Controller) wake(about types.NamespacedName) {
	c.mu.Lock()
	queue := c.queue
	c.mu.Unlock()
	queue(about)
}

// driver returns that of a rollout; one of a namesake before it is ended.
func (c *Controller) driver(about types.NamespacedName, uid types.UID) *driver {
	c.mu.Lock()
	d := c.drivers[about]
	c.mu.Unlock()
	if d != nil && d.uid == uid {
		return d
	}
	c.drop(about)
	d = c.newDriver(about, uid)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drivers[about] = d
	return d
}

// drop ends what drives a rollout that is gone. That may take a while, in which
// nobody else waits.
func (c *Controller) drop(about types.NamespacedName) {
	c.mu.Lock()
	d := c.drivers[about]
	delete(c.drivers, about)
	c.mu.Unlock()
	if d != nil {
		d.close()
		c.cfg.States.Forget(d.id)
	}
}

// Statuses returns what is known of every rollout that is driven, in no order.
func (c *Controller) Statuses() []engine.Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []engine.Status
	for _, d := range c.drivers {
		if e := d.live.Load(); e != nil {
			out = append(out, e.Status())
		}
	}
	return out
}

// Reconcile implements reconcile.Reconciler.
func (c *Controller) Reconcile(ctx context.Context, r reconcile.Request) (reconcile.Result, error) {
	var m v1alpha1.ModelRollout
	err := c.cfg.Client.Get(ctx, r.NamespacedName, &m)
	switch {
	case apierrors.IsNotFound(err):
		return reconcile.Result{}, errors.Join(c.forget(ctx, r.NamespacedName), c.nobody(ctx, r.NamespacedName))
	case err != nil:
		return reconcile.Result{}, fmt.Errorf("read ModelRollout %s: %w", r.NamespacedName, err)
	case !m.DeletionTimestamp.IsZero():
		return c.finalize(ctx, &m)
	}
	if !controllerutil.ContainsFinalizer(&m, Finalizer) {
		next := m.DeepCopy()
		controllerutil.AddFinalizer(next, Finalizer)
		if err := c.cfg.Client.Patch(ctx, next, client.MergeFromWithOptions(&m, client.MergeFromWithOptimisticLock{}), client.FieldOwner(cluster.FieldManager)); err != nil {
			return reconcile.Result{}, fmt.Errorf("put the finalizer on ModelRollout %s: %w", r.NamespacedName, err)
		}
		m = *next
	}
	return c.drive(ctx, &m)
}

// drive lets the rollout go round, answers and tells.
func (c *Controller) drive(ctx context.Context, m *v1alpha1.ModelRollout) (reconcile.Result, error) {
	about := client.ObjectKeyFromObject(m)
	d := c.driver(about, m.UID)
	whole := defaulted(m)
	bad := c.refuse(whole)
	waiting, err := c.commands(ctx, about)
	if err != nil {
		return reconcile.Result{}, err
	}
	orders := make([]rollout.Command, len(waiting))
	for i := range waiting {
		orders[i] = command(waiting[i])
	}
	t, answers, err := d.turn(ctx, whole, bad, orders)
	var refused *refusal
	if errors.As(err, &refused) {
		bad, err = refused, nil
	}
	told := errors.Join(c.answer(ctx, waiting, answers), c.tell(ctx, m, d, t, bad, err))
	switch {
	case err != nil || told != nil:
		return reconcile.Result{}, errors.Join(err, told)
	case refused != nil:
		return reconcile.Result{RequeueAfter: capabilitiesKept}, nil // the cluster may learn to
	case t.after == 0:
		return reconcile.Result{}, nil // an edit comes by itself
	}
	return reconcile.Result{RequeueAfter: t.after}, nil
}

// defaulted is a copy of m with its defaults. A client leaves the type of what
// it reads out.
func defaulted(m *v1alpha1.ModelRollout) *v1alpha1.ModelRollout {
	out := m.DeepCopy()
	out.APIVersion, out.Kind = v1alpha1.APIVersion, v1alpha1.Kind
	out.DefaultCluster()
	return out
}

// refuse says why the spec of m cannot be carried out.
func (c *Controller) refuse(m *v1alpha1.ModelRollout) error {
	var errs []error
	for _, p := range m.ValidateCluster() {
		errs = append(errs, fmt.Errorf("%s: %s", p.Path, p.Message))
	}
	if p := m.Spec.Analysis.Source.Prometheus; p != nil && len(errs) == 0 {
		if err := c.cfg.Allow(p.Address); err != nil {
			errs = append(errs, fmt.Errorf("spec.analysis.source.prometheus.address: %w", err))
		}
	}
	if len(errs) == 0 {
		errs = c.refuseURLs(m)
	}
	return errors.Join(errs...)
}

// tell writes the status if it has changed.
func (c *Controller) tell(ctx context.Context, m *v1alpha1.ModelRollout, d *driver, t turned, refused, trouble error) error {
	s := seen{generation: m.Generation, turned: t, refused: refused, trouble: trouble, former: d.former}
	if e := d.live.Load(); e != nil {
		st := e.Status()
		s.state, s.status = e.State(), &st
	}
	next := m.DeepCopy()
	project(&next.Status, s)
	if apiequality.Semantic.DeepEqual(next.Status, m.Status) {
		return nil
	}
	err := c.cfg.Client.Status().Patch(ctx, next, client.MergeFrom(m), client.FieldOwner(cluster.FieldManager))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("write the status of ModelRollout %s: %w", client.ObjectKeyFromObject(m), err)
	}
	return nil
}

// lettingGo is how long a deleted rollout is kept for its routes.
const lettingGo = 10 * time.Minute
