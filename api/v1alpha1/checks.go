package v1alpha1

import "encoding/json"

// Check is a request that Haldane sends to the candidate itself, past the
// split, before its first traffic and over and over: exactly one of request,
// grpc and openInference.
//
// +kubebuilder:validation:XValidation:rule="[has(self.request), has(self.grpc), has(self.openInference)].exists_one(x, x)",message="needs exactly one of request, grpc, openInference"
// +kubebuilder:validation:XValidation:rule="has(self.request) || !has(self.expect)",fieldPath=".expect",message="is of an answer to request: leave it out"
// +kubebuilder:validation:XValidation:rule="has(self.request) || !has(self.golden)",fieldPath=".golden",message="is of an answer to request: leave it out"
// +kubebuilder:validation:XValidation:rule="!(has(self.effect) && self.effect == 'Warn' && has(self.when) && 'start' in self.when)",fieldPath=".when",message="a check that only warns keeps nothing from starting: write when: [running]"
type Check struct {
	// Name of its own.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name"`
	// Request over HTTP.
	Request *Request `json:"request,omitempty"`
	// GRPC asks the gRPC health protocol.
	GRPC *GRPCHealth `json:"grpc,omitempty"`
	// OpenInference asks whether the server, and a model of it, are ready.
	OpenInference *OpenInferenceReady `json:"openInference,omitempty"`
	// Expect is CEL over status, headers, body, text and latency of the answer
	// to request, and must be true; status >= 200 && status < 300 unless said
	// otherwise.
	// +kubebuilder:validation:MaxLength=4096
	Expect string `json:"expect,omitempty"`
	// Golden is the JSON that the answer to request must hold.
	Golden *Golden `json:"golden,omitempty"`
	// Every is the time between two requests; 30s unless said otherwise.
	// +kubebuilder:validation:XValidation:rule="self.matches('[1-9]')",message="is no time: write one above 0"
	Every *Duration `json:"every,omitempty"`
	// Timeout until the whole answer is there; 5s unless said otherwise.
	// +kubebuilder:validation:XValidation:rule="self.matches('[1-9]')",message="is no time: write one above 0"
	Timeout *Duration `json:"timeout,omitempty"`
	// Failures in a row that have the effect; 3 unless said otherwise.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	Failures int32 `json:"failures,omitempty"`
	// Effect is Rollback (default), Hold or Warn.
	// +kubebuilder:validation:Enum=Rollback;Hold;Warn
	Effect string `json:"effect,omitempty"`
	// When is start (must pass once before the first step), running (over and
	// over while there is traffic), or both, the default; a check that only
	// warns is of running alone.
	// +kubebuilder:validation:MaxItems=2
	// +kubebuilder:validation:items:Enum=start;running
	// +listType=set
	When []string `json:"when,omitempty"`
	// Against is both (default): stable is asked as well when the candidate has
	// failed, and where it fails too the rollout is held, since that is not the
	// candidate's fault; or canary alone.
	// +kubebuilder:validation:Enum=both;canary
	Against string `json:"against,omitempty"`
	// Port of the candidate's Service; the first that speaks the protocol
	// unless said otherwise. On a cluster only.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`
}

// Request is one over HTTP, with at most one of body, json, bodyFile and
// bodyFrom.
//
// +kubebuilder:validation:XValidation:rule="!has(self.bodyFile)",fieldPath=".bodyFile",message="is a file on one machine: on a cluster write bodyFrom, a key of a ConfigMap"
// +kubebuilder:validation:XValidation:rule="!has(self.tokenFrom) || !has(self.headers) || !self.headers.exists(k, k.lowerAscii() == 'authorization')",fieldPath=".tokenFrom",message="and the header Authorization say the same: keep one"
// +kubebuilder:validation:XValidation:rule="[has(self.body), has(self.json), has(self.bodyFrom)].filter(x, x).size() <= 1",message="has more than one of body, json, bodyFrom: keep one"
type Request struct {
	// Path, with a query if there is one; / unless said otherwise.
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^/[^\s#]*$`
	Path string `json:"path,omitempty"`
	// Method; POST with a body and GET without unless said otherwise.
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:Pattern=`^[A-Z]+$`
	Method string `json:"method,omitempty"`
	// Headers are sent along. Content-Type is application/json unless said
	// otherwise.
	// +kubebuilder:validation:MaxProperties=16
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) <= 64 && k.matches('^[A-Za-z0-9-]+$'))",message="is no name of a header"
	Headers map[string]Text `json:"headers,omitempty"`
	// TokenFrom is where a bearer token is, that is sent as Authorization.
	TokenFrom *SecretFrom `json:"tokenFrom,omitempty"`
	// Body as it is.
	// +kubebuilder:validation:MaxLength=65536
	Body string `json:"body,omitempty"`
	// JSON is a body of fields, written as YAML.
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	JSON json.RawMessage `json:"json,omitempty"`
	// BodyFile holds the body, relative to the rollout's file.
	// +kubebuilder:validation:MaxLength=4096
	BodyFile string `json:"bodyFile,omitempty"`
	// BodyFrom is a key of a ConfigMap. On a cluster only.
	BodyFrom *ConfigMapKey `json:"bodyFrom,omitempty"`
}

// ConfigMapKey is a key of a ConfigMap in the rollout's namespace.
type ConfigMapKey struct {
	// ConfigMap by name.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ConfigMap string `json:"configMap"`
	// Key in it.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key"`
}

// GRPCHealth asks the gRPC health protocol (grpc.health.v1).
type GRPCHealth struct {
	// Service that is asked for; the server as a whole unless said otherwise.
	// +kubebuilder:validation:MaxLength=253
	Service string `json:"service,omitempty"`
}

// OpenInferenceReady asks the Open Inference Protocol.
type OpenInferenceReady struct {
	// Model that must be ready as well as the server.
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[^\s/?#]+$`
	Model string `json:"model,omitempty"`
	// GRPC asks by gRPC instead of HTTP.
	GRPC bool `json:"grpc,omitempty"`
}

// Golden is the JSON that an answer must hold: exactly one of json, file and
// from. An answer may hold more fields than it; lists are as long.
//
// +kubebuilder:validation:XValidation:rule="!has(self.file)",fieldPath=".file",message="is a file on one machine: on a cluster write json, or from, a key of a ConfigMap"
// +kubebuilder:validation:XValidation:rule="has(self.json) != has(self.from)",message="needs exactly one of json, from"
type Golden struct {
	// JSON of fields, written as YAML.
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	JSON json.RawMessage `json:"json,omitempty"`
	// File holds it, relative to the rollout's file.
	// +kubebuilder:validation:MaxLength=4096
	File string `json:"file,omitempty"`
	// From is a key of a ConfigMap. On a cluster only.
	From *ConfigMapKey `json:"from,omitempty"`
	// Tolerance by which numbers may differ: |a-b| <= tolerance·max(1, |a|, |b|);
	// 0.01 unless said otherwise, 0 demands equal numbers.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1
	Tolerance *float64 `json:"tolerance,omitempty"`
}

// The stages of a check.
const (
	CheckStart   = "start"
	CheckRunning = "running"
)
