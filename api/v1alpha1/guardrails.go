package v1alpha1

// Guardrail limits a number, whatever the comparison says.
//
// +kubebuilder:validation:XValidation:rule="has(self.query) != has(self.from)",message="needs exactly one of query, from"
// +kubebuilder:validation:XValidation:rule="has(self.min) || has(self.max)",message="limits nothing: write min, max, or both"
// +kubebuilder:validation:XValidation:rule="!has(self.min) || !has(self.max) || self.min <= self.max",fieldPath=".min",message="is above max: no number would do"
// +kubebuilder:validation:XValidation:rule="has(self.failures) == has(self.of)",message="failures and of belong together: failures: 2, of: 5"
// +kubebuilder:validation:XValidation:rule="!has(self.consecutive) || !has(self.failures)",fieldPath=".consecutive",message="contradicts failures: write one of them"
// +kubebuilder:validation:XValidation:rule="!has(self.failures) || !has(self.of) || self.failures <= self.of",fieldPath=".failures",message="is more than of: it could never happen"
type Guardrail struct {
	// Name of its own.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name"`

	Reading `json:",inline"`

	// Min is the least that is allowed.
	Min *float64 `json:"min,omitempty"`
	// Max is the most that is allowed.
	Max *float64 `json:"max,omitempty"`
	// Consecutive readings outside the limits count; 3 unless said otherwise.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	Consecutive int32 `json:"consecutive,omitempty"`
	// Failures among the last readings count, instead.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	Failures int32 `json:"failures,omitempty"`
	// Of so many last readings.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	Of int32 `json:"of,omitempty"`
	// Every is the time between two readings; 30s unless said otherwise.
	// +kubebuilder:validation:XValidation:rule="self.matches('[1-9]')",message="is no time: write one above 0"
	Every *Duration `json:"every,omitempty"`
	// Effect is Rollback (default), Hold or Warn.
	// +kubebuilder:validation:Enum=Rollback;Hold;Warn
	Effect string `json:"effect,omitempty"`
	// DryRun only tells what it would have done.
	DryRun bool `json:"dryRun,omitempty"`
	// OnMissing says what no value does: Hold (default), Warn, or Fail, which
	// counts it as outside the limits.
	// +kubebuilder:validation:Enum=Hold;Warn;Fail
	OnMissing string `json:"onMissing,omitempty"`
}

// Anomaly watches a number that there is nothing to compare with for a change
// from how it was before the rollout.
//
// +kubebuilder:validation:XValidation:rule="has(self.query) != has(self.from)",message="needs exactly one of query, from"
// +kubebuilder:validation:XValidation:rule="!has(self.from) || !has(self.from.json)",fieldPath=".from",message="a document does not tell what was: use prometheus, datadog, cloudWatch or influxDB, or a guardrail"
// +kubebuilder:validation:XValidation:rule="!has(self.from) || !has(self.from.influxDB) || (self.from.influxDB.query.matches('[{][{][ ]*start[ ]*[}][}]') && self.from.influxDB.query.matches('[{][{][ ]*stop[ ]*[}][}]'))",fieldPath=".from",message="the query does not say of what time: write range(start: {{start}}, stop: {{stop}})"
// +kubebuilder:validation:XValidation:rule="duration(has(self.every) ? self.every : '1m').getMilliseconds() > 0 && duration(has(self.history) ? self.history : '1h').getMilliseconds() / duration(has(self.every) ? self.every : '1m').getMilliseconds() >= 20 && duration(has(self.history) ? self.history : '1h').getMilliseconds() / duration(has(self.every) ? self.every : '1m').getMilliseconds() <= 5000",fieldPath=".history",message="must hold 20 to 5000 readings: lengthen it, or read more often"
type Anomaly struct {
	// Name of its own.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name"`

	Reading `json:",inline"`

	// History before the rollout that readings are compared with; 1h unless said
	// otherwise.
	History *Duration `json:"history,omitempty"`
	// Every is the time between two readings, long enough that they hardly depend
	// on each other; 1m unless said otherwise.
	Every *Duration `json:"every,omitempty"`
	// FalseAlarmProbability of one attempt; 0.1% unless said otherwise.
	// +kubebuilder:validation:Format=share-to-20
	FalseAlarmProbability *Probability `json:"falseAlarmProbability,omitempty"`
	// Direction that is watched: Up, Down or Both (default).
	// +kubebuilder:validation:Enum=Up;Down;Both
	Direction string `json:"direction,omitempty"`
	// Effect is Hold (default), Rollback or Warn.
	// +kubebuilder:validation:Enum=Rollback;Hold;Warn
	Effect string `json:"effect,omitempty"`
	// DryRun only tells what it would have done.
	DryRun bool `json:"dryRun,omitempty"`
	// OnMissing says what no value does: Hold (default) or Warn.
	// +kubebuilder:validation:Enum=Hold;Warn
	OnMissing string `json:"onMissing,omitempty"`
}

