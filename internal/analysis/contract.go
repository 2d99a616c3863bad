package analysis

import (
	"time"

	"github.com/haldane-dev/haldane/internal/stats"
)

// Kind says which test a metric is judged by.
type Kind string

// The kinds of metric.
const (
	ErrorRate Kind = "errorRate" // share of failed requests, lower is better
	Latency   Kind = "latency"   // time to answer, by exceedances of fixed edges, lower is better
	Drift     Kind = "drift"     // predicted classes or score bins, distance with tolerance
	Mean      Kind = "mean"      // mean of a bounded value, higher is better unless MaxIncrease is set
	Outcome   Kind = "outcome"   // share of wrong predictions by labels that arrive later, lower is better
	Pairs     Kind = "pairs"     // disagreement of mirrored pairs, an absolute limit

	PairedErrors  Kind = "pairedErrors"  // failures of mirrored pairs, by those that only one arm failed (McNemar)
	PairedLatency Kind = "pairedLatency" // time to answer of mirrored pairs, by how often the canary's is longer than allowed
	ErrorShare    Kind = "errorShare"    // share of all failures that are the canary's, where requests are not counted
	Gauge         Kind = "gauge"         // a level of the arm itself, such as memory, read once a block
)

// Config is the snapshot of everything that judges one rollout. It is plain
// data: it travels in the saved plan. Probabilities and shares are in [0,1],
// never in percent.
type Config struct {
	FalseRollback  float64       `json:"falseRollback"`        // α of the whole rollout, all metrics, any number of looks
	FalsePromotion float64       `json:"falsePromotion"`       // β per metric at its margin
	Attempt        int           `json:"attempt,omitempty"`    // k ≥ 1 for the k-th try of one revision; 0 means 1. The first spends 0.9·α, the k-th 0.1·α·6/(π²(k−1)²): together α
	Warmup         time.Duration `json:"warmup,omitempty"`     // canary blocks that begin earlier than this after its first traffic are no evidence
	MaxDuration    time.Duration `json:"maxDuration"`          // horizon over which restart mass is spread
	Interval       time.Duration `json:"interval"`             // nominal length of a block
	SRM            float64       `json:"srm,omitempty"`        // false-alarm probability of each check of the comparison itself: traffic, labels, halves of stable; 0 turns them off
	Dispersion     bool          `json:"dispersion,omitempty"` // temper evidence by the dispersion estimated from the baseline
	PerRequest     bool          `json:"perRequest,omitempty"` // every request of live traffic draws its arm by itself: no sticky cohorts, and the split is done where it is counted
	Sticky         bool          `json:"sticky,omitempty"`     // users stay on their arm: shares are judged with counts by group of users, see Counts.Groups
	Metrics        []Metric      `json:"metrics"`
}

// Metric is one comparison. Which fields count depends on Kind.
type Metric struct {
	Name     string  `json:"name"`
	Kind     Kind    `json:"kind"`
	Weight   float64 `json:"weight,omitempty"` // share of α relative to the other metrics; 0 takes the default of its kind
	Tolerate float64 `json:"tolerate"`         // share of the margin, in [0,1], that is not yet worth a rollback; 0 is strict

	// ErrorRate, Outcome (of the share of wrong predictions), Mean and Gauge: at the
	// margin canary = MaxRatio·stable + MaxIncrease. MaxRatio 0 means 1. PairedErrors
	// take MaxIncrease alone, ErrorShare takes MaxRatio alone.
	MaxRatio    float64 `json:"maxRatio,omitempty"`
	MaxIncrease float64 `json:"maxIncrease,omitempty"`
	// Mean and Gauge: at the margin canary = stable − MaxDecrease, in units of the value.
	MaxDecrease float64 `json:"maxDecrease,omitempty"`
	// Gauge: at the margin canary = MinRatio·stable − MaxDecrease. MinRatio 0 means 1.
	MinRatio float64 `json:"minRatio,omitempty"`
	// Late: the values come after what they are of, at their own pace.
	Late bool `json:"late,omitempty"`
	// Mean: the bounds of the value.
	Lower float64 `json:"lower,omitempty"`
	Upper float64 `json:"upper,omitempty"`
	// Mean: the value has no bounds. Its test holds only in the limit of many values,
	// and so begins after BurnIn of them on the canary; 0 means 1,000.
	Unbounded bool  `json:"unbounded,omitempty"`
	BurnIn    int64 `json:"burnIn,omitempty"`
	// Drift and Pairs: the absolute limit, in [0,1]. PairedLatency: by which share of
	// stable's time the canary's may be longer in half of the pairs.
	Max float64 `json:"max,omitempty"`
	// Latency: the canary's quantile Q may be at most this much longer.
	Slower []Slower `json:"slower,omitempty"`
	// Latency: the share of requests over a fixed time may rise by at most this.
	Over []Over `json:"over,omitempty"`
}

