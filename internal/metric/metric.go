package metric

import (
	"context"
	"errors"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// ErrUnavailable marks a source that cannot answer now. The rollout holds and
// says so; nothing is judged.
var ErrUnavailable = errors.New("metric source unavailable")

// Query names what is to be counted.
type Query struct {
	Rollout  string
	Revision string // hash of the candidate, so that a source never mixes two
	Stable   Arm
	Canary   Arm
	Metrics  []Metric
	// Slots are who had each hundredth of random traffic when an experiment with
	// variants began, as traffic.Split has them; "" for two arms. A source that
	// knows two arms only is not asked.
	Slots string
}

// Arm names what an arm serves.
type Arm struct {
	Version  string
	Revision string // hash of the arm
}

// Metric is one wanted Measure.
type Metric struct {
	Name     string
	Kind     analysis.Kind
	Of       string        // "class", "confidence", "value", "ttft", "timePerToken", "feedback", "event", "conversion"; by kind
	Maturity time.Duration // what comes back counts when its prediction is this old
	Negative bool          // what has not come back by then is a negative, or the value 0
	Value    bool          // Mean of the value that feedback brings, rather than of predictions
	// Everyone: where it counts by group of users, groups are those of all users, in
	// their own order, in an experiment with variants too.
	Everyone bool
	Event    string // Mean of the events of that name: of their values, or of whether one came
}

// Window is the stretch since the last block.
type Window struct {
	After string    // Sample.Cursor of the last saved block, "" for none: what was before Start is nobody's
	Start time.Time // of the stretch, for sources that keep no cursor
	End   time.Time
	// Weight is the canary's share of traffic all through it, in [0,1]. A source
	// that sees only what was counted between two readings leaves out what
	// straddles a change of it.
	Weight float64
	// Slots are who has each hundredth of random traffic all through it, of an
	// experiment with variants; "" for two arms.
	Slots string
}

// Source counts what happened since the last block, per arm.
type Source interface {
	// Collect returns the counts of the window. It is idempotent: asked again
	// with the same cursor (because the save that should have followed failed)
	// it returns at least the same counts, never fewer and never one twice.
	// Block, Weight and Stage are left to the caller. The error wraps
	// ErrUnavailable when trying again later may help.
	Collect(ctx context.Context, q Query, w Window) (analysis.Sample, error)
}

// OfPair leaves, of what is told by group of users in an experiment with variants,
// the groups that began on a treatment or on stable, the treatment's first: as if
// there were nobody else. slots are those of the Query.
func OfPair[T any](slots string, treatment traffic.Arm, all []T) []T {
	if slots == "" || len(all) != len(slots) {
		return all
	}
	var out []T
	for _, arm := range []traffic.Arm{treatment, traffic.Stable} {
		for i, g := range all {
			if slots[i] == '0'+byte(arm) {
				out = append(out, g)
			}
		}
	}
	return out
}
