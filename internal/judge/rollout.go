package judge

import (
	"fmt"
	"math"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// Side is what is looked at.
type Side string

// The sides.
const (
	Both      Side = ""          // the first verdict that stands
	Rollback  Side = "rollback"  // whether and when it is taken back, to the end of the record
	Promotion Side = "promotion" // whether and when it is shown to be within its margins
)

// Rules are what a rollout's record is judged by.
type Rules struct {
	config analysis.Config
	only   Side
	split  string // the metric whose requests serve the traffic check; "" for none
	mirror bool   // the plan judges mirrored traffic alone
}

// NewRules takes the rules from a plan. Looking at one side takes away what the
// other may spend, so that only that side can decide.
func NewRules(p rollout.Plan, only Side) (Rules, error) {
	r := Rules{config: p.Analysis, only: only, mirror: true}
	switch only {
	case Both:
	case Rollback:
		r.config.FalsePromotion = 0
	case Promotion:
		r.config.FalseRollback = 0
	default:
		return r, fmt.Errorf("%q is no side: write %s or %s", only, Rollback, Promotion)
	}
	for _, s := range p.Steps {
		if s.Weight > 0 && s.Weight.Share() < 1 {
			r.mirror = false
		}
	}
	// With sticky cohorts requests are not assigned one by one, and counting them
	// would find fault with healthy splits.
	if p.Split.Sticky.Header == "" && p.Split.Sticky.Cookie == "" {
		for _, m := range r.config.Metrics {
			if m.Kind == analysis.ErrorRate {
				r.split = m.Name
				break
			}
		}
	}
	return r, nil
}

// Config is what every block is judged by.
func (r Rules) Config() analysis.Config { return r.config }

// Rollout is the judgement of one record. The zero value has seen nothing. It is
// plain data that survives JSON bit for bit.
type Rollout struct {
	State  analysis.State `json:"state"`
	Step   int            `json:"step"`             // how often the weight has changed
	Weight float64        `json:"weight"`           // of the newest block
	T      float64        `json:"t"`                // its end
	Stands *Result        `json:"stands,omitempty"` // a Pass, as long as the record stays at its weight
	Failed *Result        `json:"failed,omitempty"`
}

// Add takes in the next block. The error says which field contradicts the blocks
// before.
func (o *Rollout) Add(r Rules, b Block) error {
	first := o.State.Blocks == 0
	if err := r.follows(b, o.T, first); err != nil {
		return err
	}
	start := r.begins(b, o.T, first)
	if !first && b.Weight != o.Weight {
		o.Step++
		if b.Weight < 1 {
			o.Stands = nil
		}
	}
	o.Weight, o.T = b.Weight, b.T
	var v analysis.Verdict
	o.State, v = analysis.Step(r.config, o.State, analysis.Sample{
		Block: o.State.LastBlock + 1, Start: instant(start), End: instant(b.T), Weight: b.Weight,
		Stage:    analysis.Stage{Index: o.Step, Factor: 1, Last: true, Shadow: b.Weight == 0 && hasPairs(b)},
		Assigned: r.assigned(b), Metrics: b.Metrics,
	})
	o.note(r, v)
	return nil
}

// follows reports which field says that a block does not come after the one that
// ended last.
func (r Rules) follows(b Block, last float64, first bool) error {
	switch {
	case first:
		return nil
	case b.T <= last:
		return wrong("t", "is %g, not after the %g of the block before: write the blocks of a rollout in order", b.T, last)
	case b.Seconds > 0 && r.begins(b, last, false) < last-1e-6*math.Max(1, last):
		return wrong("seconds", "is %g: the block would begin before the one before it ended, at %g", b.Seconds, last)
	}
	return nil
}

// begins returns when a block begins: as it says, or where the one before it
// ended. A first block begins at 0 if it can, else one interval before its end.
func (r Rules) begins(b Block, last float64, first bool) float64 {
	switch {
	case b.Seconds > 0:
		return b.T - b.Seconds
	case !first:
		return last
	case b.T <= longest:
		return 0
	}
	return b.T - r.config.Interval.Seconds()
}

// longest is the longest a first block at a small t is believed to be, in
// seconds: longer than any interval a rollout file may ask for.
const longest = 600

// epoch keeps recorded times away from the zero that a state takes for "not yet".
const epoch = 1 << 30

// instant converts seconds of a record. Only differences matter.
func instant(t float64) time.Time {
	whole, part := math.Modf(t)
	return time.Unix(epoch+int64(whole), int64(part*1e9)).UTC()
}

func hasPairs(b Block) bool {
	for _, x := range b.Metrics {
		if x.Pairs > 0 {
			return true
		}
	}
	return false
}

// assigned returns the random decisions of a block: as recorded, or else the
// requests that the error rate was counted over.
func (r Rules) assigned(b Block) []analysis.Assignment {
	if b.Assigned != nil {
		return b.Assigned
	}
	x, ok := b.Metrics[r.split]
	if !ok || b.Weight <= 0 || b.Weight >= 1 {
		return nil
	}
	return []analysis.Assignment{{Weight: b.Weight, Stable: x.Stable.N, Canary: x.Canary.N}}
}

// note remembers when a verdict was reached.
func (o *Rollout) note(r Rules, v analysis.Verdict) {
	switch {
	case o.Failed != nil:
	case v.Decision == analysis.Fail:
		o.Failed = r.result(v, o)
	case v.Decision == analysis.Pass && o.Stands == nil && (o.Weight > 0 || r.mirror):
		o.Stands = r.result(v, o)
	}
}

// Final reports whether no further block can change the verdict.
func (o *Rollout) Final() bool { return o.Failed != nil && o.Stands == nil }

// Result returns the verdict as the record stands.
func (o *Rollout) Result(r Rules, id string) Result {
	out := o.Stands
	switch {
	case out != nil:
	case o.Failed != nil:
		out = o.Failed
	default:
		out = r.result(o.State.Verdict, o)
		if out.Verdict == analysis.Pass { // of mirrored traffic alone, where live traffic is to be judged
			out.Verdict = analysis.Inconclusive
			out.Reason = "mirrored pairs agree, but no live traffic was compared"
		}
	}
	out.Rollout = id
	return *out
}
