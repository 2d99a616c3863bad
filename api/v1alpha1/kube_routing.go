package v1alpha1

// GatewayAPI splits by the weights of a route of the Gateway API: exactly one
// of httpRoute and grpcRoute.
// +kubebuilder:validation:XValidation:rule="has(self.httpRoute) != has(self.grpcRoute)",message="needs exactly one of httpRoute, grpcRoute"
// +kubebuilder:validation:XValidation:rule="(has(self.adopt) && self.adopt) || (has(self.gateways) && size(self.gateways) > 0)",fieldPath=".gateways",message="are missing: name the Gateway that the route is attached to, or adopt: true to take over a route that exists"
// +kubebuilder:validation:XValidation:rule="!(has(self.adopt) && self.adopt && (has(self.gateways) || has(self.hostnames) || has(self.path)))",fieldPath=".adopt",message="takes over a route as it is: leave gateways, hostnames and path out"
// +kubebuilder:validation:XValidation:rule="!(has(self.grpcRoute) && has(self.path))",fieldPath=".path",message="is of an HTTPRoute: leave it out for a GRPCRoute"
type GatewayAPI struct {
	// HTTPRoute is the name of the route.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	HTTPRoute string `json:"httpRoute,omitempty"`
	// GRPCRoute is the name of the route.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	GRPCRoute string `json:"grpcRoute,omitempty"`
	// Adopt takes over all rules of a route that exists. GitOps tools must be
	// told to ignore the whole list of rules. Otherwise the route is Haldane's.
	Adopt bool `json:"adopt,omitempty"`
	// Gateways that the route is attached to.
	// +kubebuilder:validation:MaxItems=8
	// +listType=atomic
	Gateways []GatewayRef `json:"gateways,omitempty"`
	// Hostnames of the route.
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	// +listType=atomic
	Hostnames []string `json:"hostnames,omitempty"`
	// Path is the prefix that the route serves; / unless said otherwise.
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`^/`
	Path string `json:"path,omitempty"`
}

// GatewayRef names a Gateway of the Gateway API, and a listener of it.
type GatewayRef struct {
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// Namespace of the Gateway; the rollout's unless said otherwise.
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`
	// SectionName is the listener; all unless said otherwise.
	// +kubebuilder:validation:MaxLength=253
	SectionName string `json:"sectionName,omitempty"`
}

// Istio splits by the http routes of a VirtualService.
// +kubebuilder:validation:XValidation:rule="(has(self.adopt) && self.adopt) || (has(self.hosts) && size(self.hosts) > 0)",fieldPath=".hosts",message="are missing: name the hosts that clients call, or adopt: true to take over a VirtualService that exists"
// +kubebuilder:validation:XValidation:rule="!(has(self.adopt) && self.adopt && (has(self.hosts) || has(self.gateways)))",fieldPath=".adopt",message="takes over a VirtualService as it is: leave hosts and gateways out"
type Istio struct {
	// VirtualService is its name.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	VirtualService string `json:"virtualService"`
	// DestinationRule is the name of one with subsets stable and canary, for
	// pairs behind one Service. Without it two Services are the destinations.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	DestinationRule string `json:"destinationRule,omitempty"`
	// Adopt takes over all http routes of a VirtualService that exists.
	Adopt bool `json:"adopt,omitempty"`
	// Hosts that clients call.
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	// +listType=atomic
	Hosts []string `json:"hosts,omitempty"`
	// Gateways of the VirtualService; mesh unless said otherwise.
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	// +listType=atomic
	Gateways []string `json:"gateways,omitempty"`
}

// Nginx splits by the canary annotations of a second Ingress beside the user's.
type Nginx struct {
	// Ingress is the user's own.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=246
	Ingress string `json:"ingress"`
}

// AppMesh splits by the weighted targets of a route of a VirtualRouter. The
// service has ended; it is off unless the operator turns it on.
type AppMesh struct {
	// VirtualRouter is its name.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	VirtualRouter string `json:"virtualRouter"`
	// Route of it whose targets are the virtual nodes below.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Route string `json:"route"`
	// StableNode is the virtual node of stable; NAME-stable unless said otherwise.
	// +kubebuilder:validation:MaxLength=253
	StableNode string `json:"stableNode,omitempty"`
	// CanaryNode is the virtual node of the candidate; NAME-canary unless said
	// otherwise.
	// +kubebuilder:validation:MaxLength=253
	CanaryNode string `json:"canaryNode,omitempty"`
}

// Replicas splits by numbers of pods behind the user's own Service. It has no
// settings.
type Replicas struct{}

// GatewayFleet is Haldane's own gateway as a Deployment on a cluster.
type GatewayFleet struct {
	// Replicas of the gateway; 2 unless said otherwise.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	Replicas int32 `json:"replicas,omitempty"`
	// Service that clients call; ROLLOUT-gateway unless said otherwise.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Service string `json:"service,omitempty"`
}
