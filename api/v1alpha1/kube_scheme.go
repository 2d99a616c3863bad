// +kubebuilder:object:generate=true
// +groupName=haldane.dev
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion of every type of this package.
var GroupVersion = schema.GroupVersion{Group: "haldane.dev", Version: "v1alpha1"}

// AddToScheme makes the types known to a client.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion,
		&ModelRollout{}, &ModelRolloutList{},
		&RolloutState{}, &RolloutStateList{},
		&RolloutCommand{}, &RolloutCommandList{},
		&GatewayTable{}, &GatewayTableList{})
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
}
