package telemetry

import (
	"fmt"
	"math"
	"time"

	"github.com/haldane-dev/haldane/internal/traffic"
)

const (
	// ScoreBins is the number of equal bins of a confidence or value histogram.
	ScoreBins = 64
	// DefaultMaxClasses is how many class names are told apart.
	DefaultMaxClasses = 64
	// OtherClass is the name under which all further classes are counted.
	OtherClass = "(other)"
	// Groups is how many groups of users are told apart by their sticky key: each
	// takes a hundredth of the buckets, so that the canary's share takes whole
	// groups, from the first on.
	Groups = 100
	// DefaultMaxKeys is how many sticky keys are remembered.
	DefaultMaxKeys = 1 << 18
	// maxWeights is how many divisions of traffic assignments are told apart by, the
	// newest.
	maxWeights = 128
)

// GroupOf returns the group, in [0, Groups), of users whose bucket is given.
func GroupOf(bucket uint16) int { return int(bucket) * Groups / int(traffic.Full) % Groups }

// Bounds are the ends of a value. Values outside are counted as the nearer end,
// because the tests of means hold only within their bounds. The zero Bounds
// bound nothing.
type Bounds struct{ Lower, Upper float64 }

// IsSet reports whether b bounds anything.
func (b Bounds) IsSet() bool { return b.Lower < b.Upper }

// Clip returns the value within b that is nearest to x.
func (b Bounds) Clip(x float64) float64 {
	if !b.IsSet() {
		return x
	}
	return min(max(x, b.Lower), b.Upper)
}

// Bin returns which of n equal bins of b holds x, clipped.
func (b Bounds) Bin(x float64, n int) int {
	i := int((b.Clip(x) - b.Lower) / (b.Upper - b.Lower) * float64(n))
	return min(max(i, 0), n-1)
}

// Options are what a Recorder counts by. The zero Options are good defaults.
type Options struct {
	// Arms is the number of arms, from 2, the default, to traffic.MaxArms.
	Arms int
	// Edges are the upper edges of the latency histograms, ascending; default
	// [DefaultEdges].
	Edges []time.Duration
	// Sticky makes room to count each sticky key once in the traffic check, and
	// requests and errors by group of users. Without it keyed assignments are left
	// out of the check.
	Sticky bool
	// MaxKeys is how many keys are remembered at most, rounded up to a power of
	// two; further ones are left out of the check. Default DefaultMaxKeys.
	MaxKeys int
	// MaxClasses is how many class names are told apart. Default DefaultMaxClasses.
	MaxClasses int
	// Value bounds numeric predictions; without it they have moments but no
	// histogram. Confidences are always within 0 and 1.
	Value Bounds
	// TTFT and PerToken bound, in seconds, the time to first token and the time
	// per output token in sums; their histograms do not need it.
	TTFT, PerToken Bounds
}

// DefaultEdges returns edges 2^(1/16) apart, 4.4%, from 100 µs to past 120 s.
func DefaultEdges() []time.Duration {
	const first, last = 100 * time.Microsecond, 120 * time.Second
	var edges []time.Duration
	for i := 0; ; i++ {
		e := time.Duration(math.Round(float64(first) * math.Exp2(float64(i)/16)))
		edges = append(edges, e)
		if e > last {
			return edges
		}
	}
}

// complete fills in defaults. Edges that do not ascend are a programmer's
// mistake and panic.
func (o Options) complete() Options {
	if o.Edges == nil {
		o.Edges = DefaultEdges()
	}
	for i, e := range o.Edges {
		if e <= 0 || i > 0 && e <= o.Edges[i-1] {
			panic(fmt.Sprintf("telemetry: latency edge %d (%s) is not above the one before it", i, e))
		}
	}
	o.Arms = min(max(o.Arms, traffic.NumArms), traffic.MaxArms)
	if o.MaxKeys <= 0 {
		o.MaxKeys = DefaultMaxKeys
	}
	if o.MaxClasses <= 0 {
		o.MaxClasses = DefaultMaxClasses
	}
	return o
}
