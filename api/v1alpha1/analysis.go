package v1alpha1

// Analysis says what is compared and how sure a decision must be.
//
// +kubebuilder:validation:XValidation:rule="!has(self.metrics) || size(self.metrics) == 0 || self.metrics.exists(m, !has(m.gauge))",fieldPath=".metrics",message="compare gauges alone: add a metric that counts requests, such as {name: errors, errorRate: {}}"
// +kubebuilder:validation:XValidation:rule="!has(self.maxDuration) || duration(self.maxDuration) > duration(has(self.warmup) ? self.warmup : '90s')",fieldPath=".maxDuration",message="is no longer than the warmup: nothing could be judged"
// +kubebuilder:validation:XValidation:rule="!has(self.maxDuration) || !has(self.metrics) || self.metrics.all(m, !has(m.outcome) || duration(has(self.warmup) ? self.warmup : '90s') + duration(has(m.outcome.maturity) ? m.outcome.maturity : '30m') < duration(self.maxDuration))",fieldPath=".metrics",message="labels would come after maxDuration has ended: lengthen that, or shorten maturity"
// +kubebuilder:validation:XValidation:rule="!has(self.maxDuration) || !has(self.metrics) || self.metrics.all(m, !has(m.mean) || !has(m.mean.event) || duration(has(self.warmup) ? self.warmup : '90s') + duration(has(m.mean.maturity) ? m.mean.maturity : '30m') < duration(self.maxDuration))",fieldPath=".metrics",message="events would come after maxDuration has ended: lengthen that, or shorten maturity"
// +kubebuilder:validation:XValidation:rule="!has(self.metrics) || self.metrics.all(a, self.metrics.all(b, !(has(a.mean) && has(b.mean) && a.mean.of == b.mean.of && has(a.mean.event) == has(b.mean.event) && (!has(a.mean.event) || a.mean.event == b.mean.event) && has(a.mean.bounds) && has(b.mean.bounds)) || a.mean.bounds == b.mean.bounds))",fieldPath=".metrics",message="bounds are others than those of the same number before: give every metric of it the same"
// +kubebuilder:validation:XValidation:rule="!has(self.metrics) || self.metrics.all(a, self.metrics.all(b, !(has(a.mean) && has(b.drift) && a.mean.of == 'value' && has(a.mean.bounds) && has(b.drift.bounds)) || a.mean.bounds == b.drift.bounds))",fieldPath=".metrics",message="bounds are others than those of the same number before: give every metric of it the same"
// +kubebuilder:validation:XValidation:rule="!has(self.metrics) || self.metrics.all(a, self.metrics.all(b, !(has(a.drift) && has(b.drift) && has(a.drift.bounds) && has(b.drift.bounds)) || a.drift.bounds == b.drift.bounds))",fieldPath=".metrics",message="bounds are others than those of the same number before: give every metric of it the same"
// +kubebuilder:validation:XValidation:rule="!has(self.metrics) || self.metrics.all(a, !has(a.pairs) || self.metrics.exists_one(b, has(b.pairs) && (has(a.pairs.of) && a.pairs.of != 'value' ? a.pairs.of : 'prediction') == (has(b.pairs.of) && b.pairs.of != 'value' ? b.pairs.of : 'prediction')))",fieldPath=".metrics",message="compare pairs of the same twice: keep one metric of each (prediction compares values too)"
type Analysis struct {
	// Source is where counts come from.
	Source Source `json:"source,omitzero"`
	// FalseRollbackProbability of the whole rollout; 1% unless said otherwise.
	// +kubebuilder:validation:Format=share-to-20
	FalseRollbackProbability *Probability `json:"falseRollbackProbability,omitempty"`
	// FalsePromotionProbability per metric at its margin; 5% unless said otherwise.
	// +kubebuilder:validation:Format=share-to-50
	FalsePromotionProbability *Probability `json:"falsePromotionProbability,omitempty"`
	// Interval is the length of a block; two scrapes, or 1s of the gateway's
	// own counts, unless said otherwise.
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('100ms') && duration(self) <= duration('10m')",message="write between 100ms and 10m"
	Interval *Duration `json:"interval,omitempty"`
	// Warmup is the first canary traffic that is no evidence; 90s unless said otherwise.
	Warmup *Duration `json:"warmup,omitempty"`
	// MaxDuration of the comparison; 2h unless said otherwise.
	MaxDuration *Duration `json:"maxDuration,omitempty"`
	// OnDeadline is Hold (default) or Rollback. A deadline never promotes.
	// +kubebuilder:validation:Enum=Hold;Rollback
	OnDeadline string `json:"onDeadline,omitempty"`
	// Controls watch the comparison itself.
	Controls Controls `json:"controls,omitzero"`
	// Metrics; errors and latency unless said otherwise.
	// +kubebuilder:validation:MaxItems=32
	// +listType=map
	// +listMapKey=name
	Metrics []Metric `json:"metrics,omitempty"`
	// Guardrails limit numbers that somebody else measures.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=name
	Guardrails []Guardrail `json:"guardrails,omitempty"`
	// Anomalies watch such numbers for a change from before the rollout.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=name
	Anomalies []Anomaly `json:"anomalies,omitempty"`
	// Checks are requests that Haldane sends to the candidate by itself.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=name
	Checks []Check `json:"checks,omitempty"`
	// Load is synthetic traffic through the split.
	Load *SyntheticLoad `json:"load,omitempty"`
}

