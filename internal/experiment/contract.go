package experiment

import (
	"strings"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/stats"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// GoalMetric is the name under which a sample holds the goal's counts.
const GoalMetric = "goal"

// Config is what an experiment runs by. It travels in the saved plan.
type Config struct {
	// Arms are the control (traffic.Stable), the canary, and the variants.
	Arms []Arm `json:"arms"`
	Goal Goal  `json:"goal"`
	// Confidence is the probability that all intervals hold at all times, 0.95 say.
	Confidence float64 `json:"confidence"`
	// MinDuration is the time before which nothing ends it but safety.
	MinDuration time.Duration `json:"minDuration,omitempty"`
	// MaxDuration is the time after which it ends as it stands; 0: never.
	MaxDuration time.Duration `json:"maxDuration"`
	// Thompson lets weights follow the evidence, one look Every so often, with at
	// least Floor, a share in [0,1], for every open arm.
	Thompson bool          `json:"thompson,omitempty"`
	Floor    float64       `json:"floor,omitempty"`
	Every    time.Duration `json:"every,omitempty"`
	// Promote lets a canary that wins take stable's place.
	Promote bool `json:"promote,omitempty"`
}

// Versions names what the arms serve, in their order: "v1, v2 and v3".
func (c Config) Versions() string {
	var b strings.Builder
	for i, a := range c.Arms {
		switch {
		case i > 0 && i == len(c.Arms)-1:
			b.WriteString(" and ")
		case i > 0:
			b.WriteString(", ")
		}
		b.WriteString(a.Version)
	}
	return b.String()
}

// Arm is one arm as the file has it.
type Arm struct {
	Name    string          `json:"name"`
	Version string          `json:"version"`          // as people call it
	Weight  int             `json:"weight"`           // hundredths of random traffic at the beginning; all together 100
	Always  []traffic.Match `json:"always,omitempty"` // forced onto it
}

// Goal is what the arms are compared by; more is better.
type Goal struct {
	// Kind is analysis.Outcome, the share of right predictions, or analysis.Mean.
	Kind analysis.Kind `json:"kind"`
	// Lower and Upper are the bounds of a mean's values.
	Lower float64 `json:"lower,omitempty"`
	Upper float64 `json:"upper,omitempty"`
	// Binary says that a mean's values are 0 or 1.
	Binary bool `json:"binary,omitempty"`
	// MinEffect is the smallest difference worth having, in units of the goal.
	MinEffect float64 `json:"minEffect"`
	// After is how long the arms have traffic before their values are evidence: the
	// warm-up and, of what comes back later, the time until that of the first
	// predictions has come.
	After time.Duration `json:"after,omitempty"`
}

// share reports whether the goal is a share of hits.
func (g Goal) share() bool { return g.Kind == analysis.Outcome || g.Binary }

// span is the width of the goal's range.
func (g Goal) span() float64 {
	if g.Kind == analysis.Outcome {
		return 1
	}
	return g.Upper - g.Lower
}

// State is everything an experiment remembers, plain data of bounded size. The
// zero State has not begun.
type State struct {
	Arms  []ArmState  `json:"arms,omitempty"`
	Pairs []PairState `json:"pairs,omitempty"` // (0,1), (0,2), (1,2), (0,3), …
	// Slots are who has each hundredth of random traffic, as traffic.Split has them.
	Slots     string    `json:"slots,omitempty"`
	Allocated time.Time `json:"allocated,omitzero"` // when the evidence last had a say in them
	LastBlock int64     `json:"lastBlock,omitempty"`
	// First is when the block began that had traffic of a treatment first.
	First time.Time `json:"first,omitzero"`
	// Untrusted is why the goal's counts in the newest block cannot be, and were left
	// out; empty if they were not.
	Untrusted string `json:"untrusted,omitempty"`
}

// ArmState is what is known of one arm.
type ArmState struct {
	Total stats.Moments `json:"total"` // of the goal's values, mapped onto [0,1]
	Past  stats.Moments `json:"past"`  // likewise, what is old counting for less
	// Predicted are the predictions that might have brought a value, 0 if unknown.
	Predicted float64 `json:"predicted,omitempty"`
	// Users are the goal's values, mapped onto [0,1], by group of users, where they
	// stay on their arm.
	Users stats.Clusters `json:"users,omitzero"`
	// Safety is the evidence of a variant's ordinary metrics; the canary's is the
	// rollout's own.
	Safety  *analysis.State  `json:"safety,omitempty"`
	Verdict analysis.Verdict `json:"verdict,omitzero"`
	Safe    bool             `json:"safe,omitempty"`   // the verdict was a Pass once
	Closed  string           `json:"closed,omitempty"` // why it has no more traffic
	Best    float64          `json:"best,omitempty"`   // the probability of being the best, at the last look
}

// PairState is the evidence on the difference of two arms.
type PairState struct {
	Sequence stats.Sequence   `json:"sequence"`
	Spread   stats.Dispersion `json:"spread"`
	// Labels is the evidence that labels come more often on one of the arms, with
	// the shares of predictions that brought one by arm.
	Labels *Coverage `json:"labels,omitempty"`
	// Waiting are values of one arm to which the other has none yet.
	Waiting [2]stats.Moments `json:"waiting"`
}

// Coverage is the evidence on whether labels come alike on two arms.
type Coverage struct {
	More stats.Process  `json:"more"` // on the second arm
	Less stats.Process  `json:"less"`
	Past [2]stats.Count `json:"past"` // labelled of predicted
}

// pair returns where the evidence on arms i < j is kept.
func pair(i, j int) int { return j*(j-1)/2 + i }

// Open reports whether an arm still has traffic.
func (s State) Open(arm int) bool { return arm >= len(s.Arms) || s.Arms[arm].Closed == "" }
