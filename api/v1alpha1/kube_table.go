package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// GatewayTable is what every replica of a rollout's gateway goes by. The
// controller alone writes it; gateways read the one of their rollout.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=gatewaytables,shortName=mgt
// +kubebuilder:printcolumn:name="Rollout",type=string,JSONPath=`.metadata.labels.haldane\.dev/rollout`
// +kubebuilder:printcolumn:name="Split",type=integer,JSONPath=`.spec.generation`
// +kubebuilder:printcolumn:name="Canary",type=string,JSONPath=`.spec.canary`
// +kubebuilder:printcolumn:name="Mirror",type=string,JSONPath=`.spec.mirror`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type GatewayTable struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec GatewayTableSpec `json:"spec"`
}

// GatewayTableSpec is the table. All but Table is copied from it, for people.
type GatewayTableSpec struct {
	// Generation of the split.
	Generation int64 `json:"generation,omitempty"`
	// Canary and Mirror are shares of traffic: 5%.
	Canary string `json:"canary,omitempty"`
	Mirror string `json:"mirror,omitempty"`
	// Table as the gateways read it, as JSON.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1048576
	Table string `json:"table"`
}

// GatewayTableList is a list of them.
//
// +kubebuilder:object:root=true
type GatewayTableList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []GatewayTable `json:"items"`
}
