package v1alpha1

import "fmt"

// Addresses are those that the readings ask, by the field below analysis that
// holds them.
func (a *Analysis) Addresses() map[string]string {
	out := map[string]string{}
	note := func(path string, r *Reading) {
		if field, address := r.address(); address != "" {
			out[path+"."+field] = address
		}
	}
	for i := range a.Guardrails {
		note(fmt.Sprintf("guardrails[%d]", i), &a.Guardrails[i].Reading)
	}
	for i := range a.Anomalies {
		note(fmt.Sprintf("anomalies[%d]", i), &a.Anomalies[i].Reading)
	}
	for i := range a.Metrics {
		if g := a.Metrics[i].Gauge; g != nil {
			note(fmt.Sprintf("metrics[%d].gauge", i), &g.Reading)
		}
	}
	return out
}

// address is what a reading asks and the field that says so; "" for the
// Prometheus that the counts come from.
func (r *Reading) address() (field, address string) {
	switch f := r.From; {
	case f == nil:
	case f.Prometheus != nil:
		return "from.prometheus.address", f.Prometheus.Address
	case f.JSON != nil:
		return "from.json.url", f.JSON.URL
	case f.Datadog != nil:
		if f.Datadog.Address == "" {
			return "from.datadog", DatadogAddress
		}
		return "from.datadog.address", f.Datadog.Address
	case f.InfluxDB != nil:
		return "from.influxDB.address", f.InfluxDB.Address
	case f.CloudWatch != nil:
		if f.CloudWatch.Address == "" {
			return "from.cloudWatch.region", "https://monitoring." + f.CloudWatch.Region + ".amazonaws.com"
		}
		return "from.cloudWatch.address", f.CloudWatch.Address
	}
	return "", ""
}

// Reading is one number that somebody else measures: exactly one of query and
// from.
type Reading struct {
	// Query is asked of the Prometheus that the counts come from. It yields one
	// number.
	Query Query `json:"query,omitempty"`
	// From asks somebody else.
	From *Provider `json:"from,omitempty"`
}

// Query is a question that may hold the placeholders {{name}} and {{namespace}}
// of the rollout, and {{arm}}, {{version}}, {{revision}} and {{pods}} of an arm.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=2048
// +kubebuilder:validation:Pattern=`^([^{]|\{[^{]|\{\{ *(name|namespace|arm|version|revision|pods) *\}\})*\{?$`
type Query string

// FluxQuery is a Query that may also hold {{start}}, {{stop}} and {{step}}.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=4096
// +kubebuilder:validation:Pattern=`^([^{]|\{[^{]|\{\{ *(name|namespace|arm|version|revision|pods|start|stop|step) *\}\})*\{?$`
type FluxQuery string

// Provider is exactly one system that measures.
//
// +kubebuilder:validation:XValidation:rule="[has(self.prometheus), has(self.json), has(self.datadog), has(self.cloudWatch), has(self.influxDB)].exists_one(x, x)",message="needs exactly one of prometheus, json, datadog, cloudWatch, influxDB"
type Provider struct {
	// Prometheus by a query.
	Prometheus *PrometheusQuery `json:"prometheus,omitempty"`
	// JSON over HTTP by a JSONPath.
	JSON *JSONQuery `json:"json,omitempty"`
	// Datadog by a metrics query.
	Datadog *DatadogQuery `json:"datadog,omitempty"`
	// CloudWatch by a metric or an expression.
	CloudWatch *CloudWatchQuery `json:"cloudWatch,omitempty"`
	// InfluxDB by a query in Flux.
	InfluxDB *InfluxQuery `json:"influxDB,omitempty"`
}

// PrometheusQuery is a query of a Prometheus of its own.
type PrometheusQuery struct {
	// Address is its URL. The operator may limit which are allowed.
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^https?://[^\s/?#@]+(/[^\s?#]*)?$`
	Address string `json:"address"`
	// Query yields one number.
	Query Query `json:"query"`
	// TokenFrom is where a bearer token is.
	TokenFrom *SecretFrom `json:"tokenFrom,omitempty"`
}

// JSONQuery is a number in the document that a GET returns.
type JSONQuery struct {
	// URL of the document. It may hold placeholders. The operator may limit which
	// are allowed.
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^https?://([^\s/?#@{]|\{\{ *(name|namespace|arm|version|revision|pods) *\}\})+([/?]([^\s#{]|\{\{ *(name|namespace|arm|version|revision|pods) *\}\})*)?$`
	URL string `json:"url"`
	// Path is a JSONPath (RFC 9535) that finds one number: $.queue.length
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`^\$`
	Path string `json:"path"`
	// Headers are sent along.
	// +kubebuilder:validation:MaxProperties=16
	Headers map[string]Text `json:"headers,omitempty"`
	// TokenFrom is where a bearer token is.
	TokenFrom *SecretFrom `json:"tokenFrom,omitempty"`
}

