package deployment

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/workload"
)

// noteStable is the key of the last good pod template.
const noteStable = "workload-stable"

// notePromoted is the key of the hash of a revision that serves everything and
// may not have been copied to stable yet.
const notePromoted = "workload-promoted"

// applyStable brings stable to its size and, at the end of a promotion, to the
// candidate's template.
func (w *Workload) applyStable(ctx context.Context, t workload.Target, sc scene, s rollout.Scale, z sizes) error {
	if s.Promoted && !s.Stable && !w.keepsTraffic() {
		if err := w.promote(ctx, t, sc, s); err != nil {
			return err
		}
	}
	if w.byRatio() || z.stable == z.all && sc.stable.Annotations[AnnotationReplicas] == "" {
		z.stable, z.all = replicas(sc.stable), full(sc.stable) // people's, an autoscaler's, or the router's
	}
	if w.pair() {
		return w.applyPairStable(ctx, t, z)
	}
	good, err := w.good(ctx)
	if err != nil {
		return err
	}
	if good == nil {
		good = goodOf(&sc.stable.Spec)
	}
	return w.writeStable(ctx, t, sc, good, z)
}

// promote makes the template that the candidate serves with the good one. It
// is written down first: from then on stable is brought to it however often
// the process dies.
func (w *Workload) promote(ctx context.Context, t workload.Target, sc scene, s rollout.Scale) error {
	if s.Revision == w.stableRevision(sc).Hash {
		return nil
	}
	has, err := w.sets(ctx, sc.candidate)
	if err != nil {
		return err
	}
	config := sc.candidate.Annotations[AnnotationConfig]
	for _, set := range has.active {
		if s.Revision != "" && w.hash(&set.Spec.Template, sc, config) != s.Revision {
			continue
		}
		if w.pair() {
			return w.copyToPair(ctx, t, sc, &set.Spec.Template, config)
		}
		if err := w.copyConfigMaps(ctx, t); err != nil {
			return err
		}
		spec := sc.candidate.Spec.DeepCopy()
		spec.Template = *w.stableTemplate(&set.Spec.Template, config)
		return w.keep(ctx, spec)
	}
	if good, err := w.good(ctx); err != nil || good != nil && w.hash(&good.Template, sc, good.Template.Annotations[AnnotationConfig]) == s.Revision {
		return err
	}
	if s.Revision == "" {
		return nil // nothing runs that could be meant
	}
	return fmt.Errorf("promote %s: no pods of Deployment %s run it any more", s.Revision, sc.candidate.Name)
}

// stableTemplate is a candidate's pod template as stable's.
func (w *Workload) stableTemplate(t *corev1.PodTemplateSpec, config string) *corev1.PodTemplateSpec {
	t = t.DeepCopy()
	t.CreationTimestamp = metav1.Time{}
	labels := map[string]string{}
	maps.Copy(labels, t.Labels)
	delete(labels, appsv1.DefaultDeploymentUniqueLabelKey)
	maps.Copy(labels, w.stableLabels())
	t.Labels = labels
	annotate(t, AnnotationConfig, config)
	if w.spec().Track != nil && w.spec().Track.CopyConfigMaps {
		w.renameConfigMaps(&t.Spec, w.copied)
	}
	return t
}

// stableLabels select stable's pods, and no others, whatever the user's labels.
func (w *Workload) stableLabels() map[string]string {
	return map[string]string{LabelWorkload: w.spec().Name, cluster.LabelRole: roleStable}
}

// goodOf is the part of a specification that is copied.
func goodOf(s *appsv1.DeploymentSpec) *appsv1.DeploymentSpec {
	return &appsv1.DeploymentSpec{
		Template: s.Template, Strategy: s.Strategy, MinReadySeconds: s.MinReadySeconds,
		RevisionHistoryLimit: s.RevisionHistoryLimit, ProgressDeadlineSeconds: s.ProgressDeadlineSeconds,
	}
}

// keep writes the good specification down.
func (w *Workload) keep(ctx context.Context, s *appsv1.DeploymentSpec) error {
	text, err := json.Marshal(goodOf(s))
	if err == nil {
		err = w.r.Notes.Put(ctx, noteStable, text)
	}
	if err != nil {
		return fmt.Errorf("remember the pod template of %s: %w", w.spec().StableName, err)
	}
	return nil
}

// good returns the specification that was written down last, nil if none was.
func (w *Workload) good(ctx context.Context) (*appsv1.DeploymentSpec, error) {
	text, err := w.r.Notes.Get(ctx, noteStable)
	if err != nil || text == nil {
		return nil, err
	}
	var s appsv1.DeploymentSpec
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("the remembered pod template of %s: %w", w.spec().StableName, err)
	}
	return &s, nil
}

// writeStable applies the good specification at stable's size, if that is not what
// is there.
func (w *Workload) writeStable(ctx context.Context, t workload.Target, sc scene, good *appsv1.DeploymentSpec, z sizes) error {
	n := z.stable
	want := &appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
		ObjectMeta: metav1.ObjectMeta{Namespace: w.r.Namespace, Name: w.spec().StableName, Labels: w.stableLabels()},
		Spec:       *good.DeepCopy(),
	}
	want.Spec.Selector = &metav1.LabelSelector{MatchLabels: w.stableLabels()}
	want.Spec.Replicas = &n
	if w.spec().Order == "Swap" {
		// A pod that comes first would wait for the accelerator of the one that goes.
		want.Spec.Strategy = appsv1.DeploymentStrategy{
			Type:          appsv1.RollingUpdateDeploymentStrategyType,
			RollingUpdate: &appsv1.RollingUpdateDeployment{MaxSurge: new(intstr.FromInt32(0)), MaxUnavailable: new(intstr.FromInt32(1))},
		}
	}
	if n != z.all {
		annotate(want, AnnotationReplicas, strconv.Itoa(int(z.all)))
	}
	if sc.stable != nil {
		if err := w.r.MayWrite(sc.stable, t.Sequence); err != nil {
			return err
		}
		if replicas(sc.stable) == n && w.ours(sc) && sc.stable.Annotations[AnnotationReplicas] == want.Annotations[AnnotationReplicas] &&
			equality.Semantic.DeepDerivative(want.Labels, sc.stable.Labels) &&
			equality.Semantic.DeepDerivative(want.Spec, sc.stable.Spec) {
			return nil
		}
		want.ResourceVersion = sc.stable.ResourceVersion
	}
	w.r.Stamp(want, t.Sequence, true)
	return w.apply(ctx, want)
}
