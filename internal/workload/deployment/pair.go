package deployment

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/workload"
)

// preparePair checks that two Deployments of the user's own can be told apart
// and may be written. It returns what is in the way.
func (w *Workload) preparePair(ctx context.Context, t workload.Target, sc scene) (string, error) {
	name := w.spec().StableName
	if sc.stable == nil {
		return fmt.Sprintf("Deployment %s does not exist: of a pair both are yours to create", name), nil
	}
	for _, of := range [][2]*appsv1.Deployment{{sc.stable, sc.candidate}, {sc.candidate, sc.stable}} {
		selector, err := metav1.LabelSelectorAsSelector(of[0].Spec.Selector)
		if err != nil {
			return "", fmt.Errorf("selector of Deployment %s: %w", of[0].Name, err)
		}
		if selector.Matches(labels.Set(of[1].Spec.Template.Labels)) {
			return fmt.Sprintf("Deployment %s selects the pods of %s too, so they cannot be told apart: give each a label of its own in its selector", of[0].Name, of[1].Name), nil
		}
	}
	if by := owner(sc.stable); w.spec().Pair.Promotion == "Copy" && by != "" {
		return fmt.Sprintf("the pod template of Deployment %s is applied by %s, which would undo a promotion: let it ignore spec.template there, or write promotion: Traffic", name, by), nil
	}
	if w.ours(sc) {
		return "", nil
	}
	return "", w.patch(ctx, t, sc.stable, "claim Deployment", func(d *appsv1.Deployment) {
		annotate(d, cluster.AnnotationOwner, w.r.UID)
	})
}

// owner is who else applies the pod template again and again: a manager of
// server-side apply. Who has written it once is no such.
func owner(d *appsv1.Deployment) string {
	for _, m := range d.ManagedFields {
		if m.Manager != cluster.FieldManager && m.Operation == metav1.ManagedFieldsOperationApply && m.FieldsV1 != nil &&
			strings.Contains(m.FieldsV1.GetRawString(), `"f:template"`) {
			return m.Manager
		}
	}
	return ""
}

// copyToPair gives the user's stable the candidate's template, less the labels
// that tell the two apart.
func (w *Workload) copyToPair(ctx context.Context, t workload.Target, sc scene, from *corev1.PodTemplateSpec, config string) error {
	next := from.DeepCopy()
	delete(next.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
	for k := range sc.candidate.Spec.Selector.MatchLabels {
		delete(next.Labels, k)
	}
	if next.Labels == nil {
		next.Labels = map[string]string{}
	}
	maps.Copy(next.Labels, sc.stable.Spec.Selector.MatchLabels)
	annotate(next, AnnotationConfig, config)
	return w.patch(ctx, t, sc.stable, "promote to Deployment", func(d *appsv1.Deployment) { d.Spec.Template = *next })
}

// applyPairStable sets the size of the user's stable.
func (w *Workload) applyPairStable(ctx context.Context, t workload.Target, z sizes) error {
	d, err := w.deployment(ctx, w.spec().StableName) // a promotion may have written it
	if err != nil || d == nil {
		return err
	}
	return w.patch(ctx, t, d, "scale Deployment", func(d *appsv1.Deployment) {
		d.Spec.Replicas = &z.stable
		mark := ""
		if z.stable != z.all {
			mark = strconv.Itoa(int(z.all))
		}
		annotate(d, AnnotationReplicas, mark)
	})
}