// DatadogQuery is a query of metrics.
type DatadogQuery struct {
	// Address of the API; https://api.datadoghq.com unless said otherwise.
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^https?://[^\s/?#@]+(/[^\s?#]*)?$`
	Address string `json:"address,omitempty"`
	// Query yields one series.
	Query Query `json:"query"`
	// APIKeyFrom is where the API key is.
	APIKeyFrom SecretFrom `json:"apiKeyFrom"`
	// AppKeyFrom is where the application key is.
	AppKeyFrom SecretFrom `json:"appKeyFrom"`
	// Window is how old the newest number may be; 5m unless said otherwise.
	// +kubebuilder:validation:XValidation:rule="self.matches('[1-9]')",message="is no time: write one above 0"
	Window *Duration `json:"window,omitempty"`
}

// CloudWatchQuery is either a metric or an expression.
//
// +kubebuilder:validation:XValidation:rule="has(self.expression) ? !has(self.namespace) && !has(self.metric) && !has(self.dimensions) && !has(self.statistic) : has(self.namespace) && has(self.metric)",message="needs either namespace and metric, with dimensions and statistic, or expression alone"
// +kubebuilder:validation:XValidation:rule="has(self.accessKeyFrom) && has(self.secretKeyFrom)",message="needs accessKeyFrom and secretKeyFrom: on a cluster nobody is asked as the controller"
type CloudWatchQuery struct {
	// Region of AWS.
	// +kubebuilder:validation:Pattern=`^[a-z0-9]+(-[a-z0-9]+)+$`
	// +kubebuilder:validation:MaxLength=63
	Region string `json:"region"`
	// Address, where it is not that of the region.
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^https?://[^\s/?#@]+(/[^\s?#]*)?$`
	Address string `json:"address,omitempty"`
	// Namespace of the metric: AWS/SQS
	// +kubebuilder:validation:MaxLength=255
	Namespace string `json:"namespace,omitempty"`
	// Metric is its name.
	// +kubebuilder:validation:MaxLength=255
	Metric string `json:"metric,omitempty"`
	// Dimensions of the metric, whose values may hold placeholders.
	// +kubebuilder:validation:MaxProperties=10
	Dimensions map[string]DimensionValue `json:"dimensions,omitempty"`
	// Statistic is Average (default), Sum, Minimum, Maximum, p99, …
	// +kubebuilder:validation:MaxLength=63
	Statistic string `json:"statistic,omitempty"`
	// Expression of metric math or Metrics Insights that yields one series.
	Expression Query `json:"expression,omitempty"`
	// Period that CloudWatch aggregates over; 1m unless said otherwise.
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('24h') && duration(self).getMilliseconds() % 1000 == 0",message="write whole seconds between 1s and 24h"
	Period *Duration `json:"period,omitempty"`
	// Window is how old the newest number may be; 5m unless said otherwise.
	// +kubebuilder:validation:XValidation:rule="self.matches('[1-9]')",message="is no time: write one above 0"
	Window *Duration `json:"window,omitempty"`
	// AccessKeyFrom is where the access key ID is. On one machine both may be left
	// out: AWS's own places are then looked at.
	AccessKeyFrom *SecretFrom `json:"accessKeyFrom,omitempty"`
	// SecretKeyFrom is where the secret access key is.
	SecretKeyFrom *SecretFrom `json:"secretKeyFrom,omitempty"`
	// SessionTokenFrom is where the token of temporary keys is.
	SessionTokenFrom *SecretFrom `json:"sessionTokenFrom,omitempty"`
}

// DimensionValue is a short Query.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=255
// +kubebuilder:validation:Pattern=`^([^{]|\{[^{]|\{\{ *(name|namespace|arm|version|revision|pods) *\}\})*\{?$`
type DimensionValue string

// InfluxQuery is a query in Flux.
type InfluxQuery struct {
	// Address of the server.
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^https?://[^\s/?#@]+(/[^\s?#]*)?$`
	Address string `json:"address"`
	// Org is the organization.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Org string `json:"org"`
	// Query yields one table, of which the last row counts.
	Query FluxQuery `json:"query"`
	// TokenFrom is where the token is.
	TokenFrom *SecretFrom `json:"tokenFrom,omitempty"`
	// Window is how far {{start}} lies before {{stop}}; 5m unless said otherwise.
	// +kubebuilder:validation:XValidation:rule="self.matches('[1-9]')",message="is no time: write one above 0"
	Window *Duration `json:"window,omitempty"`
}
