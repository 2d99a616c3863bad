package v1alpha1

// Workload is what is rolled out on a cluster: a Deployment that the user
// edits, which is the candidate, and the copy of it that is in service.
//
// +kubebuilder:validation:XValidation:rule="!has(self.stableName) || self.stableName != self.name",fieldPath=".stableName",message="is the candidate's: stable is a Deployment of its own"
type Workload struct {
	// Kind of the workload.
	// +kubebuilder:validation:Enum=Deployment
	Kind string `json:"kind,omitempty"`
	// Name of the Deployment that the user edits, in the rollout's namespace.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=54
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name"`
	// StableName is the Deployment in service: NAME-stable unless said
	// otherwise. It is created if absent, but for a pair.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	StableName string `json:"stableName,omitempty"`
	// Service of the user's own that clients call. Its ports are those of the
	// Services NAME-stable and NAME-canary; NAME unless said otherwise.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Service string `json:"service,omitempty"`
	// Port that the models listen on, where there is no such Service; the
	// first port of the first container unless said otherwise.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`
	// Pair says that both Deployments exist and are the user's own.
	Pair *Pair `json:"pair,omitempty"`
	// Order says what comes first: Surge (default) starts the candidate beside
	// all of stable; Swap takes a stable pod away for each candidate pod, for
	// clusters with no accelerator to spare.
	// +kubebuilder:validation:Enum=Surge;Swap
	Order string `json:"order,omitempty"`
	// Replicas of the candidate while it is compared.
	Replicas *CanaryReplicas `json:"replicas,omitempty"`
	// Track names what, beside the pod template, makes a new revision.
	Track *Track `json:"track,omitempty"`
	// Variants are further arms of an experiment, by name: Deployments of the
	// user's own that run already and that nobody scales or edits meanwhile.
	// +kubebuilder:validation:MaxProperties=6
	// +kubebuilder:validation:XValidation:rule="self.all(n, size(n) <= 63 && n.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$') && !(n in ['stable', 'canary']))",message="a name is none of a variant: write lower-case letters, digits and dashes, and not stable or canary"
	Variants map[string]WorkloadVariant `json:"variants,omitempty"`
}

// WorkloadVariant is a further arm of an experiment: a Deployment, and the Service
// that reaches its pods and no others.
type WorkloadVariant struct {
	// Name of the Deployment, in the rollout's namespace.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name"`
	// Service that reaches it; NAME unless said otherwise.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Service string `json:"service,omitempty"`
	// Version as people call it; the arm's name unless said otherwise.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9]([-_.A-Za-z0-9]*[A-Za-z0-9])?$`
	Version string `json:"version,omitempty"`
}

// Pair is two Deployments of the user's own.
type Pair struct {
	// Promotion is Copy (stable's pod template becomes the candidate's) or
	// Traffic (all traffic stays on the candidate).
	// +kubebuilder:validation:Enum=Copy;Traffic
	Promotion string `json:"promotion"`
}

// CanaryReplicas is how many pods the candidate runs while it is compared.
// +kubebuilder:validation:XValidation:rule="(has(self.by) && self.by == 'Fixed') == has(self.count)",fieldPath=".count",message="goes with by: Fixed and with nothing else: write both or neither"
type CanaryReplicas struct {
	// By is Share (default: of stable's replicas, as much as of its traffic),
	// Fixed (count) or One.
	// +kubebuilder:validation:Enum=Share;Fixed;One
	By string `json:"by,omitempty"`
	// Count of pods, for Fixed.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	Count int32 `json:"count,omitempty"`
}

// Track names ConfigMaps and Secrets whose change is a new revision. Names that
// change with their content need no tracking.
type Track struct {
	// ConfigMaps that the pods read.
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	// +listType=set
	ConfigMaps []string `json:"configMaps,omitempty"`
	// CopyConfigMaps gives stable copies of its own of them, NAME-stable, so
	// that a change reaches no pod in service before it is judged.
	CopyConfigMaps bool `json:"copyConfigMaps,omitempty"`
	// Secrets that the pods read. The controller needs to be allowed to get
	// each of them by name; it never lists or watches Secrets.
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	// +listType=set
	Secrets []string `json:"secrets,omitempty"`
}

// What deletion of a rollout leaves behind.
const (
	OnDeleteRestore = "Restore" // routes as they were before the first rollout
	OnDeleteKeep    = "Keep"    // routes as they are
)
