package v1alpha1

import "encoding/json"

// The identity of the document.
const (
	APIVersion = "haldane.dev/v1alpha1"
	Kind       = "ModelRollout"
)

// ModelRollout says what is rolled out, how, where traffic is split, and
// whether it goes on.
type ModelRollout struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   Metadata `json:"metadata"`
	Spec       Spec     `json:"spec"`
}

// Metadata names the rollout.
type Metadata struct {
	Name        string            `json:"name"`
	Namespace   string            `json:"namespace,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// Reserved holds a field that is part of the document but not of this
// version's abilities. It is read so that it can be refused by name.
type Reserved = json.RawMessage

// Spec is the wish.
type Spec struct {
	Workload      Reserved   `json:"workload,omitempty"`
	Endpoints     *Endpoints `json:"endpoints,omitempty"`
	Strategy      Strategy   `json:"strategy"`
	Routing       Routing    `json:"routing"`
	Inference     Inference  `json:"inference,omitzero"`
	Analysis      Analysis   `json:"analysis,omitzero"`
	Hooks         Reserved   `json:"hooks,omitempty"`
	Notifications Reserved   `json:"notifications,omitempty"`
}

// Endpoints are the two arms of a local rollout.
type Endpoints struct {
	Stable Endpoint `json:"stable"` // the version in service
	Canary Endpoint `json:"canary"` // the candidate
}

// Endpoint is a model server: one that already runs (url), or a command that
// Haldane starts, watches and ends (command; then url may say where it
// listens, and otherwise it is told by $PORT and {port}).
type Endpoint struct {
	Version   string            `json:"version"` // as people call it
	URL       string            `json:"url,omitempty"`
	Command   []string          `json:"command,omitempty"` // {port} and {address} are replaced
	Env       map[string]string `json:"env,omitempty"`
	Dir       string            `json:"dir,omitempty"` // working directory, relative to the file
	Readiness *Probe            `json:"readiness,omitempty"`
	Liveness  *Probe            `json:"liveness,omitempty"`  // of commands: failing restarts it
	StopGrace *Duration         `json:"stopGrace,omitempty"` // between SIGTERM and SIGKILL; default 10s
}

// Probe asks a model server whether it is well: an HTTP path that answers
// 200–399, the gRPC health protocol, or, with neither, a TCP connection.
type Probe struct {
	Path         string    `json:"path,omitempty"`
	GRPC         bool      `json:"grpc,omitempty"`
	Interval     *Duration `json:"interval,omitempty"`     // default 2s
	Timeout      *Duration `json:"timeout,omitempty"`      // default 1s
	InitialDelay *Duration `json:"initialDelay,omitempty"` // default 0
	Failures     int       `json:"failures,omitempty"`     // in a row until unwell; default 3
	Successes    int       `json:"successes,omitempty"`    // in a row until well; default 1
}

// Strategy is exactly one of its fields.
type Strategy struct {
	Canary     *Canary  `json:"canary,omitempty"`
	BlueGreen  Reserved `json:"blueGreen,omitempty"`
	Shadow     Reserved `json:"shadow,omitempty"`
	Experiment Reserved `json:"experiment,omitempty"`
}

// Canary raises the candidate's share step by step.
type Canary struct {
	Steps          []Step    `json:"steps,omitempty"`          // default 5, 25, 50, 100
	ScaleDownDelay *Duration `json:"scaleDownDelay,omitempty"` // between the end of an arm's traffic and its own; default 30s
	ReadyWithin    *Duration `json:"readyWithin,omitempty"`    // how long the candidate may take to become ready; default 10m
}

// Step is one rung: exactly one of weight, pause, shadow.
type Step struct {
	Weight *Weight `json:"weight,omitempty"` // percent of traffic to the candidate
	Margin float64 `json:"margin,omitempty"` // promotion margins × this at this step; default 4 below 20%, 2 below 50%, else 1; the last gate is always 1
	Pause  *Pause  `json:"pause,omitempty"`
	Shadow *Mirror `json:"shadow,omitempty"`
}

// Pause holds: for a time, or, when empty, until a person promotes.
type Pause struct {
	For *Duration `json:"for,omitempty"`
}

// Mirror copies a share of stable's traffic to the candidate, whose answers
// are compared and dropped.
type Mirror struct {
	Percent Weight `json:"percent"`
}

// Routing is exactly one router, and who goes where.
type Routing struct {
	Gateway    *Gateway  `json:"gateway,omitempty"`
	GatewayAPI Reserved  `json:"gatewayAPI,omitempty"`
	Istio      Reserved  `json:"istio,omitempty"`
	Nginx      Reserved  `json:"nginx,omitempty"`
	AppMesh    Reserved  `json:"appMesh,omitempty"`
	Replicas   Reserved  `json:"replicas,omitempty"`
	Flag       Reserved  `json:"flag,omitempty"`
	StickyBy   *StickyBy `json:"stickyBy,omitempty"`
	Always     []Match   `json:"always,omitempty"` // to the candidate whatever the weight
	Never      []Match   `json:"never,omitempty"`  // to stable whatever the weight; wins over always
	Cohorts    []Cohort  `json:"cohorts,omitempty"`
	Country    *Country  `json:"country,omitempty"` // where a request's country is known from
}

// Gateway is Haldane's own data plane in this process.
type Gateway struct {
	Listen         string   `json:"listen"`                   // "127.0.0.1:8080"; ":8080" listens on every address
	FeedbackPath   string   `json:"feedbackPath,omitempty"`   // default /feedback
	TrustedProxies []string `json:"trustedProxies,omitempty"` // CIDRs whose forwarding and country headers are believed
	Limits         Limits   `json:"limits,omitzero"`
}

// Limits bound what one request and all of them may take.
type Limits struct {
	HeaderBytes     int       `json:"headerBytes,omitempty"`     // default 65536
	MirrorBodyBytes int       `json:"mirrorBodyBytes,omitempty"` // larger bodies are not mirrored; default 262144
	ReadBodyBytes   int       `json:"readBodyBytes,omitempty"`   // larger answers are not read for predictions; default 1048576
	Concurrent      int       `json:"concurrent,omitempty"`      // requests under way; default 4096
	ConnectTimeout  *Duration `json:"connectTimeout,omitempty"`  // default 2s
	ResponseTimeout *Duration `json:"responseTimeout,omitempty"` // until the first byte of the answer; default 30s
	IdleTimeout     *Duration `json:"idleTimeout,omitempty"`     // between bytes and of idle connections; default 90s
}

// StickyBy says where the key of a user is found: exactly one of its fields.
type StickyBy struct {
	Header string `json:"header,omitempty"`
	Cookie string `json:"cookie,omitempty"`
}

// Match selects requests: exactly one of its fields.
type Match struct {
	Header  *FieldMatch `json:"header,omitempty"`
	Cookie  *FieldMatch `json:"cookie,omitempty"`
	Country []string    `json:"country,omitempty"` // ISO 3166-1 alpha-2
	Cohort  string      `json:"cohort,omitempty"`
}

// FieldMatch matches a header or cookie; with a name alone its presence is enough.
type FieldMatch struct {
	Name   string `json:"name"`
	Exact  string `json:"exact,omitempty"`
	Prefix string `json:"prefix,omitempty"`
	Regex  string `json:"regex,omitempty"`
}

// Cohort is a list of sticky keys: in the file itself, or one a line in another.
type Cohort struct {
	Name string   `json:"name"`
	Keys []string `json:"keys,omitempty"`
	File string   `json:"file,omitempty"`
}

// Country says where a request's country comes from: exactly one of its fields.
type Country struct {
	Database string `json:"database,omitempty"` // a MaxMind DB file with country records
	Header   string `json:"header,omitempty"`   // set by a trusted proxy
}

// Inference tells how predictions are read where that cannot be told from the
// protocol.
type Inference struct {
	Threshold float64  `json:"threshold,omitempty"` // of a probability that means the second class; default 0.5
	Classes   []string `json:"classes,omitempty"`   // names of class 0, 1, …
	Expr      string   `json:"expr,omitempty"`      // CEL over request and response, for answers of no known protocol
}