// Source is exactly one place that counts come from.
//
// +kubebuilder:validation:XValidation:rule="!has(self.gateway)",fieldPath=".gateway",message="counts in one process: on a cluster write prometheus, with preset: haldane for Haldane's gateway"
type Source struct {
	// Gateway is Haldane's own, the default in local mode.
	Gateway *GatewaySource `json:"gateway,omitempty"`
	// Prometheus scrapes the pods.
	Prometheus *Prometheus `json:"prometheus,omitempty"`
}

// GatewaySource is Haldane's own gateway. It has no settings.
type GatewaySource struct{}

// Controls watch the comparison itself.
type Controls struct {
	// SRM is the false-alarm probability of the traffic check; 0.1% unless said otherwise.
	// +kubebuilder:validation:Format=share-upto-5
	SRM *Probability `json:"srm,omitempty"`
	// Dispersion: auto (default) tempers evidence by the bursts of the
	// baseline; off trusts requests to be independent.
	// +kubebuilder:validation:Enum=auto;"off"
	Dispersion string `json:"dispersion,omitempty"`
}

// Metric is one comparison: exactly one kind.
//
// +kubebuilder:validation:XValidation:rule="[has(self.errorRate), has(self.latency), has(self.drift), has(self.mean), has(self.outcome), has(self.pairs), has(self.gauge)].exists_one(x, x)",message="needs exactly one of errorRate, latency, drift, mean, outcome, pairs, gauge"
type Metric struct {
	// Name of its own.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name"`
	// ErrorRate compares the share of failed requests.
	ErrorRate *ErrorRate `json:"errorRate,omitempty"`
	// Latency compares quantiles.
	Latency *Latency `json:"latency,omitempty"`
	// Drift compares predictions.
	Drift *Drift `json:"drift,omitempty"`
	// Mean compares a bounded number.
	Mean *Mean `json:"mean,omitempty"`
	// Outcome compares the share of right predictions.
	Outcome *Outcome `json:"outcome,omitempty"`
	// Pairs compares mirrored answers.
	Pairs *Pairs `json:"pairs,omitempty"`
	// Gauge compares a number that somebody else measures of each arm.
	Gauge *Gauge `json:"gauge,omitempty"`

	// Tolerate is the share of the margin not yet worth a rollback; 50% of
	// comparisons and 100% of absolute limits unless said otherwise; 0 is strict.
	// +kubebuilder:validation:Format=share
	Tolerate *Probability `json:"tolerate,omitempty"`
	// Weight is its share of falseRollbackProbability relative to the others.
	// +kubebuilder:validation:Minimum=0
	Weight float64 `json:"weight,omitempty"`
}

// ErrorRate compares the share of failed requests: the canary's may be at most
// maxRatio × stable's + maxIncrease. With neither: 1.25 and 0.1pp.
//
// +kubebuilder:validation:XValidation:rule="(!has(self.maxRatio) && !has(self.maxIncrease)) || (has(self.maxRatio) && self.maxRatio > 1.0) || (has(self.maxIncrease) && type(self.maxIncrease) == string && self.maxIncrease.matches('[1-9]'))",message="leaves no margin: equality cannot be shown by any amount of traffic; write maxRatio above 1 or maxIncrease above 0pp"
type ErrorRate struct {
	// MaxRatio of the canary's share to stable's.
	// +kubebuilder:validation:Minimum=1
	MaxRatio float64 `json:"maxRatio,omitempty"`
	// MaxIncrease over stable's share.
	MaxIncrease *Points `json:"maxIncrease,omitempty"`
}

// Latency compares quantiles (maxSlower: {p50: 10%, p99: 20ms}) or the share
// of requests over fixed times (maxOver: {250ms: 1pp}). With neither: p50 10%
// and p99 25%.
type Latency struct {
	// MaxSlower by quantile: 10% or 20ms.
	// +kubebuilder:validation:MaxProperties=16
	// +kubebuilder:validation:XValidation:rule="self.all(q, size(q) <= 16 && q.matches('^p([1-9][0-9]?)([.][0-9]+)?$'))",message="is no quantile: write it like p50, p99 or p99.9"
	MaxSlower map[string]Slower `json:"maxSlower,omitempty"`
	// MaxOver by time: 1pp.
	// +kubebuilder:validation:MaxProperties=16
	// +kubebuilder:validation:XValidation:rule="self.all(d, size(d) <= 32 && d.matches('^([0-9]+([.][0-9]*)?(ns|us|µs|ms|s|m|h))+$') && d.matches('[1-9]'))",message="is no time: write it like 250ms"
	// +kubebuilder:validation:XValidation:rule="self.all(d, type(self[d]) == string && self[d].matches('[1-9]'))",message="leaves no margin: write above 0pp"
	MaxOver map[string]Points `json:"maxOver,omitempty"`
}

