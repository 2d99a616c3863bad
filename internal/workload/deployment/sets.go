package deployment

import (
	"context"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// sets are the ReplicaSets of the candidate.
type sets struct {
	current *appsv1.ReplicaSet   // of its template; nil before Kubernetes has made it
	active  []*appsv1.ReplicaSet // with pods, or wanting some
	settled bool                 // the Deployment was, when they were read
}

// only returns the one set with pods, nil if there are none or several.
func (s sets) only() *appsv1.ReplicaSet {
	if len(s.active) == 1 {
		return s.active[0]
	}
	return nil
}

// settled reports whether all pods of a Deployment are as it asks for: its
// ReplicaSets then change only together with it.
func settled(d *appsv1.Deployment) bool {
	s := d.Status
	return s.ObservedGeneration >= d.Generation && s.Replicas == replicas(d) && s.AvailableReplicas == s.Replicas
}

// sets reads the ReplicaSets of a Deployment. They are not cached by the
// client, so those of a settled one are remembered.
func (w *Workload) sets(ctx context.Context, d *appsv1.Deployment) (sets, error) {
	if out, known := w.remembered(d); known {
		return out, nil
	}
	all, err := w.list(ctx, d)
	if err != nil {
		return sets{}, err
	}
	out := classify(all, d)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.setsOf, w.known = d.ResourceVersion, out
	return out, nil
}

func (w *Workload) remembered(d *appsv1.Deployment) (sets, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	// Read when it was settled already: the same version of the same object.
	return w.known, settled(d) && w.known.settled && w.setsOf == d.ResourceVersion
}

func classify(all []*appsv1.ReplicaSet, d *appsv1.Deployment) sets {
	out := sets{settled: settled(d)}
	for _, of := range all {
		set := new(*of) // what is remembered must not keep the list, with every older set
		if *set.Spec.Replicas > 0 || set.Status.Replicas > 0 {
			out.active = append(out.active, set)
		}
		if out.current == nil && sameTemplate(set, d) {
			out.current = set
		}
	}
	return out
}

// list returns the ReplicaSets of a Deployment, the oldest first.
func (w *Workload) list(ctx context.Context, d *appsv1.Deployment) ([]*appsv1.ReplicaSet, error) {
	selector, err := metav1.LabelSelectorAsSelector(d.Spec.Selector)
	if err != nil {
		return nil, fmt.Errorf("selector of Deployment %s: %w", d.Name, err)
	}
	var l appsv1.ReplicaSetList
	if err := w.r.Client.List(ctx, &l, client.InNamespace(d.Namespace), client.MatchingLabelsSelector{Selector: selector}); err != nil {
		return nil, fmt.Errorf("list ReplicaSets of Deployment %s: %w", d.Name, err)
	}
	var all []*appsv1.ReplicaSet
	for i := range l.Items {
		if set := &l.Items[i]; metav1.IsControlledBy(set, d) {
			set.ManagedFields = nil // some of the sets are remembered
			if set.Spec.Replicas == nil {
				set.Spec.Replicas = new(int32(1))
			}
			all = append(all, set)
		}
	}
	slices.SortFunc(all, func(a, b *appsv1.ReplicaSet) int {
		if c := a.CreationTimestamp.Compare(b.CreationTimestamp.Time); c != 0 {
			return c
		}
		return slices.Compare([]byte(a.Name), []byte(b.Name))
	})
	return all, nil
}

// hashOf is the pod-template-hash of a set.
func hashOf(set *appsv1.ReplicaSet) string {
	return set.Labels[appsv1.DefaultDeploymentUniqueLabelKey]
}
