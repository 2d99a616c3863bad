package deployment

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// noteVariants is which pod templates the further arms of an experiment ran when
// its candidate was started.
const noteVariants = "haldane.dev/variants"

// compared is that note.
type compared struct {
	Candidate string            `json:"candidate"` // revision
	Templates map[string]string `json:"templates"` // hash by name of the arm
}

// variants are the arms of an experiment beside stable and the candidate, in their
// order.
func (w *Workload) variants() []string {
	x := w.r.Spec.Strategy.Experiment
	if x == nil || len(w.spec().Variants) == 0 {
		return nil
	}
	var out []string
	for _, a := range x.Arms[min(traffic.NumArms, len(x.Arms)):] {
		out = append(out, a.Name)
	}
	return out
}

// noteTemplates remembers what the further arms run while a candidate is compared
// with them, of one that comes late from then on: counts of two versions are
// evidence of neither. With the candidate gone it forgets.
func (w *Workload) noteTemplates(ctx context.Context, sc scene, s rollout.Scale) error {
	names := w.variants()
	if len(names) == 0 {
		return nil
	}
	if !s.Canary {
		return w.r.Notes.Put(ctx, noteVariants, nil)
	}
	was, err := w.templates(ctx)
	if err != nil {
		return err
	}
	now := compared{Candidate: s.Revision, Templates: map[string]string{}}
	if was.Candidate == s.Revision {
		maps.Copy(now.Templates, was.Templates)
	}
	for _, name := range names {
		if now.Templates[name] != "" {
			continue
		}
		d, err := w.deployment(ctx, w.spec().Variants[name].Name)
		if err != nil {
			return err
		}
		if d != nil {
			now.Templates[name] = w.hash(&d.Spec.Template, sc, "")
		}
	}
	text, err := json.Marshal(now)
	if err != nil {
		return fmt.Errorf("write what the arms run: %w", err)
	}
	return w.r.Notes.Put(ctx, noteVariants, text)
}

func (w *Workload) templates(ctx context.Context) (compared, error) {
	var c compared
	text, err := w.r.Notes.Get(ctx, noteVariants)
	if err != nil || len(text) == 0 {
		return c, err
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return c, fmt.Errorf("read what the arms ran when the experiment began: %w", err)
	}
	return c, nil
}

// observeVariants adds the health of the further arms, by what their Deployments
// and Services say.
func (w *Workload) observeVariants(ctx context.Context, sc scene, out map[rollout.Role]rollout.Health) error {
	names := w.variants()
	if len(names) == 0 {
		return nil
	}
	was, err := w.templates(ctx)
	if err != nil {
		return err
	}
	for i, name := range names {
		h, err := w.variantHealth(ctx, sc, name, was.Templates[name])
		if err != nil {
			return err
		}
		out[rollout.Role(traffic.NumArms+i)] = h
	}
	return nil
}

// variantHealth is ready when pods of the template that it began with are available
// and its Service selects them.
func (w *Workload) variantHealth(ctx context.Context, sc scene, name, began string) (rollout.Health, error) {
	v := w.spec().Variants[name]
	d, err := w.deployment(ctx, v.Name)
	switch {
	case err != nil:
		return rollout.Health{}, err
	case d == nil && began != "":
		return rollout.Health{Failed: true, Message: fmt.Sprintf("Deployment %s is gone", v.Name)}, nil
	case d == nil:
		return rollout.Health{Message: fmt.Sprintf("Deployment %s does not exist", v.Name)}, nil
	}
	h := rollout.Health{Revision: w.hash(&d.Spec.Template, sc, "")}
	if began != "" && h.Revision != began {
		h.Failed, h.Message = true, fmt.Sprintf("Deployment %s was edited while it was compared: what it counted is of two versions", v.Name)
		return h, nil
	}
	s, err := w.readService(ctx, v.Service)
	if err != nil {
		return h, err
	}
	others, err := w.others(ctx, sc, name)
	if err != nil {
		return h, err
	}
	h.Message = unreachable(d, s, v.Service, others)
	if h.Ready = h.Message == ""; h.Ready {
		h.Reachable = w.reachable(d, s)
	}
	if late, since, why := overdue(d); late && !h.Ready {
		h.Failed, h.Since = true, since
		if why != "" {
			h.Message = why
		}
	}
	return h, nil
}

// others are the Deployments of the other arms.
func (w *Workload) others(ctx context.Context, sc scene, name string) ([]*appsv1.Deployment, error) {
	out := []*appsv1.Deployment{sc.stable, sc.candidate}
	for _, other := range w.variants() {
		if other == name {
			continue
		}
		d, err := w.deployment(ctx, w.spec().Variants[other].Name)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// unreachable says why the pods of a Deployment cannot be reached, and none of the
// others, by a Service, "" if they can.
func unreachable(d *appsv1.Deployment, s *corev1.Service, name string, others []*appsv1.Deployment) string {
	if s != nil {
		for _, other := range others {
			if other != nil && selects(s, other.Spec.Template.Labels) {
				return fmt.Sprintf("Service %s selects the pods of %s, too", name, other.Name)
			}
		}
	}
	switch n := replicas(d); {
	case s == nil:
		return fmt.Sprintf("Service %s does not exist", name)
	case !selects(s, d.Spec.Template.Labels):
		return fmt.Sprintf("Service %s does not select the pods of %s", name, d.Name)
	case n == 0:
		return fmt.Sprintf("Deployment %s has no replicas: nobody else scales it", d.Name)
	case !serving(d, n):
		return fmt.Sprintf("%d of %d pods of %s are available", d.Status.AvailableReplicas, n, d.Name)
	}
	return ""
}
