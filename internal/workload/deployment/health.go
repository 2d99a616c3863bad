package deployment

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
	"github.com/haldane-dev/haldane/internal/workload"
)

// Observe implements workload.Workload. It also finds out the conditions.
func (w *Workload) Observe(ctx context.Context, t workload.Target) (map[rollout.Role]rollout.Health, error) {
	out := map[rollout.Role]rollout.Health{traffic.Stable: {}, traffic.Canary: {}}
	sc, err := w.look(ctx)
	if err != nil {
		return nil, err
	}
	if err := w.findConditions(ctx, sc); err != nil {
		return nil, err
	}
	if !w.ours(sc) {
		return out, nil
	}
	h := w.stableHealth(sc)
	if h.Ready {
		if h.Reachable, err = w.stableReachable(ctx, sc); err != nil {
			return nil, err
		}
	} else {
		if h.Message = w.reason(ctx, sc.stable, nil); h.Message == "" {
			h.Message = fmt.Sprintf("%d of %d pods of %s are available", sc.stable.Status.AvailableReplicas, replicas(sc.stable), sc.stable.Name)
		}
	}
	out[traffic.Stable] = h
	if err := w.observeVariants(ctx, sc, out); err != nil {
		return nil, err
	}
	if sc.candidate == nil {
		out[traffic.Canary] = rollout.Health{Failed: true, Message: fmt.Sprintf("Deployment %s does not exist", w.spec().Name)}
		return out, nil
	}
	out[traffic.Canary], err = w.canaryHealth(ctx, sc)
	return out, err
}

// stableHealth looks at stable alone. It is ready when all its pods run its
// template and at most a quarter of them is missing.
func (w *Workload) stableHealth(sc scene) rollout.Health {
	d := sc.stable
	n, status := replicas(d), d.Status
	h := rollout.Health{
		Revision: w.stableRevision(sc).Hash,
		Short:    w.short(status.AvailableReplicas, full(d), traffic.Stable),
	}
	if n == 0 {
		return rollout.Health{}
	}
	h.Ready = serving(d, n)
	return h
}

// canaryHealth is ready when the pods of one template alone run, the
// candidate's Service selects them and nothing else, and an edit cannot
// replace them.
func (w *Workload) canaryHealth(ctx context.Context, sc scene) (rollout.Health, error) {
	d := sc.candidate
	has, err := w.sets(ctx, d)
	if err != nil {
		return rollout.Health{}, err
	}
	set := has.only()
	if set == nil {
		h := rollout.Health{}
		if len(has.active) > 1 {
			h.Message = fmt.Sprintf("pods of another template of Deployment %s are still there", d.Name)
		} else if replicas(d) > 0 {
			h.Message = w.reason(ctx, d, nil)
		}
		return h, nil
	}
	h := rollout.Health{
		Revision: w.hash(&set.Spec.Template, sc, d.Annotations[AnnotationConfig]),
		Short:    w.short(set.Status.AvailableReplicas, full(sc.stable), traffic.Canary),
	}
	if err := w.pods(ctx, d, set, &h); err != nil {
		return h, err
	}
	s, err := w.readService(ctx, w.r.CanaryService())
	if err != nil {
		return h, err
	}
	pinned := s != nil && s.Spec.Selector[appsv1.DefaultDeploymentUniqueLabelKey] == hashOf(set)
	h.Ready = !h.Failed && set.Status.AvailableReplicas > 0 && d.Spec.Paused && pinned && replicas(d) > 0
	if h.Ready {
		h.Reachable = w.reachable(d, s)
	}
	if !h.Ready && h.Message == "" {
		h.Message = fmt.Sprintf("%d of %d pods of %s are available", set.Status.AvailableReplicas, replicas(d), d.Name)
		if h.Ours = !h.Failed && set.Status.AvailableReplicas > 0 && replicas(d) > 0; h.Ours {
			h.Message += fmt.Sprintf(", and the Service %s does not lead to them yet", w.r.CanaryService())
		}
	}
	return h, nil
}

// pods adds to h what the pods of a set, if any of them is not available, and
// the Deployment say is wrong.
func (w *Workload) pods(ctx context.Context, d *appsv1.Deployment, set *appsv1.ReplicaSet, h *rollout.Health) error {
	if set.Status.AvailableReplicas >= *set.Spec.Replicas {
		return nil
	}
	all, err := w.podsOf(ctx, d, set)
	if err != nil {
		return err
	}
	ill := diagnose(all)
	h.Message, h.Restarts = ill.message, ill.restarts
	if ill.hopeless > 0 && 4*ill.hopeless > int(*set.Spec.Replicas) {
		h.Failed, h.Since = true, ill.since
		return nil
	}
	late, since, why := overdue(d)
	if late && !d.Spec.Paused {
		h.Failed, h.Since = true, since
	}
	if h.Message == "" {
		h.Message = why
	}
	return nil
}

// reason says in a few words why pods of a Deployment are not available, ""
// if that is not known.
func (w *Workload) reason(ctx context.Context, d *appsv1.Deployment, set *appsv1.ReplicaSet) string {
	all, err := w.podsOf(ctx, d, set)
	if err != nil {
		return ""
	}
	if ill := diagnose(all); ill.message != "" {
		return ill.message
	}
	_, _, why := overdue(d)
	return why
}

// overdue reports whether the Deployment has missed its progress deadline,
// since when, and what it says is in the way.
func overdue(d *appsv1.Deployment) (late bool, since time.Time, why string) {
	if c := condition(d, appsv1.DeploymentReplicaFailure); c != nil && c.Status == corev1.ConditionTrue {
		why = c.Message
	}
	if c := condition(d, appsv1.DeploymentProgressing); c != nil && c.Status == corev1.ConditionFalse && c.Reason == "ProgressDeadlineExceeded" {
		late, since = true, c.LastTransitionTime.Time
		if why == "" {
			why = c.Message
		}
	}
	return late, since, why
}
