package kube

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cluster"
)

// The indexes of the cache.
const (
	byUID        = "metadata.uid"
	byDeployment = "spec.workload" // a ModelRollout by the names of its Deployments
)

// urgent goes before what is merely due: counts that have come may say that a
// candidate is bad.
const urgent = 10

// Indexes are what the cache must know to find objects by. A fake client needs
// the same.
var Indexes = []struct {
	Object  client.Object
	Field   string
	Extract client.IndexerFunc
}{
	{&v1alpha1.RolloutCommand{}, byRollout, func(o client.Object) []string {
		return []string{o.(*v1alpha1.RolloutCommand).Spec.Rollout}
	}},
	{&v1alpha1.ModelRollout{}, byUID, func(o client.Object) []string { return []string{string(o.GetUID())} }},
	{&v1alpha1.ModelRollout{}, byDeployment, func(o client.Object) []string {
		w := o.(*v1alpha1.ModelRollout).Spec.Workload
		if w == nil {
			return nil
		}
		stable := w.StableName
		if stable == "" {
			stable = w.Name + "-stable"
		}
		all := []string{w.Name, stable}
		for _, v := range w.Variants {
			all = append(all, v.Name)
		}
		return all
	}},
}

// SetUp registers the controller with a manager: indexes, watches, workers.
func (c *Controller) SetUp(ctx context.Context, m manager.Manager) error {
	for _, x := range Indexes {
		if err := m.GetFieldIndexer().IndexField(ctx, x.Object, x.Field, x.Extract); err != nil {
			return fmt.Errorf("index %T by %s: %w", x.Object, x.Field, err)
		}
	}
	b := builder.ControllerManagedBy(m).Named("modelrollout").
		For(&v1alpha1.ModelRollout{}, builder.WithPredicates(predicate.Or(
			predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}))).
		Watches(&v1alpha1.RolloutCommand{}, handler.EnqueueRequestsFromMapFunc(ofCommand)).
		Watches(&appsv1.Deployment{}, handler.EnqueueRequestsFromMapFunc(c.ofDeployment)).
		WatchesRawSource(source.Func(c.takeQueue)).
		WithOptions(controller.Options{MaxConcurrentReconciles: c.cfg.Workers, UsePriorityQueue: ptr.To(true)})
	for _, kind := range c.cfg.Adapters.Watch {
		_, err := m.GetRESTMapper().RESTMapping(kind.GroupKind(), kind.Version)
		if meta.IsNoMatchError(err) {
			c.cfg.Logger.Info("this cluster does not know the kind: rollouts that route by it are refused", "kind", kind.String())
			continue
		}
		if err != nil {
			return fmt.Errorf("ask for the kind %s: %w", kind, err)
		}
		obj := &unstructured.Unstructured{}
		obj.SetGroupVersionKind(kind)
		b = b.Watches(obj, handler.EnqueueRequestsFromMapFunc(c.ofMarks))
	}
	if err := b.Complete(c); err != nil {
		return fmt.Errorf("set up the controller: %w", err)
	}
	return nil
}

// takeQueue keeps the way into the queue for what the metric sources answer.
func (c *Controller) takeQueue(_ context.Context, q workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = func(about types.NamespacedName) {
		r := reconcile.Request{NamespacedName: about}
		if p, ok := q.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
			p.AddWithOpts(priorityqueue.AddOpts{Priority: ptr.To(urgent)}, r)
			return
		}
		q.Add(r)
	}
	return nil
}

func ofCommand(_ context.Context, o client.Object) []reconcile.Request {
	x := o.(*v1alpha1.RolloutCommand)
	if x.Status.Outcome != "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: x.Namespace, Name: x.Spec.Rollout}}}
}

// ofDeployment is the rollouts that name a Deployment, or the one whose gateways
// it runs.
func (c *Controller) ofDeployment(ctx context.Context, o client.Object) []reconcile.Request {
	if name := o.GetLabels()[cluster.LabelRollout]; name != "" {
		return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: name}}}
	}
	return c.find(ctx, client.InNamespace(o.GetNamespace()), client.MatchingFields{byDeployment: o.GetName()})
}

// ofMarks is the rollout that has written an object.
func (c *Controller) ofMarks(ctx context.Context, o client.Object) []reconcile.Request {
	if name := o.GetLabels()[cluster.LabelRollout]; name != "" {
		return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: name}}}
	}
	owner := o.GetAnnotations()[cluster.AnnotationOwner]
	if owner == "" {
		return nil
	}
	return c.find(ctx, client.MatchingFields{byUID: owner})
}

func (c *Controller) find(ctx context.Context, by ...client.ListOption) []reconcile.Request {
	var all v1alpha1.ModelRolloutList
	if err := c.cfg.Client.List(ctx, &all, by...); err != nil {
		c.cfg.Logger.Warn("cannot look for the rollouts of a changed object: they notice it when they are due", "error", err)
		return nil
	}
	var out []reconcile.Request
	for i := range all.Items {
		out = append(out, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&all.Items[i])})
	}
	return out
}

// exists reports whether there is a ModelRollout with a UID. If that cannot be
// told there is.
func (c *Controller) exists(uid string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), c.cfg.Timeout)
	defer cancel()
	var all v1alpha1.ModelRolloutList
	err := c.cfg.Client.List(ctx, &all, client.MatchingFields{byUID: uid})
	return err != nil || len(all.Items) > 0
}
