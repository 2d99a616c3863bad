package judge

import (
	"slices"

	"github.com/haldane-dev/haldane/internal/analysis"
)

// Result is the verdict on one record.
type Result struct {
	Rollout  string              `json:"rollout"`
	Verdict  analysis.Decision   `json:"verdict"`
	T        float64             `json:"t"`      // end of the block at which the verdict was reached; of the last one while it is open
	Metric   string              `json:"metric"` // which decided: the first culprit, or the one closest to its bound; "" for none
	Culprits []string            `json:"culprits,omitempty"`
	Reason   string              `json:"reason"`
	Weight   float64             `json:"weight"` // percent of traffic at that block
	Blocks   int64               `json:"blocks"` // up to that one
	Evidence map[string]Evidence `json:"evidence"`
}

// Evidence is one metric's, at the block of the verdict. Logarithms are natural.
type Evidence struct {
	LogE      float64           `json:"logE"` // of the side looked at: for a rollback, or with only promotion for that
	Decision  analysis.Decision `json:"decision"`
	Rollback  Bound             `json:"rollback,omitzero"`
	Promotion Bound             `json:"promotion,omitzero"`
	Stable    Arm               `json:"stable"`
	Canary    Arm               `json:"canary"`
	Effect    analysis.Effect   `json:"effect"`
}

// Bound is evidence and how much of it decides.
type Bound struct {
	LogE      float64 `json:"logE"`
	Threshold float64 `json:"threshold"`
}

// Arm is how much was seen of an arm, and what it did: a share, a mean, seconds.
type Arm struct {
	N     int64   `json:"n"`
	Value float64 `json:"value"`
}

// result puts a verdict into words that last. Bounds of the side not looked at
// are left out, since no error was set aside for it.
func (r Rules) result(v analysis.Verdict, o *Rollout) *Result {
	out := &Result{
		Verdict: v.Decision, T: o.T, Culprits: slices.Clone(v.Culprits), Reason: v.Reason,
		Weight: 100 * o.Weight, Blocks: o.State.Blocks, Evidence: make(map[string]Evidence, len(v.Metrics)),
	}
	for _, m := range v.Metrics {
		e := Evidence{
			LogE: m.LogRollback, Decision: m.Decision,
			Rollback:  Bound{m.LogRollback, m.RollbackThreshold},
			Promotion: Bound{m.LogPromotion, m.PromotionThreshold},
			Stable:    Arm{m.StableN, m.Stable}, Canary: Arm{m.CanaryN, m.Canary},
			Effect: m.Effect,
		}
		switch r.only {
		case Promotion:
			e.LogE, e.Rollback = m.LogPromotion, Bound{}
		case Rollback:
			e.Promotion = Bound{}
		}
		out.Evidence[m.Name] = e
	}
	out.Metric = r.decisive(v)
	return out
}

// decisive names the metric that a verdict rests on.
func (r Rules) decisive(v analysis.Verdict) string {
	if len(v.Culprits) > 0 {
		return v.Culprits[0]
	}
	name, least, most := "", 0.0, 0.0
	for _, m := range v.Metrics {
		switch {
		case v.Decision == analysis.Invalid:
			if m.Decision == analysis.Invalid {
				return m.Name
			}
		case r.only == Rollback:
			if share := m.LogRollback / m.RollbackThreshold; name == "" || share > most {
				name, most = m.Name, share
			}
		case (m.Kind == analysis.Pairs) == v.Stage.Shadow:
			if name == "" || m.LogPromotion < least {
				name, least = m.Name, m.LogPromotion
			}
		}
	}
	return name
}
