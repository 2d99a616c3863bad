package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// The conditions of a ModelRollout.
const (
	// ConditionReady is true while the controller can drive the rollout: the
	// file is valid, the router can do what is asked, nobody fights it.
	ConditionReady = "Ready"
	// ConditionProgressing is true while a revision is on its way.
	ConditionProgressing = "Progressing"
	// ConditionPromoted is true when the newest revision serves everybody.
	ConditionPromoted = "Promoted"
	// ConditionCompleted is true when the newest revision was compared as
	// planned and has ended, without a promotion.
	ConditionCompleted = "Completed"
	// ConditionRolledBack is true when the newest revision was taken back.
	ConditionRolledBack = "RolledBack"
	// ConditionPaused is true while the rollout waits for a person.
	ConditionPaused = "Paused"
	// ConditionReplicasContested is true when another owner rewrites the
	// number of replicas.
	ConditionReplicasContested = "ReplicasContested"
	// ConditionDirectTraffic is true when requests reach pods past the split.
	ConditionDirectTraffic = "DirectTrafficUncontrolled"
	// ConditionRouteContested is true when another owner rewrites the route.
	ConditionRouteContested = "RouteContested"
	// ConditionSourceAvailable is false while the metrics cannot be had.
	ConditionSourceAvailable = "SourceAvailable"
)

// ModelRolloutStatus is what the controller knows, for people and programs to read. It
// can be rebuilt at any time; nothing is decided by it.
type ModelRolloutStatus struct {
	// ObservedGeneration is the generation of the spec that this is about.
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// Phase is Idle, Initializing, Progressing, Paused, Promoting, Promoted,
	// Completing, Completed, RollingBack or RolledBack.
	Phase string `json:"phase,omitempty"`
	// Reason says why it is in this phase.
	Reason string `json:"reason,omitempty"`
	// Waiting says what it waits for.
	Waiting string `json:"waiting,omitempty"`
	// Stable is the revision in service.
	Stable RevisionStatus `json:"stable,omitzero"`
	// Canary is the candidate.
	Canary RevisionStatus `json:"canary,omitzero"`
	// Attempt at this revision, from 1.
	Attempt int32 `json:"attempt,omitempty"`
	// Step of the strategy, from 1, and how many there are: "2/5".
	Step string `json:"step,omitempty"`
	// StepIndex counts from 0: commands name it.
	StepIndex int32 `json:"stepIndex,omitempty"`
	// Weight of the candidate.
	Weight WeightStatus `json:"weight,omitzero"`
	// Verdict of the comparison: Pass, Fail, Inconclusive or Invalid.
	Verdict string `json:"verdict,omitempty"`
	// Evidence of each metric, in the order of the spec.
	// +listType=atomic
	Evidence []MetricStatus `json:"evidence,omitempty"`
	// Arms of an experiment.
	// +listType=map
	// +listMapKey=name
	Arms []ArmStatus `json:"arms,omitempty"`
	// Warnings are standing conditions a person should know.
	// +listType=atomic
	Warnings []string `json:"warnings,omitempty"`
	// Began is when this attempt began.
	Began *metav1.Time `json:"began,omitempty"`
	// StepBegan is when the step's traffic flowed.
	StepBegan *metav1.Time `json:"stepBegan,omitempty"`
	// Deadline is when the comparison ends undecided.
	Deadline *metav1.Time `json:"deadline,omitempty"`
}

// RevisionStatus is one version of the model.
type RevisionStatus struct {
	// Version as people call it.
	Version string `json:"version,omitempty"`
	// Hash of everything that makes it what it is.
	Hash string `json:"hash,omitempty"`
	// Ready pods of it.
	Ready bool `json:"ready,omitempty"`
	// Message says what is wrong with it.
	Message string `json:"message,omitempty"`
}

// ArmStatus is one arm of an experiment.
type ArmStatus struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	// Share of random traffic that it is to have: "30%".
	Share string `json:"share,omitempty"`
	// Ready pods of it.
	Ready bool `json:"ready,omitempty"`
	// Message says what is wrong with it.
	Message string `json:"message,omitempty"`
	// Closed says why it has no more traffic.
	Closed string `json:"closed,omitempty"`
}

// WeightStatus is the candidate's share, wanted and reported.
type WeightStatus struct {
	// Wanted share: "25%".
	Wanted string `json:"wanted,omitempty"`
	// Observed share, as the router reports it.
	Observed string `json:"observed,omitempty"`
	// Mirror is the share of stable's traffic that is copied.
	Mirror string `json:"mirror,omitempty"`
	// Level is how much is known of it: Unknown, Written, Accepted or Flowing.
	Level string `json:"level,omitempty"`
}

// MetricStatus is the evidence of one metric, in decimal digits: the log of
// the odds against each hypothesis, and the bound it must reach.
type MetricStatus struct {
	Name     string `json:"name"`
	Decision string `json:"decision,omitempty"`
	// Rollback is the evidence against the candidate, of 1 that suffices.
	Rollback string `json:"rollback,omitempty"`
	// Promotion is the evidence for the candidate, of 1 that suffices.
	Promotion string `json:"promotion,omitempty"`
	Reason    string `json:"reason,omitempty"`
}