// Drift limits how far the canary's predictions may be from stable's.
//
// +kubebuilder:validation:XValidation:rule="(has(self.of) && self.of == 'value') ? has(self.bounds) && size(self.bounds) == 2 && self.bounds[0] < self.bounds[1] : !has(self.bounds)",fieldPath=".bounds",message="must be the least and the greatest possible value, like [0, 1], with of: value, and are of nothing else"
type Drift struct {
	// Of class (default), confidence or value.
	// +kubebuilder:validation:Enum=class;confidence;value
	Of string `json:"of,omitempty"`
	// Max is the largest difference of any cumulative share.
	// +kubebuilder:validation:Format=share-inside
	Max Probability `json:"max"`
	// Bounds of a value, required there: the range that its 64 bins divide.
	// +kubebuilder:validation:MaxItems=2
	// +listType=atomic
	Bounds []float64 `json:"bounds,omitempty"`
}

// Mean compares the mean of a bounded number: exactly one of maxDecrease and
// maxIncrease, in the number's own units.
//
// +kubebuilder:validation:XValidation:rule="has(self.bounds) ? size(self.bounds) == 2 && self.bounds[0] < self.bounds[1] : self.of in ['confidence', 'conversion']",fieldPath=".bounds",message="must be the least and the greatest possible value, like [0, 1]: what lies outside is clipped"
// +kubebuilder:validation:XValidation:rule="!(self.of in ['confidence', 'conversion']) || !has(self.bounds) || self.bounds == [0.0, 1.0]",fieldPath=".bounds",message="of a confidence and of a conversion are [0, 1]: leave them out"
// +kubebuilder:validation:XValidation:rule="(self.of in ['event', 'conversion']) == has(self.event)",fieldPath=".event",message="is the name of what happened, with of: event and of: conversion, and with nothing else"
// +kubebuilder:validation:XValidation:rule="!has(self.maturity) || has(self.event)",fieldPath=".maturity",message="is of events: leave it out"
// +kubebuilder:validation:XValidation:rule="!has(self.missing) || self.of == 'event'",fieldPath=".missing",message="is of events: leave it out, or write of: event"
// +kubebuilder:validation:XValidation:rule="self.of != 'event' || (has(self.missing) && self.missing == 'unknown') || !has(self.bounds) || size(self.bounds) != 2 || (self.bounds[0] <= 0.0 && self.bounds[1] >= 0.0)",fieldPath=".bounds",message="leave out 0, which a prediction without the event counts as: widen them, or write missing: unknown"
// +kubebuilder:validation:XValidation:rule="has(self.maxDecrease) != has(self.maxIncrease)",message="needs exactly one of maxDecrease (higher is better) and maxIncrease (lower is better)"
// +kubebuilder:validation:XValidation:rule="!(has(self.maxDecrease) && self.maxDecrease <= 0.0) && !(has(self.maxIncrease) && self.maxIncrease <= 0.0)",message="leaves no margin: write above 0"
type Mean struct {
	// Of confidence, value, timeToFirstToken, timePerToken, feedback, event (the
	// values of events) or conversion (the share of predictions with an event).
	// +kubebuilder:validation:Enum=confidence;value;timeToFirstToken;timePerToken;feedback;event;conversion
	Of string `json:"of"`
	// Event is the name of what happened, with of: event and of: conversion.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9]([-_.A-Za-z0-9]*[A-Za-z0-9])?$`
	Event string `json:"event,omitempty"`
	// Maturity is how long an event is waited for, from its prediction on; 30m
	// unless said otherwise.
	Maturity *Duration `json:"maturity,omitempty"`
	// Missing events are zero (default: the mean is over all predictions) or
	// unknown (over those with an event).
	// +kubebuilder:validation:Enum=zero;unknown
	Missing string `json:"missing,omitempty"`
	// Bounds are the least and the greatest possible value.
	// +kubebuilder:validation:MaxItems=2
	// +listType=atomic
	Bounds []float64 `json:"bounds,omitempty"`
	// MaxDecrease where higher is better.
	MaxDecrease *float64 `json:"maxDecrease,omitempty"`
	// MaxIncrease where lower is better.
	MaxIncrease *float64 `json:"maxIncrease,omitempty"`
}

// Outcome compares the share of right predictions by labels that arrive later.
type Outcome struct {
	// MaxDecrease of accuracy; 1pp unless said otherwise.
	// +kubebuilder:validation:XValidation:rule="type(self) == string && self.matches('[1-9]')",message="leaves no margin: write above 0pp"
	MaxDecrease *Points `json:"maxDecrease,omitempty"`
	// Maturity is how long a prediction's label is waited for; 30m unless said otherwise.
	Maturity *Duration `json:"maturity,omitempty"`
	// Missing labels are unknown (default) or negative.
	// +kubebuilder:validation:Enum=unknown;negative
	Missing string `json:"missing,omitempty"`
}
