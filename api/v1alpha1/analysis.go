package v1alpha1

// Analysis says what is compared and how sure a decision must be.
type Analysis struct {
	Source                    Source       `json:"source,omitzero"`
	FalseRollbackProbability  *Probability `json:"falseRollbackProbability,omitempty"`  // of the whole rollout; default 1%
	FalsePromotionProbability *Probability `json:"falsePromotionProbability,omitempty"` // per metric at its margin; default 5%
	Interval                  *Duration    `json:"interval,omitempty"`                  // length of a block; default 15s, of the gateway's own counts 1s
	Warmup                    *Duration    `json:"warmup,omitempty"`                    // first canary traffic that is no evidence; default 90s
	MaxDuration               *Duration    `json:"maxDuration,omitempty"`               // default 2h
	OnDeadline                string       `json:"onDeadline,omitempty"`                // Hold (default) or Rollback
	Controls                  Controls     `json:"controls,omitzero"`
	Metrics                   []Metric     `json:"metrics,omitempty"` // default errors and latency
	Guardrails                Reserved     `json:"guardrails,omitempty"`
	Checks                    Reserved     `json:"checks,omitempty"`
}

// Source is exactly one place that counts come from.
type Source struct {
	Gateway    *GatewaySource `json:"gateway,omitempty"` // the default in local mode
	Prometheus Reserved       `json:"prometheus,omitempty"`
}

// GatewaySource is Haldane's own gateway. It has no settings.
type GatewaySource struct{}

// Controls watch the comparison itself.
type Controls struct {
	SRM        *Probability `json:"srm,omitempty"`        // false-alarm probability of the traffic check; default 0.1%
	Dispersion string       `json:"dispersion,omitempty"` // auto (default) tempers evidence by the bursts of the baseline; off trusts requests to be independent
}

// Metric is one comparison: exactly one kind.
type Metric struct {
	Name      string     `json:"name"`
	ErrorRate *ErrorRate `json:"errorRate,omitempty"`
	Latency   *Latency   `json:"latency,omitempty"`
	Drift     *Drift     `json:"drift,omitempty"`
	Mean      *Mean      `json:"mean,omitempty"`
	Outcome   *Outcome   `json:"outcome,omitempty"`
	Pairs     *Pairs     `json:"pairs,omitempty"`

	Tolerate *Probability `json:"tolerate,omitempty"` // share of the margin not yet worth a rollback; default 50% of comparisons and 100% of absolute limits; 0 is strict
	Weight   float64      `json:"weight,omitempty"`   // share of falseRollbackProbability relative to the other metrics
}

// ErrorRate compares the share of failed requests: the canary's may be at most
// maxRatio × stable's + maxIncrease. With neither: 1.25 and 0.1pp.
type ErrorRate struct {
	MaxRatio    float64 `json:"maxRatio,omitempty"`
	MaxIncrease *Points `json:"maxIncrease,omitempty"`
}

// Latency compares quantiles (maxSlower: {p50: 10%, p99: 20ms}) or the share
// of requests over fixed times (maxOver: {250ms: 1pp}). With neither: p50 10%
// and p99 25%.
type Latency struct {
	MaxSlower map[string]Slower `json:"maxSlower,omitempty"`
	MaxOver   map[string]Points `json:"maxOver,omitempty"`
}

// Drift limits how far the canary's predictions may be from stable's.
type Drift struct {
	Of     string      `json:"of,omitempty"`     // class (default), confidence, value
	Max    Probability `json:"max"`              // largest difference of any cumulative share
	Bounds []float64   `json:"bounds,omitempty"` // of a value, required there: the range that its 64 bins divide
}

// Mean compares the mean of a bounded number: exactly one of maxDecrease and
// maxIncrease, in the number's own units.
type Mean struct {
	Of          string    `json:"of"` // confidence, value, timeToFirstToken, timePerToken, feedback
	Bounds      []float64 `json:"bounds,omitempty"`
	MaxDecrease *float64  `json:"maxDecrease,omitempty"`
	MaxIncrease *float64  `json:"maxIncrease,omitempty"`
}

// Outcome compares the share of right predictions by labels that arrive later.
type Outcome struct {
	MaxDecrease *Points   `json:"maxDecrease,omitempty"` // of accuracy; default 1pp
	Maturity    *Duration `json:"maturity,omitempty"`    // a prediction's label is waited for this long; default 30m
	Missing     string    `json:"missing,omitempty"`     // unknown (default) or negative
}

// Pairs limits how often mirrored answers disagree with stable's.
type Pairs struct {
	MaxDisagreement Probability `json:"maxDisagreement"`
}
