package feedback

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/haldane-dev/haldane/internal/traffic"
)

// The defaults of Options.
const (
	DefaultMaturity     = 30 * time.Minute
	DefaultTTL          = 24 * time.Hour
	DefaultCohortLength = 15 * time.Second
	DefaultMaxClasses   = 64
	DefaultMaxQueue     = 1 << 16
	DefaultMaxBody      = 1 << 20
	DefaultMaxItems     = 1000

	// OtherClass is the name under which all classes beyond MaxClasses count.
	OtherClass = "(other)"

	flushEvery = time.Second
	pruneEvery = time.Minute
)

// Options say what a Ledger takes and how long it keeps it. Zero fields take
// their defaults, except Rollout, which is required.
type Options struct {
	Rollout  string // the rollout's name; IDs of others are unknown
	Revision string // of the candidate now; see Ledger.SetRevision
	Arms     int    // from 2, the default, to traffic.MaxArms; IDs of further ones are unknown

	// Maturity is the age at which predictions stop taking labels: the longest
	// maturity of the metrics.
	Maturity time.Duration
	// TTL is how long anything is kept. Raised to twice Maturity if less.
	TTL time.Duration
	// CohortLength is the length of a cohort; with a block's length, each block
	// takes one cohort.
	CohortLength time.Duration

	Lower, Upper float64 // bounds to which values are clipped; equal: no bounds, and no histogram

	// Events are the names of events that metrics ask for, and the bounds to
	// which their values are clipped; equal: none. Others are not kept.
	Events map[string]Bounds
	// UserKey is what Prediction.User is made of; nil: predictions have no users,
	// and an event that quotes one is refused.
	UserKey func(user string) uint64

	MaxClasses int   // predicted classes told apart; the rest are OtherClass
	MaxQueue   int   // request IDs waiting to be written; further ones are dropped and counted
	MaxBody    int64 // bytes of one feedback request
	MaxItems   int   // items of one feedback request

	Now    func() time.Time // the clock; default time.Now
	Logger *slog.Logger     // default slog.Default()
}

// Bounds are the least and the greatest value.
type Bounds struct{ Lower, Upper float64 }

func (o Options) complete() (Options, error) {
	if o.Rollout == "" {
		return o, fmt.Errorf("feedback: the rollout has no name")
	}
	if o.Maturity < 0 || o.TTL < 0 || o.CohortLength < 0 {
		return o, fmt.Errorf("feedback: maturity %s, time to live %s, cohort length %s: none may be negative", o.Maturity, o.TTL, o.CohortLength)
	}
	if o.Lower > o.Upper {
		return o, fmt.Errorf("feedback: bounds of the value are %g and %g: the lower comes first", o.Lower, o.Upper)
	}
	for name, b := range o.Events {
		if name == "" || len(name) > maxEvent || b.Lower > b.Upper {
			return o, fmt.Errorf("feedback: event %q with bounds %g and %g: it needs a name of at most %d bytes, and the lower bound comes first", name, b.Lower, b.Upper, maxEvent)
		}
	}
	o.Arms = min(max(o.Arms, traffic.NumArms), traffic.MaxArms)
	setDefault(&o.Maturity, DefaultMaturity)
	setDefault(&o.TTL, DefaultTTL)
	setDefault(&o.CohortLength, DefaultCohortLength)
	setDefault(&o.MaxClasses, DefaultMaxClasses)
	setDefault(&o.MaxQueue, DefaultMaxQueue)
	setDefault(&o.MaxBody, DefaultMaxBody)
	setDefault(&o.MaxItems, DefaultMaxItems)
	// Cohorts are named by whole milliseconds.
	o.CohortLength = max(o.CohortLength.Truncate(time.Millisecond), time.Millisecond)
	o.TTL = max(o.TTL, 2*o.Maturity, o.Maturity+2*o.CohortLength)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o, nil
}

func setDefault[T int | int64 | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}
