package replicas

import (
	"context"
	"fmt"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/router"
	"github.com/haldane-dev/haldane/internal/traffic"
	"github.com/haldane-dev/haldane/internal/workload/deployment"
)

// What is written on Deployments beside their numbers, for the workload.
const (
	annotationReplicas = deployment.AnnotationReplicas
	annotationWrote    = deployment.AnnotationWrote
)

// look reads both arms.
func (r *Router) look(ctx context.Context) (arms, error) {
	var a arms
	w := r.rollout.Spec.Workload
	stable, canary := &appsv1.Deployment{}, &appsv1.Deployment{}
	stableService, canaryService := &corev1.Service{}, &corev1.Service{}
	for _, x := range []struct {
		name string
		into client.Object
		keep func()
	}{
		{w.StableName, stable, func() { a.stable = stable }},
		{w.Name, canary, func() { a.canary = canary }},
		{r.rollout.StableService(), stableService, func() { a.stableService = stableService }},
		{r.rollout.CanaryService(), canaryService, func() { a.canaryService = canaryService }},
	} {
		switch err := r.rollout.Client.Get(ctx, client.ObjectKey{Namespace: r.rollout.Namespace, Name: x.name}, x.into); {
		case err == nil:
			x.keep()
		case !apierrors.IsNotFound(err):
			return a, fmt.Errorf("read %s/%s: %w", r.rollout.Namespace, x.name, err)
		}
	}
	a.all = full(a.stable)
	return a, nil
}

// size brings the numbers of pods to those of a stage: those that grow, or,
// afterwards, those that shrink. The candidate's first pod and its last are the
// workload's to start and end.
func (r *Router) size(ctx context.Context, t router.Target, a arms, to stage, shrink bool) error {
	due := func(now, then int32) bool { return then >= 0 && now != then && (then < now) == shrink }
	if a.stable != nil && (due(replicas(a.stable), to.stable) || !shrink && to.stable == a.all && a.stable.Annotations[annotationReplicas] != "") {
		if err := r.scale(ctx, t, a.stable, to.stable, a.all); err != nil {
			return err
		}
	}
	if replicas(a.canary) > 0 && due(replicas(a.canary), to.canary) {
		return r.scale(ctx, t, a.canary, to.canary, 0)
	}
	return nil
}

// scale sets the number of pods of d. all is not 0 for stable: what it is to
// have again later.
func (r *Router) scale(ctx context.Context, t router.Target, d *appsv1.Deployment, n, all int32) error {
	if err := r.rollout.MayWrite(d, t.Sequence); err != nil {
		return fmt.Errorf("scale Deployment: %w", err)
	}
	next := d.DeepCopy()
	next.Spec.Replicas = &n
	if next.Annotations == nil {
		next.Annotations = map[string]string{}
	}
	switch {
	case all == 0:
		next.Annotations[annotationWrote] = strconv.Itoa(int(n))
	case n == all:
		delete(next.Annotations, annotationReplicas)
	default:
		next.Annotations[annotationReplicas] = strconv.Itoa(int(all))
	}
	r.rollout.Stamp(next, t.Sequence, false)
	err := r.rollout.Client.Patch(ctx, next, client.MergeFromWithOptions(d, client.MergeFromWithOptimisticLock{}), client.FieldOwner(cluster.FieldManager))
	if err != nil {
		return fmt.Errorf("scale Deployment %s to %d: %w", d.Name, n, err)
	}
	return nil
}

// against says what is against splitting at a weight, "" if nothing is, and
// makes known what is against any of the rollout's own.
func (r *Router) against(ctx context.Context, a arms, w traffic.Weight) (string, error) {
	scaled, err := r.autoscaled(ctx)
	if err != nil {
		return "", err
	}
	standing := scaled
	if c := r.rollout.Spec.Strategy.Canary; c != nil && standing == "" {
		for _, step := range c.Steps {
			if step.Weight != nil && standing == "" {
				standing = a.unreachable(traffic.Percent(float64(*step.Weight)))
			}
		}
	}
	r.refused.Set(standing)
	if why := a.unreachable(w); why != "" || w == 0 || w == traffic.Full {
		return why, nil // the ends need no numbers
	}
	return scaled, nil
}

// unreachable says so if a weight cannot be had with the pods there are.
func (a arms) unreachable(w traffic.Weight) string {
	if a.stable == nil || reaches(a.all, w) {
		return ""
	}
	if a.all == 1 {
		return fmt.Sprintf("one pod cannot be split at %s: run more pods of Deployment %s, or choose another router", w, a.stable.Name)
	}
	return fmt.Sprintf("%d pods cannot be split at %s, but at %s and more: run %d pods of Deployment %s, raise the weight, or choose another router",
		a.all, w, traffic.Percent(100/float64(a.all)), (int(traffic.Full)+int(w)-1)/int(w), a.stable.Name)
}

// autoscaled says which autoscaler sets the number of pods of an arm, "" if
// none does. Where they cannot be read there are none.
func (r *Router) autoscaled(ctx context.Context) (string, error) {
	var all autoscalingv2.HorizontalPodAutoscalerList
	err := r.rollout.Client.List(ctx, &all, client.InNamespace(r.rollout.Namespace))
	if apierrors.IsForbidden(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("look for autoscalers in %s: %w", r.rollout.Namespace, err)
	}
	w := r.rollout.Spec.Workload
	for _, h := range all.Items {
		if ref := h.Spec.ScaleTargetRef; ref.Kind == "Deployment" && (ref.Name == w.Name || ref.Name == w.StableName) {
			return fmt.Sprintf("HorizontalPodAutoscaler %s sets the number of pods of Deployment %s, by which traffic is to be split: delete it, or choose another router", h.Name, ref.Name), nil
		}
	}
	return "", nil
}