// Slower bounds how much longer one latency quantile of the canary may be than
// that of stable: by a Share of it (0.1 is ten percent) or by a Duration.
type Slower struct {
	Quantile float64       `json:"quantile"`
	Share    float64       `json:"share,omitempty"`
	By       time.Duration `json:"by,omitempty"`
}

// Over bounds how much the share of requests slower than Threshold may rise.
type Over struct {
	Threshold   time.Duration `json:"threshold"`
	MaxIncrease float64       `json:"maxIncrease"`
}

// Stage tells Step where in the plan a block was taken.
type Stage struct {
	Index  int     `json:"index"`  // the step's index; promotion evidence starts afresh when it changes
	Factor float64 `json:"factor"` // promotion margins are multiplied by this (≥ 1) at this step
	Last   bool    `json:"last"`   // the last gate before all traffic goes to the canary: delayed metrics must pass too
	Shadow bool    `json:"shadow"` // mirrored traffic only: pairs are judged, nothing else is compared
}

// Sample holds what was counted in one block: a stretch of time in which
// neither the wanted nor the observed weight changed. Both arms are counted
// over the same stretch. Requests that an always or never match forced onto an
// arm are not in it.
type Sample struct {
	Block    int64              `json:"block"`              // strictly increasing identity of the block within one revision's attempt
	Start    time.Time          `json:"start"`              // when the block began
	End      time.Time          `json:"end"`                // when it ended
	Weight   float64            `json:"weight"`             // the canary's share of live traffic in [0,1]
	Stage    Stage              `json:"stage"`              // where in the plan
	Assigned []Assignment       `json:"assigned,omitempty"` // randomised decisions, for the traffic check
	Metrics  map[string]Measure `json:"metrics"`            // by Metric.Name; absent means not measured in this block
	Cursor   string             `json:"cursor,omitempty"`   // the source's own position after this block, given back at the next
	// Variants are the further arms of an experiment, each beside stable as the
	// canary is in the fields above: it takes the canary's place.
	Variants []Variant `json:"variants,omitempty"`
}

// Variant is what a block holds of one further arm of an experiment.
type Variant struct {
	Weight   float64            `json:"weight"`             // its share of what goes to stable or to it, in [0,1]
	Assigned []Assignment       `json:"assigned,omitempty"` // likewise
	Metrics  map[string]Measure `json:"metrics"`
}

// Pair returns the comparison of variant i with stable.
func (s Sample) Pair(i int) Sample {
	v := s.Variants[i]
	s.Weight, s.Assigned, s.Metrics, s.Variants = v.Weight, v.Assigned, v.Metrics, nil
	return s
}

// Assignment counts random (unforced) decisions made while the canary's share
// was Weight. With sticky cohorts it counts keys at first sight.
type Assignment struct {
	Weight float64 `json:"weight"`
	Stable int64   `json:"stable"`
	Canary int64   `json:"canary"`
}

// Measure is one metric's counts in one block.
type Measure struct {
	// Latency: upper edges in seconds, ascending; len(Counts) = len(Edges)+1. Paired
	// latency: of canary's time over stable's, the pairs counted in Canary.
	Edges         []float64 `json:"edges,omitempty"`
	Bins          []string  `json:"bins,omitempty"` // drift, selective labels: names of the bins; bins seen for the first time are appended in later blocks
	Ordered       bool      `json:"ordered,omitempty"`
	Stable        Counts    `json:"stable"`
	Canary        Counts    `json:"canary"`
	Pairs         int64     `json:"pairs,omitempty"`
	Disagree      int64     `json:"disagree,omitempty"`
	CanaryOnlyBad int64     `json:"canaryOnlyBad,omitempty"`
	StableOnlyBad int64     `json:"stableOnlyBad,omitempty"`
	Halves        []Group   `json:"halves,omitempty"` // stable's trials and hits in two halves, by a draw that nothing else depends on, for the A/A control
	Before        []Group   `json:"before,omitempty"` // with the first block, if known: by group of users, what stable did before the rollout
}

