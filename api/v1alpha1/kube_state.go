package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// RolloutState is what the controller remembers of the ModelRollout of the
// same name, and the only thing that it decides by. Nobody else writes it.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=rolloutstates,shortName=mrs
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.phase`
// +kubebuilder:printcolumn:name="Saves",type=integer,JSONPath=`.version`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type RolloutState struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Rollout is the UID of the ModelRollout that this is about: one that was
	// deleted and created again begins anew.
	Rollout string `json:"rollout,omitempty"`
	// Version counts the saves.
	Version int64 `json:"version,omitempty"`
	// Phase and Sequence are copied from the state, for people.
	Phase    string `json:"phase,omitempty"`
	Sequence int64  `json:"sequence,omitempty"`
	// State of the rollout, as JSON.
	// +kubebuilder:validation:MaxLength=131072
	State string `json:"state,omitempty"`
	// Packed is the same, compressed by gzip, where State would be too long.
	// +kubebuilder:validation:MaxLength=1048576
	Packed []byte `json:"packed,omitempty"`
	// Notes are what adapters must not forget: the last good pod template,
	// routes as they were, UIDs.
	// +kubebuilder:validation:MaxProperties=64
	Notes map[string][]byte `json:"notes,omitempty"`
}

// RolloutStateList is a list of them.
//
// +kubebuilder:object:root=true
type RolloutStateList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []RolloutState `json:"items"`
}
