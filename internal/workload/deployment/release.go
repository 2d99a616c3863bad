package deployment

import (
	"context"
	"fmt"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/workload"
)

// Restore implements cluster.Workload: at stable's size, not paused. It fails
// when that would put an unjudged template, or one that was taken back, into
// service, and waits while the user's own Service leads to stable alone.
func (w *Workload) Restore(ctx context.Context, t workload.Target) (waiting string, err error) {
	sc, err := w.look(ctx)
	if err != nil {
		return "", err
	}
	if sc.candidate == nil {
		return "", fmt.Errorf("the Deployment %s %w", w.spec().Name, cluster.ErrGone)
	}
	if !w.restorable(sc) {
		return "", fmt.Errorf("restore Deployment %s: it is not what serves, and has not been judged: write onDelete: Keep", w.spec().Name)
	}
	n := full(sc.stable)
	err = w.patch(ctx, t, sc.candidate, "restore Deployment", func(d *appsv1.Deployment) {
		d.Spec.Replicas, d.Spec.Paused = &n, false
		annotate(d, AnnotationWrote, strconv.Itoa(int(n)))
	})
	if err != nil {
		return "", err
	}
	if !serving(sc.candidate, n) {
		return fmt.Sprintf("Deployment %s takes over from %s: %d of %d pods are available", w.spec().Name, w.spec().StableName, sc.candidate.Status.AvailableReplicas, n), nil
	}
	if w.reachable(sc.candidate, nil).After(w.now()) {
		return fmt.Sprintf("Deployment %s is available, and proxies are given %s to know its pods", w.spec().Name, w.lag), nil
	}
	return w.stillPinned(ctx, sc)
}

// stillPinned says so if the user's own Service reaches stable's pods, which are
// about to end, and not the candidate's: it was pinned, as
// DirectTrafficUncontrolled asks for. One that is the route itself, of
// routing.replicas, is put back by its router before they end.
func (w *Workload) stillPinned(ctx context.Context, sc scene) (string, error) {
	if w.pair() || sc.stable == nil || w.r.Spec.Routing.Replicas != nil {
		return "", nil
	}
	s, err := w.readService(ctx, w.spec().Service)
	if err != nil || s == nil || selects(s, sc.candidate.Spec.Template.Labels) || !selects(s, sc.stable.Spec.Template.Labels) {
		return "", err
	}
	return fmt.Sprintf("Service %s selects the pods of %s alone, which end with the rollout. Let it select those of %s again: kubectl -n %s patch service %s --type merge -p '{\"spec\":{\"selector\":{\"%s\":null,\"%s\":null}}}'. Or set onDelete: Keep",
		s.Name, w.spec().StableName, w.spec().Name, w.r.Namespace, s.Name, LabelWorkload, cluster.LabelRole), nil
}

// serving reports whether n pods are asked for, all of them run the template,
// and at most a quarter of them is missing.
func serving(d *appsv1.Deployment, n int32) bool {
	s := d.Status
	return replicas(d) >= n && s.ObservedGeneration >= d.Generation && s.UpdatedReplicas >= n && s.Replicas == s.UpdatedReplicas &&
		s.AvailableReplicas >= max(1, n-n/4)
}

// restorable reports whether the candidate may serve in place of stable.
func (w *Workload) restorable(sc scene) bool {
	return w.r.Spec.OnDelete != v1alpha1.OnDeleteKeep && w.ours(sc) && sc.candidate != nil &&
		w.hash(&sc.candidate.Spec.Template, sc, sc.config) == w.stableRevision(sc).Hash
}

// Release implements workload.Workload. Where the candidate serves in place of
// stable (see Restore), stable and both Services end; it fails while it does
// not. Otherwise everything stays as it is and only Haldane's marks go; a
// candidate whose template was not edited since its pods started is unpaused.
func (w *Workload) Release(ctx context.Context, t workload.Target) error {
	sc, err := w.look(ctx)
	if err != nil {
		return err
	}
	// Stable is the first to go: without it an earlier Release has begun.
	ends := !w.pair() && (sc.stable == nil && sc.candidate != nil || w.restorable(sc))
	if ends && sc.stable != nil && !serving(sc.candidate, full(sc.stable)) {
		return fmt.Errorf("release %s: %d of %d pods of %s are available, and it is to serve alone", w.spec().StableName,
			sc.candidate.Status.AvailableReplicas, full(sc.stable), w.spec().Name)
	}
	if err := w.freeCandidate(ctx, t, sc); err != nil {
		return err
	}
	if err := w.freeStable(ctx, t, sc, ends); err != nil {
		return err
	}
	for _, note := range []string{noteStable, notePromoted} {
		if err := w.r.Notes.Put(ctx, note, nil); err != nil {
			return fmt.Errorf("forget %s: %w", note, err)
		}
	}
	return nil
}

// freeCandidate takes Haldane's marks off the user's Deployment.
func (w *Workload) freeCandidate(ctx context.Context, t workload.Target, sc scene) error {
	d := sc.candidate
	if d == nil || d.Annotations[cluster.AnnotationOwner] != w.r.UID {
		return nil
	}
	if err := w.r.MayWrite(d, t.Sequence); err != nil {
		return err
	}
	has, err := w.sets(ctx, d)
	if err != nil {
		return err
	}
	next := d.DeepCopy()
	if len(has.active) == 0 || has.current != nil && has.only() == has.current {
		next.Spec.Paused = false
	}
	for _, k := range []string{AnnotationWrote, AnnotationContested, AnnotationConfig} {
		annotate(next, k, "")
	}
	return w.free(ctx, d, next)
}

// freeStable ends stable and the Services, or takes the marks off them.
func (w *Workload) freeStable(ctx context.Context, t workload.Target, sc scene, end bool) error {
	var all []client.Object
	if w.ours(sc) {
		all = append(all, sc.stable)
	}
	for _, name := range []string{w.r.StableService(), w.r.CanaryService()} {
		s, err := w.readService(ctx, name)
		if err != nil {
			return err
		}
		if s != nil && s.Annotations[cluster.AnnotationOwner] == w.r.UID {
			all = append(all, s)
		}
	}
	if track := w.spec().Track; track != nil && track.CopyConfigMaps {
		for _, name := range track.ConfigMaps {
			var c corev1.ConfigMap
			err := w.r.Client.Get(ctx, w.key(w.copied(name)), &c)
			if err == nil && c.Annotations[cluster.AnnotationOwner] == w.r.UID {
				all = append(all, &c)
			} else if err != nil && !apierrors.IsNotFound(err) {
				return fmt.Errorf("read ConfigMap %s: %w", w.copied(name), err)
			}
		}
	}
	for _, o := range all {
		if err := w.r.MayWrite(o, t.Sequence); err != nil {
			return err
		}
		if end {
			rv := o.GetResourceVersion()
			err := w.r.Client.Delete(ctx, o, client.Preconditions{ResourceVersion: &rv}, client.PropagationPolicy("Background"))
			if err != nil && !apierrors.IsNotFound(err) {
				return fmt.Errorf("delete %s: %w", o.GetName(), err)
			}
			continue
		}
		if err := w.free(ctx, o, o.DeepCopyObject().(client.Object)); err != nil {
			return err
		}
	}
	return nil
}

// free writes next, less Haldane's claim, over o.
func (w *Workload) free(ctx context.Context, o, next client.Object) error {
	w.r.Unstamp(next)
	err := w.r.Client.Patch(ctx, next, client.MergeFromWithOptions(o, client.MergeFromWithOptimisticLock{}), client.FieldOwner(fieldManager))
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("release %s: %w", o.GetName(), err)
	}
	return nil
}
