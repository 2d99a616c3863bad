package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// deployments plays the Deployment controller, the ReplicaSet controller and
// every kubelet: one ReplicaSet for each pod template, and every pod that is
// asked for is available at once, though none exists.
type deployments struct{ api client.Client }

// Reconcile implements reconcile.Reconciler.
func (f deployments) Reconcile(ctx context.Context, r reconcile.Request) (reconcile.Result, error) {
	var d appsv1.Deployment
	if err := f.api.Get(ctx, r.NamespacedName, &d); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	var all appsv1.ReplicaSetList
	err := f.api.List(ctx, &all, client.InNamespace(d.Namespace), client.MatchingLabels(d.Spec.Selector.MatchLabels))
	if err != nil {
		return reconcile.Result{}, err
	}
	all.Items = slices.DeleteFunc(all.Items, func(set appsv1.ReplicaSet) bool { return !metav1.IsControlledBy(&set, &d) })
	current := setName(&d)
	found := false
	for i := range all.Items {
		found = found || all.Items[i].Name == current
	}
	if !found && !d.Spec.Paused {
		set := newSet(&d, current)
		if err := f.api.Create(ctx, set); err != nil && !apierrors.IsAlreadyExists(err) {
			return reconcile.Result{}, err
		}
		all.Items = append(all.Items, *set)
	}
	updated := int32(0)
	for i := range all.Items {
		set := &all.Items[i]
		want := *set.Spec.Replicas // a paused Deployment scales what it has
		switch {
		case set.Name == current:
			want = *d.Spec.Replicas
		case !d.Spec.Paused:
			want = 0
		}
		if set.Name == current {
			updated = want
		}
		if err := f.scale(ctx, set, want); err != nil {
			return reconcile.Result{}, err
		}
	}
	return reconcile.Result{}, f.report(ctx, &d, updated)
}

// scale brings a set to a number of pods, all of them available.
func (f deployments) scale(ctx context.Context, set *appsv1.ReplicaSet, n int32) error {
	if *set.Spec.Replicas != n {
		next := set.DeepCopy()
		next.Spec.Replicas = &n
		if err := f.api.Update(ctx, next); err != nil {
			return err
		}
		*set = *next
	}
	status := appsv1.ReplicaSetStatus{
		Replicas: n, FullyLabeledReplicas: n, ReadyReplicas: n, AvailableReplicas: n, ObservedGeneration: set.Generation,
	}
	if equality.Semantic.DeepEqual(set.Status, status) {
		return nil
	}
	next := set.DeepCopy()
	next.Status = status
	return f.api.Status().Update(ctx, next)
}

// report writes a Deployment's status.
func (f deployments) report(ctx context.Context, d *appsv1.Deployment, updated int32) error {
	n := *d.Spec.Replicas
	next := d.DeepCopy()
	next.Status = appsv1.DeploymentStatus{
		ObservedGeneration: d.Generation, Replicas: n, UpdatedReplicas: updated, ReadyReplicas: n, AvailableReplicas: n,
		Conditions: d.Status.Conditions,
	}
	if len(next.Status.Conditions) == 0 {
		now := metav1.Now()
		next.Status.Conditions = []appsv1.DeploymentCondition{
			{Type: appsv1.DeploymentAvailable, Status: corev1.ConditionTrue, Reason: "MinimumReplicasAvailable", LastUpdateTime: now, LastTransitionTime: now},
			{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionTrue, Reason: "NewReplicaSetAvailable", LastUpdateTime: now, LastTransitionTime: now},
		}
	}
	if equality.Semantic.DeepEqual(next.Status, d.Status) {
		return nil
	}
	return f.api.Status().Update(ctx, next)
}

// setName is that of the set of a Deployment's present template.
func setName(d *appsv1.Deployment) string { return d.Name + "-" + templateHash(d) }

func templateHash(d *appsv1.Deployment) string {
	text, err := json.Marshal(d.Spec.Template)
	if err != nil {
		panic("a pod template that came as JSON is not JSON: " + err.Error())
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:5])
}

func newSet(d *appsv1.Deployment, name string) *appsv1.ReplicaSet {
	mark := map[string]string{appsv1.DefaultDeploymentUniqueLabelKey: templateHash(d)}
	template := d.Spec.Template.DeepCopy()
	maps.Copy(template.Labels, mark)
	selector := d.Spec.Selector.DeepCopy()
	maps.Copy(selector.MatchLabels, mark)
	return &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: d.Namespace, Name: name, Labels: template.Labels,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(d, appsv1.SchemeGroupVersion.WithKind("Deployment"))},
		},
		Spec: appsv1.ReplicaSetSpec{Replicas: d.Spec.Replicas, Selector: selector, Template: *template},
	}
}

// routes plays a Gateway controller that accepts every route at once.
type routes struct{ api client.Client }

// Reconcile implements reconcile.Reconciler.
func (f routes) Reconcile(ctx context.Context, r reconcile.Request) (reconcile.Result, error) {
	var route gatewayv1.HTTPRoute
	if err := f.api.Get(ctx, r.NamespacedName, &route); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	next := route.DeepCopy()
	next.Status.Parents = nil
	for i, ref := range route.Spec.ParentRefs {
		parent := gatewayv1.RouteParentStatus{ParentRef: ref, ControllerName: controllerName}
		if i < len(route.Status.Parents) {
			parent.Conditions = append(parent.Conditions, route.Status.Parents[i].Conditions...)
		}
		for _, kind := range []gatewayv1.RouteConditionType{gatewayv1.RouteConditionAccepted, gatewayv1.RouteConditionResolvedRefs} {
			meta.SetStatusCondition(&parent.Conditions, metav1.Condition{
				Type: string(kind), Status: metav1.ConditionTrue, Reason: string(kind), ObservedGeneration: route.Generation,
			})
		}
		next.Status.Parents = append(next.Status.Parents, parent)
	}
	if equality.Semantic.DeepEqual(next.Status, route.Status) {
		return reconcile.Result{}, nil
	}
	return reconcile.Result{}, f.api.Status().Update(ctx, next)
}

const controllerName = "haldane.dev/bench"

// canaryShare is the weight of the candidate's backends in a route.
func canaryShare(route *gatewayv1.HTTPRoute) (sum int32) {
	for _, rule := range route.Spec.Rules {
		for _, ref := range rule.BackendRefs {
			if string(ref.Name) == route.Name+"-canary" && ref.Weight != nil {
				sum += *ref.Weight
			}
		}
	}
	return sum
}
