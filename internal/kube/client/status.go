package client

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// status is what m says, over what obj has saved. obj may be nil, and one of a
// namesake before m says nothing.
func (c *Client) status(m *v1alpha1.ModelRollout, obj *v1alpha1.RolloutState) (engine.Status, error) {
	var saved rollout.State
	if obj != nil && (obj.Rollout == "" || obj.Rollout == string(m.UID)) && obj.Version > 0 {
		var err error
		if saved, err = c.cfg.Decode(obj); err != nil {
			return engine.Status{}, fmt.Errorf("read the state of rollout %s: %w", m.Name, err)
		}
	}
	s := engine.Saved(saved)
	s.Name, s.Mode, s.Now = m.Name, "kubernetes", c.cfg.Wall()
	s.Warnings = warnings(m)
	from := &m.Status
	if from.Phase == "" { // nobody has looked at it yet
		return s, nil
	}
	s.Phase, s.Reason, s.Waiting = rollout.Phase(from.Phase), from.Reason, from.Waiting
	if s.Phase != rollout.Paused {
		s.Hold = nil
	}
	s.Attempt, s.Step = int(from.Attempt), int(from.StepIndex)
	s.Wanted.Canary, s.Wanted.Mirror = weight(from.Weight.Wanted), weight(from.Weight.Mirror)
	s.Observed = traffic.Observed{Level: traffic.Level(from.Weight.Level), Canary: weight(from.Weight.Observed)}
	if s.Observed.Level != traffic.Unknown {
		s.Observed.Mirror = s.Wanted.Mirror
	}
	for _, arm := range []struct {
		name string
		to   *rollout.Revision
		from v1alpha1.RevisionStatus
	}{{traffic.Stable.String(), &s.Stable, from.Stable}, {traffic.Canary.String(), &s.Canary, from.Canary}} {
		if arm.from.Hash == "" {
			continue
		}
		*arm.to = rollout.Revision{Version: arm.from.Version, Hash: arm.from.Hash}
		s.Workloads[arm.name] = rollout.Health{Ready: arm.from.Ready, Message: arm.from.Message, Revision: arm.from.Hash}
	}
	for _, arm := range from.Arms[min(traffic.NumArms, len(from.Arms)):] {
		s.Workloads[arm.Name] = rollout.Health{Ready: arm.Ready, Message: arm.Message}
	}
	for _, t := range []struct {
		to   *metav1.Time
		into *time.Time
	}{{from.Began, &s.Began}, {from.StepBegan, &s.StepBegan}, {from.Deadline, &s.Deadline}} {
		if *t.into = (time.Time{}); t.to != nil {
			*t.into = t.to.Time
		}
	}
	s.Verdict = verdict(s.Verdict, from)
	return s, nil
}

// verdict is the saved one, brought up to date by a status.
func verdict(saved analysis.Verdict, from *v1alpha1.ModelRolloutStatus) analysis.Verdict {
	out := saved
	out.Decision, out.Metrics = analysis.Decision(from.Verdict), nil
	for _, e := range from.Evidence {
		m := analysis.MetricVerdict{Name: e.Name, RollbackThreshold: 1, PromotionThreshold: 1}
		if i := slices.IndexFunc(saved.Metrics, func(x analysis.MetricVerdict) bool { return x.Name == e.Name }); i >= 0 {
			m = saved.Metrics[i]
		}
		m.Decision, m.Reason = analysis.Decision(e.Decision), e.Reason
		m.LogRollback, m.LogPromotion = number(e.Rollback)*m.RollbackThreshold, number(e.Promotion)*m.PromotionThreshold
		out.Metrics = append(out.Metrics, m)
	}
	return out
}

// warnings are those of the status and the conditions that a person should
// know of.
func warnings(m *v1alpha1.ModelRollout) []string {
	var out []string
	for _, x := range m.Status.Conditions {
		bad := metav1.ConditionTrue
		switch x.Type {
		case v1alpha1.ConditionProgressing, v1alpha1.ConditionPaused, v1alpha1.ConditionPromoted,
			v1alpha1.ConditionCompleted, v1alpha1.ConditionRolledBack:
			continue
		case v1alpha1.ConditionReady, v1alpha1.ConditionSourceAvailable:
			bad = metav1.ConditionFalse
		}
		if x.Status == bad && x.Message != "" && x.Reason != "Preparing" && !slices.Contains(m.Status.Warnings, x.Message) {
			out = append(out, fmt.Sprintf("%s: %s", x.Reason, x.Message))
		}
	}
	return append(out, m.Status.Warnings...)
}

// weight reads "25%"; what cannot be read is 0.
func weight(s string) traffic.Weight { return traffic.Percent(number(strings.TrimSuffix(s, "%"))) }

func number(s string) float64 {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0
	}
	return v
}
