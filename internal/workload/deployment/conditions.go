package deployment

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cluster"
)

const fieldManager = cluster.FieldManager

// findConditions finds out what people should know, for Conditions.
func (w *Workload) findConditions(ctx context.Context, sc scene) error {
	if sc.candidate == nil {
		return nil
	}
	contested, err := w.contested(ctx, sc.candidate)
	if err != nil {
		return err
	}
	found := []cluster.Condition{w.replicasCondition(contested)}
	if w.swaps(2) && !contested.now {
		ofStable, err := w.autoscalers(ctx, w.spec().StableName)
		if err != nil {
			return err
		}
		if len(ofStable) > 0 {
			found[0] = cluster.Condition{Type: v1alpha1.ConditionReplicasContested, True: true, Reason: "AutoscalerWithSwap", Blocks: true,
				Message: fmt.Sprintf("%s %s sets the replicas of %s, which order: Swap changes: write order: Surge, or remove it",
					ofStable[0].kind, ofStable[0].name, w.spec().StableName)}
		}
	}
	direct, err := w.directCondition(ctx, sc)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conditions = append(found, direct)
	return nil
}

// replicasCondition is ReplicasContested: two that set one number fight, and
// pods come and go for nothing.
func (w *Workload) replicasCondition(c contest) cluster.Condition {
	out := cluster.Condition{Type: v1alpha1.ConditionReplicasContested, Reason: "Uncontested"}
	name := w.spec().Name
	switch {
	case c.autoscaler != nil:
		out.True, out.Blocks, out.Reason = true, true, "Autoscaler"
		out.Message = fmt.Sprintf("%s %s sets the replicas of %s, the candidate. Let it scale what serves: %s", c.autoscaler.kind, c.autoscaler.name, name, c.autoscaler.patch)
	case c.rewrites >= contestedAfter:
		out.True, out.Blocks, out.Reason = true, true, "Rewritten"
		by := "somebody"
		if c.by != "" {
			by = c.by
		}
		out.Message = fmt.Sprintf("%s has rewritten spec.replicas of Deployment %s %d times: it is Haldane's. Leave spec.replicas out of its manifest, or let the GitOps tool ignore it, and scale %s instead",
			by, name, c.rewrites, w.spec().StableName)
	}
	return out
}

// directCondition is DirectTrafficUncontrolled: a Service of the user's own
// that selects the candidate's pods sends traffic there by their number.
func (w *Workload) directCondition(ctx context.Context, sc scene) (cluster.Condition, error) {
	out := cluster.Condition{Type: v1alpha1.ConditionDirectTraffic, Reason: "Controlled"}
	if w.byRatio() {
		return out, nil // that is how it is split
	}
	s, err := w.readService(ctx, w.spec().Service)
	if err != nil || s == nil || !selects(s, sc.candidate.Spec.Template.Labels) {
		return out, err
	}
	pin := fmt.Sprintf(`{"%s":"%s","%s":"%s"}`, LabelWorkload, w.spec().Name, cluster.LabelRole, roleStable)
	if w.pair() && sc.stable != nil {
		pin = labels.FormatLabels(sc.stable.Spec.Selector.MatchLabels)
		out.Message = fmt.Sprintf("Service %s reaches the candidate's pods past the split, by their number. Let it select stable's: %s", s.Name, pin)
	} else {
		out.Message = fmt.Sprintf("Service %s reaches the candidate's pods past the split, by their number. Once %s serves, pin it: kubectl -n %s patch service %s --type merge -p '{\"spec\":{\"selector\":%s}}'",
			s.Name, w.spec().StableName, w.r.Namespace, s.Name, pin)
	}
	out.True, out.Reason = true, "ServiceSelectsBoth"
	if allow := w.r.Spec.Routing.AllowDirect; allow != nil && !*allow {
		out.Blocks = true
	}
	return out, nil
}

// selects reports whether a Service selects pods of these labels.
func selects(s *corev1.Service, of map[string]string) bool {
	return len(s.Spec.Selector) > 0 && labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(of))
}