// Counts is one arm of a Measure: n trials with k hits, or a histogram, or the
// first two moments of n values.
type Counts struct {
	N      int64   `json:"n,omitempty"`
	K      int64   `json:"k,omitempty"`
	Counts []int64 `json:"counts,omitempty"`
	Sum    float64 `json:"sum,omitempty"`
	SumSq  float64 `json:"sumsq,omitempty"`
	// Latency, instead of Counts and Edges: an exponential histogram.
	Native *Native `json:"native,omitempty"`
	// Outcome, where labels may be selective: by class of Measure.Bins, Counts are all
	// matured predictions, and these the ones that a label came for and those of them
	// that were wrong. N and K are then not looked at.
	Labelled []int64 `json:"labelled,omitempty"`
	Wrong    []int64 `json:"wrong,omitempty"`
	// Groups are N and K by group of users, where users stay on their arm: groups
	// of equal size by a hash of the user, in the order in which a growing weight
	// takes them to the canary. A hundred of them is a good number.
	Groups []Group `json:"groups,omitempty"`
	// Values are N, Sum and SumSq by group of users, of what has values.
	Values []stats.Moments `json:"values,omitempty"`
}

// Group is one group of users: n trials with k hits.
type Group struct {
	N int64 `json:"n"`
	K int64 `json:"k"`
}

// Decision is what the evidence says, of one metric or of all.
type Decision string

// The decisions, in order of priority: Fail > Invalid > Inconclusive > Pass.
const (
	Pass         Decision = "Pass"         // no worse than the margin, shown at error β
	Fail         Decision = "Fail"         // worse than tolerated, shown at error α; sticky for the revision
	Inconclusive Decision = "Inconclusive" // more data is needed: hold
	Invalid      Decision = "Invalid"      // the comparison itself cannot be trusted: hold and alert
)

// Verdict is the judgement after one block.
type Verdict struct {
	Decision Decision        `json:"decision"`
	Reason   string          `json:"reason"`             // one sentence for a person
	Culprits []string        `json:"culprits,omitempty"` // metrics named by e-Holm when Decision is Fail
	Block    int64           `json:"block"`
	Stage    Stage           `json:"stage"`
	Metrics  []MetricVerdict `json:"metrics"` // in the order of Config.Metrics
}

// MetricVerdict is one metric's evidence after one block. Log evidence is
// natural; a bound is reached when LogE ≥ its threshold.
type MetricVerdict struct {
	Name               string   `json:"name"`
	Kind               Kind     `json:"kind"`
	Decision           Decision `json:"decision"`
	Reason             string   `json:"reason"`
	LogRollback        float64  `json:"logRollback"`        // evidence that the canary is worse than tolerated
	RollbackThreshold  float64  `json:"rollbackThreshold"`  // ln(1/α) as this metric alone would have to reach it: ln(1/(ω·α))
	LogPromotion       float64  `json:"logPromotion"`       // evidence at this step that it is within the margin
	PromotionThreshold float64  `json:"promotionThreshold"` // ln(1/β)
	StableN            int64    `json:"stableN"`            // trials so far that count as evidence
	CanaryN            int64    `json:"canaryN"`
	Stable             float64  `json:"stable"` // estimate over the same: a share, a mean, seconds
	Canary             float64  `json:"canary"`
	Effect             Effect   `json:"effect"`
	// Uncorrected: users stay on their arm and this metric is judged as if they did
	// not, so that the stated error rates do not hold for it.
	Uncorrected bool `json:"uncorrected,omitempty"`
}

// Effect is the estimated difference canary − stable with an interval to draw: at
// a confidence of 95%, and if Always however often it is looked at. Should the
// difference move in the course of the rollout, the interval's lower end stays
// under its largest value and the upper end over its smallest.
type Effect struct {
	Estimate float64 `json:"estimate"`
	Low      float64 `json:"low"`
	High     float64 `json:"high"`
	Unit     string  `json:"unit"`   // "share", "seconds", "value"
	Always   bool    `json:"always"` // the interval is valid at every look; false means that there is none yet
	Margin   float64 `json:"margin"` // the promotion margin at factor 1, in the same unit; negative for a decrease
}
