package telemetry

import (
	"time"

	"github.com/haldane-dev/haldane/internal/inference"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// Exchange is everything the data plane tells of one request that was answered
// or failed. The Recorder keeps nothing of it but counts.
type Exchange struct {
	Arm         traffic.Arm
	Generation  uint64 // of the table that decided
	Forced      bool   // by a match: counted apart, never evidence
	Keyed       bool   // decided by a sticky key, whose bucket is Bucket
	Bucket      uint16 // in [0, traffic.Full)
	Half        uint8  // 0 or 1, by a draw that nothing else depends on
	Alone       bool   // stable had all random traffic when this was decided
	Warmup      bool   // a warm-up request or health check: counted apart, never evidence
	Start       time.Time
	Latency     time.Duration // to the last byte, or to the failure
	Status      int           // HTTP status sent to the client
	Failed      bool          // 5xx, no answer, gRPC failure, error inside a stream, stream cut short
	Cancelled   bool          // the client went away first: neither success nor failure
	Protocol    inference.Protocol
	Readable    bool                    // predictions were looked for
	Read        bool                    // and found
	Predictions []inference.Prediction  // valid only during the call
	Stream      *inference.StreamResult // nil unless streamed
}

// Pair is one mirrored request: both answers compared.
type Pair struct {
	Disagree      bool // predictions differ
	StableBad     bool // the arm failed
	CanaryBad     bool
	Comparable    bool // both answers could be read, so that Disagree means something
	Aspects       [NumAspects]Agreement
	StableLatency time.Duration
	CanaryLatency time.Duration
}

// Aspect is one thing that two answers are compared by, besides what they
// predict as a whole.
type Aspect uint8

// The aspects.
const (
	Classes Aspect = iota
	Values
	Texts
	Latencies
	NumAspects
)

// String returns what the file calls it.
func (a Aspect) String() string {
	return [...]string{"class", "value", "text", "latency"}[a]
}

// Agreement is what a comparison found.
type Agreement uint8

// The agreements.
const (
	NotCompared Agreement = iota // nothing to compare
	Agrees
	Differs
)
