package deployment

import (
	"context"
	"fmt"
	"math"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/workload"
)

// Prepare implements cluster.Workload. Its order leaves no moment without
// serving pods: the candidate is available, then the template of its ready pods
// is copied, then stable is available. The candidate is scaled down by Apply,
// once the router is known to send nothing there.
func (w *Workload) Prepare(ctx context.Context, t workload.Target) (waiting string, err error) {
	sc, err := w.look(ctx)
	if err != nil {
		return "", err
	}
	if sc.candidate == nil {
		if w.ours(sc) {
			return "", nil // what is on its way goes back to stable
		}
		return fmt.Sprintf("Deployment %s does not exist", w.spec().Name), nil
	}
	for _, d := range []*appsv1.Deployment{sc.candidate, sc.stable} {
		if d != nil {
			// Whose they are matters here; what was decided is for Apply.
			if err := w.r.MayWrite(d, math.MaxUint64); err != nil {
				return "", err
			}
		}
	}
	if waiting, err := w.prepareStable(ctx, t, sc); waiting != "" || err != nil {
		return waiting, err
	}
	if sc, err = w.look(ctx); err != nil || sc.stable == nil || sc.candidate == nil {
		return "Deployments have just changed", err
	}
	if waiting, err := w.prepareServices(ctx, t, sc); waiting != "" || err != nil {
		return waiting, err
	}
	if h := w.stableHealth(sc); !h.Ready && sc.candidate.Annotations[cluster.AnnotationOwner] != w.r.UID {
		return fmt.Sprintf("Deployment %s is not available yet: %d of %d pods are", w.spec().StableName, sc.stable.Status.AvailableReplicas, replicas(sc.stable)), nil
	}
	if sc.candidate.Annotations[cluster.AnnotationOwner] != w.r.UID {
		if at, err := w.stableReachable(ctx, sc); err != nil || at.After(w.now()) {
			return fmt.Sprintf("Deployment %s is available, and proxies are given %s to know its pods", w.spec().StableName, w.lag), err
		}
	}
	return "", w.claim(ctx, t, sc.candidate)
}

// claim marks the candidate as this rollout's.
func (w *Workload) claim(ctx context.Context, t workload.Target, d *appsv1.Deployment) error {
	if d.Annotations[cluster.AnnotationOwner] == w.r.UID {
		return nil
	}
	return w.patch(ctx, t, d, "claim Deployment", func(d *appsv1.Deployment) {
		annotate(d, cluster.AnnotationOwner, w.r.UID)
		annotate(d, AnnotationWrote, "")
		annotate(d, AnnotationContested, "")
	})
}

func (w *Workload) prepareStable(ctx context.Context, t workload.Target, sc scene) (waiting string, err error) {
	switch {
	case w.pair():
		return w.preparePair(ctx, t, sc)
	case sc.stable == nil:
		return w.makeStable(ctx, t, sc)
	case w.ours(sc):
		return "", nil
	case sc.stable.Labels[LabelWorkload] != w.spec().Name || sc.stable.Labels[cluster.LabelRole] != roleStable:
		return fmt.Sprintf("Deployment %s exists and was not made by Haldane: write another stableName, or workload.pair if it is to be compared with", w.spec().StableName), nil
	}
	// Left behind by an earlier rollout, which kept it: it serves.
	good := goodOf(&sc.stable.Spec)
	if err := w.keep(ctx, good); err != nil {
		return "", err
	}
	return "", w.writeStable(ctx, t, sc, good, sizes{stable: replicas(sc.stable), all: full(sc.stable)})
}

// makeStable creates stable from the candidate's ready pods. The Deployment's
// own template may be newer than they are, and bad.
func (w *Workload) makeStable(ctx context.Context, t workload.Target, sc scene) (waiting string, err error) {
	d := sc.candidate
	all, err := w.list(ctx, d)
	if err != nil {
		return "", err
	}
	good, err := w.good(ctx)
	if err != nil {
		return "", err
	}
	set := readiest(all)
	switch {
	case good != nil:
		// It was deleted, or never came to be: what it was is written down.
	case set == nil || !isTrue(d, appsv1.DeploymentAvailable):
		return fmt.Sprintf("Deployment %s is not available yet: %d of %d pods are%s", d.Name, d.Status.AvailableReplicas, replicas(d), because(w.reason(ctx, d, nil))), nil
	default:
		spec := d.Spec.DeepCopy()
		spec.Template = *w.stableTemplate(&set.Spec.Template, sc.config)
		if err := w.copyConfigMaps(ctx, t); err != nil {
			return "", err
		}
		if err := w.keep(ctx, spec); err != nil {
			return "", err
		}
		good = goodOf(spec)
	}
	n := max(1, replicas(d))
	return fmt.Sprintf("Deployment %s has just been made", w.spec().StableName), w.writeStable(ctx, t, sc, good, sizes{stable: n, all: n})
}

// readiest is the set with most available pods, the newest of equals; nil if
// none has any.
func readiest(all []*appsv1.ReplicaSet) *appsv1.ReplicaSet {
	var best *appsv1.ReplicaSet
	for _, set := range all {
		if n := set.Status.AvailableReplicas; n > 0 && (best == nil || n >= best.Status.AvailableReplicas) {
			best = set
		}
	}
	return best
}

func isTrue(d *appsv1.Deployment, kind appsv1.DeploymentConditionType) bool {
	c := condition(d, kind)
	return c != nil && c.Status == corev1.ConditionTrue
}

func condition(d *appsv1.Deployment, kind appsv1.DeploymentConditionType) *appsv1.DeploymentCondition {
	for i := range d.Status.Conditions {
		if c := &d.Status.Conditions[i]; c.Type == kind {
			return c
		}
	}
	return nil
}

func because(s string) string {
	if s == "" {
		return ""
	}
	return ": " + s
}
