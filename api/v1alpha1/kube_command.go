package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// RolloutCommand asks a rollout to act, once. It cannot be changed; its UID
// makes it exactly-once.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=rolloutcommands,shortName=mrc
// +kubebuilder:printcolumn:name="Rollout",type=string,JSONPath=`.spec.rollout`
// +kubebuilder:printcolumn:name="Verb",type=string,JSONPath=`.spec.verb`
// +kubebuilder:printcolumn:name="By",type=string,JSONPath=`.spec.requestedBy`
// +kubebuilder:printcolumn:name="Outcome",type=string,JSONPath=`.status.outcome`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.message`
type RolloutCommand struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="cannot be changed: create another command"
	Spec   RolloutCommandSpec   `json:"spec"`
	Status RolloutCommandStatus `json:"status,omitzero"`
}

// RolloutCommandSpec is the request.
//
// +kubebuilder:validation:XValidation:rule="!has(self.full) || !self.full || self.verb == 'promote'",fieldPath=".full",message="skips the gates before promotion: it goes with verb: promote alone"
type RolloutCommandSpec struct {
	// Rollout is the ModelRollout's name, in the same namespace.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Rollout string `json:"rollout"`
	// Verb is what to do.
	// +kubebuilder:validation:Enum=promote;abort;pause;resume;retry
	Verb string `json:"verb"`
	// Full skips every remaining gate; of promote.
	Full bool `json:"full,omitempty"`
	// Revision that is meant, by hash or version; any if empty.
	// +kubebuilder:validation:MaxLength=253
	Revision string `json:"revision,omitempty"`
	// Step that is meant, from 0; any if absent.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	Step *int32 `json:"step,omitempty"`
	// RequestedBy is the name of the user who creates this: the shipped
	// admission policy lets nobody write another's.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	RequestedBy string `json:"requestedBy"`
	// Reason is why, for the event log.
	// +kubebuilder:validation:MaxLength=1024
	Reason string `json:"reason,omitempty"`
}

// RolloutCommandStatus is the answer.
type RolloutCommandStatus struct {
	// Outcome is Accepted or Rejected; empty until it is answered.
	// +kubebuilder:validation:Enum=Accepted;Rejected
	Outcome string `json:"outcome,omitempty"`
	// Message says what happens now, or why not and what to do.
	Message string `json:"message,omitempty"`
	// AnsweredAt is when.
	AnsweredAt *metav1.Time `json:"answeredAt,omitempty"`
}

// The outcomes of a RolloutCommand.
const (
	CommandAccepted = "Accepted"
	CommandRejected = "Rejected"
)

// RolloutCommandList is a list of them.
//
// +kubebuilder:object:root=true
type RolloutCommandList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []RolloutCommand `json:"items"`
}
