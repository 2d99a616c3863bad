package kube

import (
	"context"

	apiequality "k8s.io/apimachinery/pkg/api/equality"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// declare hands the versions of m, which is valid, to a workload whose revisions
// stand in the spec. With an edit of more than versions they wait for adapters of
// the new spec: withdrawn says that the candidate on its way is to be taken back
// for that, as it would be for its successor.
func (d *driver) declare(ctx context.Context, x cluster.Declarer, m *v1alpha1.ModelRollout) (withdrawn bool, err error) {
	if m.Spec.Routing.Flag == nil || m.Spec.Endpoints == nil {
		return false, nil // another router, which takes over when nothing is on its way
	}
	next := d.active.DeepCopy()
	next.Endpoints = m.Spec.Endpoints.DeepCopy()
	next.Routing.Flag.Values = m.Spec.Routing.Flag.Values.DeepCopy()
	edited := !apiequality.Semantic.DeepEqual(next, d.active)
	if !d.resting() && !apiequality.Semantic.DeepEqual(adapted(*next), adapted(m.Spec)) {
		return edited && climbing(d.state()), nil
	}
	if edited {
		if err := put(ctx, d.c.cfg.States.Notes(d.id), noteSpec, next); err != nil {
			return false, err
		}
		d.active = next
	}
	x.Declare(next)
	return false, nil
}

// climbing reports whether a candidate is on its way up, and the version before
// it is still the one to go back to.
func climbing(s rollout.State) bool {
	switch s.Phase {
	case rollout.Initializing, rollout.Progressing, rollout.Paused:
		return s.Serving == ""
	}
	return false
}
