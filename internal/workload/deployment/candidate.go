package deployment

import (
	"context"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/workload"
)

// aim is what the candidate's Deployment is to be.
type aim struct {
	replicas int32
	paused   bool
	config   string             // hash of what its pods are started with
	pin      *appsv1.ReplicaSet // whose pods its Service selects; nil leaves it
}

// applyCandidate brings the user's Deployment to n pods of the revision that s
// names.
func (w *Workload) applyCandidate(ctx context.Context, t workload.Target, sc scene, s rollout.Scale, n int32) error {
	d := sc.candidate
	if !s.Canary && s.Draining {
		return nil // it may still have traffic
	}
	has, err := w.sets(ctx, d)
	if err != nil {
		return err
	}
	contested, err := w.contested(ctx, d)
	if err != nil {
		return err
	}
	a := w.aim(sc, s, n, has)
	if w.byRatio() && a.replicas > 0 && replicas(d) > 0 {
		a.replicas = replicas(d)
	}
	if !s.Canary && contested.now {
		a.replicas = replicas(d) // nothing is gained by fighting over pods without traffic
	}
	if a.pin != nil {
		if err := w.pin(ctx, t, sc, a.pin); err != nil {
			return err
		}
	}
	return w.patch(ctx, t, d, "scale Deployment", func(d *appsv1.Deployment) {
		w.noteRewrite(d)
		if d.Spec.Replicas == nil || *d.Spec.Replicas != a.replicas || d.Annotations[AnnotationWrote] != "" {
			annotate(d, AnnotationWrote, strconv.Itoa(int(a.replicas)))
		}
		d.Spec.Replicas, d.Spec.Paused = &a.replicas, a.paused
		annotate(d, AnnotationConfig, a.config)
	})
}

// aim decides. While the arm may have traffic the Deployment is paused, so
// that an edited template starts nothing; a paused one still scales. It is
// unpaused only for the revision that s names, whose pods then replace all
// others: s names it once traffic has left those.
func (w *Workload) aim(sc scene, s rollout.Scale, n int32, has sets) aim {
	d := sc.candidate
	a := aim{replicas: n, config: d.Annotations[AnnotationConfig]}
	if !s.Canary {
		a.replicas, a.config = 0, ""
		return a
	}
	wanted := w.hash(&d.Spec.Template, sc, sc.config)
	if s.Revision != "" && s.Revision != wanted {
		a.paused = true // edited since: what runs goes on
		if len(has.active) == 0 {
			a.replicas = 0
		}
		return a
	}
	if a.config != sc.config {
		// Pods read their configuration when they start: they start again.
		a.replicas = 0
		if len(has.active) > 0 {
			return a
		}
		a.config, a.replicas = sc.config, n
	}
	alone := has.current != nil && has.only() == has.current
	if !alone && len(has.active) > 0 && w.spec().Order == "Swap" {
		a.replicas = 0 // no room for two templates at once
		return a
	}
	a.pin = has.current
	a.paused = alone && (d.Spec.Paused || has.current.Status.AvailableReplicas >= min(n, *has.current.Spec.Replicas))
	return a
}
