package kube

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// seen is everything that a status is made of.
type seen struct {
	generation int64
	state      rollout.State
	status     *engine.Status // nil before the engine has begun
	turned     turned
	refused    error // why the spec is not carried out
	trouble    error // what went wrong in this turn
	// former are the types of conditions that adapters before these reported.
	former map[string]bool
}

// project writes what was seen into a status. It keeps the times of conditions
// that have not changed.
func project(out *v1alpha1.ModelRolloutStatus, s seen) {
	out.ObservedGeneration = s.generation
	out.Warnings = nil
	if s.trouble != nil {
		out.Warnings = append(out.Warnings, clipped(s.trouble.Error(), 512))
	}
	if s.status == nil {
		out.Phase, out.Waiting = string(rollout.Initializing), s.turned.waiting
		if s.refused != nil {
			out.Phase, out.Waiting = string(rollout.Idle), ""
		}
		conditions(out, s, "")
		return
	}
	e, phase := s.status, shown(s.state)
	out.Phase, out.Reason, out.Waiting = string(phase), clipped(e.Reason, 1024), clipped(e.Waiting, 1024)
	out.Stable, out.Canary = revision(e.Stable, e.Workloads[traffic.Stable.String()]), revision(e.Canary, e.Workloads[traffic.Canary.String()])
	step := min(e.Step, len(e.Steps)-1)
	if phase == rollout.Promoted {
		step = len(e.Steps) - 1
	}
	out.Attempt, out.StepIndex = int32(e.Attempt), int32(max(step, 0))
	out.Step = fmt.Sprintf("%d/%d", step+1, len(e.Steps))
	if phase == rollout.Idle {
		out.Step = ""
	}
	out.Weight = v1alpha1.WeightStatus{Wanted: e.Wanted.Canary.String(), Level: string(e.Observed.Level)}
	if e.Observed.Level != traffic.Unknown {
		out.Weight.Observed = e.Observed.Canary.String()
	}
	if e.Wanted.Mirror > 0 {
		out.Weight.Mirror = e.Wanted.Mirror.String()
	}
	out.Verdict, out.Evidence = string(e.Verdict.Decision), evidence(e.Verdict)
	out.Arms = arms(e)
	out.Warnings = append(out.Warnings, e.Warnings...)
	out.Began, out.StepBegan, out.Deadline = when(e.Began), when(e.StepBegan), when(e.Deadline)
	conditions(out, s, phase)
}

// shown is the phase as people ask for it. A promoted revision hands its
// traffic over to stable's Deployment in the core's Idle, and stays Promoted
// until there is another candidate.
func shown(s rollout.State) rollout.Phase {
	if s.Phase != rollout.Idle {
		return s.Phase
	}
	if s.Plan.Canary.Hash == s.Plan.Stable.Hash && s.Retired[s.Plan.Stable.Hash].Phase == rollout.Promoted {
		return rollout.Promoted
	}
	return rollout.Idle
}

func revision(r rollout.Revision, h rollout.Health) v1alpha1.RevisionStatus {
	return v1alpha1.RevisionStatus{Version: r.Version, Hash: r.Hash, Ready: h.Ready && h.Revision == r.Hash, Message: clipped(h.Message, 512)}
}

// arms are those of an experiment.
func arms(e *engine.Status) []v1alpha1.ArmStatus {
	if e.Experiment == nil {
		return nil
	}
	var out []v1alpha1.ArmStatus
	for i, a := range e.Experiment.Arms {
		h := e.Workloads[a.Name]
		out = append(out, v1alpha1.ArmStatus{
			Name: a.Name, Version: a.Version, Share: e.Wanted.Share(traffic.Arm(i)).String(),
			Ready: h.Ready, Message: clipped(h.Message, 512), Closed: clipped(a.Closed, 512),
		})
	}
	return out
}

// evidence is each metric's in parts of what suffices.
func evidence(v analysis.Verdict) []v1alpha1.MetricStatus {
	var out []v1alpha1.MetricStatus
	for _, m := range v.Metrics {
		out = append(out, v1alpha1.MetricStatus{
			Name: m.Name, Decision: string(m.Decision), Reason: clipped(m.Reason, 512),
			Rollback: part(m.LogRollback, m.RollbackThreshold), Promotion: part(m.LogPromotion, m.PromotionThreshold),
		})
	}
	return out
}

func part(log, threshold float64) string {
	if threshold <= 0 || math.IsNaN(log/threshold) {
		return ""
	}
	return strconv.FormatFloat(log/threshold, 'f', 2, 64)
}

func when(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	return &metav1.Time{Time: t.Truncate(time.Second)}
}

// conditions are those that people and scripts wait for, and the adapters'.
func conditions(out *v1alpha1.ModelRolloutStatus, s seen, phase rollout.Phase) {
	set := func(kind string, is bool, reason, message string) {
		status := metav1.ConditionFalse
		if is {
			status = metav1.ConditionTrue
		}
		meta.SetStatusCondition(&out.Conditions, metav1.Condition{
			Type: kind, Status: status, Reason: reason, Message: clipped(message, 4096), ObservedGeneration: s.generation,
		})
	}
	switch {
	case s.refused != nil:
		set(v1alpha1.ConditionReady, false, "Refused", s.refused.Error())
	case s.trouble != nil:
		set(v1alpha1.ConditionReady, false, "Trouble", s.trouble.Error())
	case s.status == nil:
		set(v1alpha1.ConditionReady, false, "Preparing", s.turned.waiting)
	default:
		set(v1alpha1.ConditionReady, true, "Driven", "")
	}
	reason := string(phase)
	if phase == "" {
		reason = "Preparing"
	}
	on := phase != "" && phase != rollout.Idle && !phase.Terminal()
	set(v1alpha1.ConditionProgressing, on, reason, out.Waiting)
	set(v1alpha1.ConditionPaused, phase == rollout.Paused, reason, out.Waiting)
	set(v1alpha1.ConditionPromoted, phase == rollout.Promoted, reason, out.Reason)
	set(v1alpha1.ConditionCompleted, phase == rollout.Completed, reason, out.Reason)
	set(v1alpha1.ConditionRolledBack, phase == rollout.RolledBack, reason, out.Reason)
	for kind := range s.former { // nobody would ever say that they are over
		if !slices.ContainsFunc(s.turned.conditions, func(x cluster.Condition) bool { return x.Type == kind }) {
			meta.RemoveStatusCondition(&out.Conditions, kind)
		}
	}
	for _, x := range s.turned.conditions {
		set(x.Type, x.True, reasonOf(x), x.Message)
	}
}

func reasonOf(x cluster.Condition) string {
	if x.Reason != "" {
		return x.Reason
	}
	return x.Type
}
