package v1alpha1

// Prometheus counts from the counters and histograms of each arm's pods.
// +kubebuilder:validation:XValidation:rule="(has(self.preset) && self.preset != 'custom') || (has(self.series) && size(self.series) > 0)",fieldPath=".series",message="are missing: name a preset, or say for each metric which series hold it"
type Prometheus struct {
	// Address is its URL. The operator may limit which are allowed.
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^https?://[^\s/?#@]+(/[^\s?#]*)?$`
	Address string `json:"address"`
	// Preset names the series of whatever serves the requests.
	// +kubebuilder:validation:Enum=istio;traefik;nginx;kserve;triton;vllm;seldon;bentoml;haldane;model;custom
	Preset string `json:"preset,omitempty"`
	// Match is added to every selector: label to value.
	// +kubebuilder:validation:MaxProperties=16
	Match map[string]LabelValue `json:"match,omitempty"`
	// ArmBy says how a series is known to be of an arm; the preset's way, and
	// of custom series by pod, unless said otherwise.
	ArmBy *ArmBy `json:"armBy,omitempty"`
	// Series of a metric, by the metric's name; they win over the preset's.
	// +kubebuilder:validation:MaxProperties=32
	Series map[string]Series `json:"series,omitempty"`
	// ScrapeInterval is how often the pods are scraped; 15s unless said
	// otherwise. A block of counts holds at least two.
	ScrapeInterval *Duration `json:"scrapeInterval,omitempty"`
	// Outage says what happens when Prometheus does not answer.
	Outage *Outage `json:"outage,omitempty"`
	// TokenFrom is the key of a Secret that holds a bearer token.
	TokenFrom *SecretKey `json:"tokenFrom,omitempty"`
}

// LabelValue is the value of a label of a series.
// +kubebuilder:validation:MaxLength=253
type LabelValue string

// ArmBy is exactly one of pod and label.
// +kubebuilder:validation:XValidation:rule="has(self.pod) != has(self.label)",message="needs exactly one of pod, label"
// +kubebuilder:validation:XValidation:rule="has(self.label) || !(has(self.stable) || has(self.canary))",message="has values of a label, and no label"
type ArmBy struct {
	// Pod is the label that holds the pod's name; its pod template decides.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Pod string `json:"pod,omitempty"`
	// Label whose value differs between the arms.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Label string `json:"label,omitempty"`
	// Stable is the label's value on stable; the Service's name unless said
	// otherwise.
	// +kubebuilder:validation:MaxLength=253
	Stable string `json:"stable,omitempty"`
	// Canary is the label's value on the candidate.
	// +kubebuilder:validation:MaxLength=253
	Canary string `json:"canary,omitempty"`
}

// Series are the selectors of raw counters that one metric is counted from, by
// part, without arms and rates. An errorRate and an outcome have the parts
// total and bad, a latency buckets, a drift classes, a mean total, sum and
// squares, pairs the parts pairs and disagree.
//
// +kubebuilder:validation:MaxProperties=4
// +kubebuilder:validation:XValidation:rule="self.all(p, p in ['total', 'bad', 'buckets', 'classes', 'sum', 'squares', 'pairs', 'disagree'])",message="has a part that is none: write total, bad, buckets, classes, sum, squares, pairs or disagree"
type Series map[string]Selector

// Selector of series, as Prometheus reads it: http_requests_total{job="churn"}.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=1024
type Selector string

// Outage is what happens when a source does not answer. The rollout holds at
// once; this is about a source that stays away.
type Outage struct {
	// After this long; 10m unless said otherwise.
	After *Duration `json:"after,omitempty"`
	// Then is Hold (default) or Rollback.
	// +kubebuilder:validation:Enum=Hold;Rollback
	Then string `json:"then,omitempty"`
}

// SecretKey names one key of a Secret in the rollout's namespace.
type SecretKey struct {
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key"`
}