// Gauge compares a level of each arm, such as memory or revenue a minute: what
// the query yields for the one with what it yields for the other at the same
// time. The canary's may be at most maxRatio × stable's + maxIncrease, or at least
// minRatio × stable's − maxDecrease.
//
// +kubebuilder:validation:XValidation:rule="has(self.query) != has(self.from)",message="needs exactly one of query, from"
// +kubebuilder:validation:XValidation:rule="(has(self.maxRatio) || has(self.maxIncrease)) != (has(self.minRatio) || has(self.maxDecrease))",message="needs either maxRatio or maxIncrease (lower is better) or minRatio or maxDecrease (higher is better)"
// +kubebuilder:validation:XValidation:rule="(has(self.query) && self.query.matches('[{][{][ ]*(arm|version|revision|pods)[ ]*[}][}]')) || (has(self.from) && has(self.from.prometheus) && self.from.prometheus.query.matches('[{][{][ ]*(arm|version|revision|pods)[ ]*[}][}]')) || (has(self.from) && has(self.from.json) && self.from.json.url.matches('[{][{][ ]*(arm|version|revision|pods)[ ]*[}][}]')) || (has(self.from) && has(self.from.datadog) && self.from.datadog.query.matches('[{][{][ ]*(arm|version|revision|pods)[ ]*[}][}]')) || (has(self.from) && has(self.from.cloudWatch) && has(self.from.cloudWatch.expression) && self.from.cloudWatch.expression.matches('[{][{][ ]*(arm|version|revision|pods)[ ]*[}][}]')) || (has(self.from) && has(self.from.influxDB) && self.from.influxDB.query.matches('[{][{][ ]*(arm|version|revision|pods)[ ]*[}][}]')) || (has(self.from) && has(self.from.cloudWatch) && has(self.from.cloudWatch.dimensions) && self.from.cloudWatch.dimensions.exists(d, self.from.cloudWatch.dimensions[d].matches('[{][{][ ]*(arm|version|revision|pods)[ ]*[}][}]')))",message="asks the same of both arms: write {{arm}}, {{version}}, {{revision}} or {{pods}} where they differ"
type Gauge struct {
	Reading `json:",inline"`

	// MaxRatio of the canary's to stable's, above 1.
	// +kubebuilder:validation:XValidation:rule="self > 1.0",message="leaves no margin: write above 1"
	MaxRatio *float64 `json:"maxRatio,omitempty"`
	// MaxIncrease in the number's own units.
	// +kubebuilder:validation:XValidation:rule="self > 0.0",message="leaves no margin: write above 0"
	MaxIncrease *float64 `json:"maxIncrease,omitempty"`
	// MinRatio of the canary's to stable's, below 1.
	// +kubebuilder:validation:XValidation:rule="self > 0.0 && self < 1.0",message="leaves no margin: write between 0 and 1"
	MinRatio *float64 `json:"minRatio,omitempty"`
	// MaxDecrease in the number's own units.
	// +kubebuilder:validation:XValidation:rule="self > 0.0",message="leaves no margin: write above 0"
	MaxDecrease *float64 `json:"maxDecrease,omitempty"`
	// Every is the time between two readings, long enough that they hardly depend
	// on each other; 15s unless said otherwise.
	// +kubebuilder:validation:XValidation:rule="self.matches('[1-9]')",message="is no time: write one above 0"
	Every *Duration `json:"every,omitempty"`
}
