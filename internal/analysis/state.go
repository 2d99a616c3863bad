package analysis

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/haldane-dev/haldane/internal/stats"
)

// stateVersion is the format of State written by this build.
//
//	1: as first released
//	2: intervals, passes that stay, a wrong split that stays wrong
const stateVersion = 2

// State is all that Step remembers. Its size depends on the configuration and on
// the number of edges and classes, not on the number of blocks. It holds only
// finite numbers, so JSON keeps it bit for bit. The zero value has seen nothing.
// A State is never modified once returned; copies may share memory.
type State struct {
	Version     int           `json:"version"`               // format of what follows
	Blocks      int64         `json:"blocks"`                // how many were taken in
	LastBlock   int64         `json:"lastBlock"`             // the newest of them
	FirstCanary int64         `json:"firstCanary,omitempty"` // when the canary's first traffic was counted, Unix nanoseconds
	Warm        bool          `json:"warm,omitempty"`        // the canary's warm-up is over
	Stage       Stage         `json:"stage"`                 // of the newest block
	Traffic     trafficState  `json:"traffic"`
	Metrics     []metricState `json:"metrics,omitempty"` // in the order of Config.Metrics
	Verdict     Verdict       `json:"verdict"`           // after the newest block
}

// UnmarshalJSON reads a state of this format or an older one. What an older one
// does not hold begins at the next block: intervals, the passes of the step under
// way. A newer format is refused, because judging by half of a state would break
// the error rates.
func (s *State) UnmarshalJSON(raw []byte) error {
	type plain State
	var p plain
	if err := json.Unmarshal(raw, &p); err != nil {
		return fmt.Errorf("read the evidence: %w", err)
	}
	if p.Version > stateVersion {
		return fmt.Errorf("read the evidence: it is of format %d and this version of Haldane knows formats up to %d: run a newer one", p.Version, stateVersion)
	}
	*s = State(p)
	return nil
}

// trafficState is the check that traffic was split as configured.
type trafficState struct {
	Check    stats.Traffic `json:"check"`
	Total    float64       `json:"total"`           // random decisions so far
	Canary   float64       `json:"canary"`          // of which went to the canary
	Expected float64       `json:"expected"`        // and how many should have
	Wrong    bool          `json:"wrong,omitempty"` // the split was once shown not to be as configured
}

// metricState is one metric's evidence. One of the pointers is set, by kind.
type metricState struct {
	Since   int64    `json:"since,omitempty"`   // start of the first block that was evidence, Unix nanoseconds
	Weight  float64  `json:"weight"`            // traffic share of the newest block
	Pending *pending `json:"pending,omitempty"` // counts waiting for the other arm
	Flow    flow     `json:"flow"`
	StableN int64    `json:"stableN"` // trials that count as evidence
	CanaryN int64    `json:"canaryN"`
	Phi     float64  `json:"phi"`               // dispersion by which the newest block was tempered
	Invalid string   `json:"invalid,omitempty"` // what was wrong with the newest block's counts
	Void    string   `json:"void,omitempty"`    // why the metric can no longer be compared at all
	Alone   silence  `json:"alone,omitzero"`    // of the canary, at this weight before its first trial
	Users   *users   `json:"users,omitempty"`   // where users stay on their arm and are counted by group
	Passed  bool     `json:"passed"`            // shown to be within the margin at this step

	Share   *shareState   `json:"share,omitempty"`
	Latency *latencyState `json:"latency,omitempty"`
	Drift   *driftState   `json:"drift,omitempty"`
	Mean    *meanState    `json:"mean,omitempty"`
	Pairs   *pairsState   `json:"pairs,omitempty"`

	PairedErrors  *pairedState        `json:"pairedErrors,omitempty"`
	PairedLatency *pairedLatencyState `json:"pairedLatency,omitempty"`
	ErrorShare    *errorShareState    `json:"errorShare,omitempty"`
	Gauge         *gaugeState         `json:"gauge,omitempty"`
	Unbounded     *unboundedState     `json:"unbounded,omitempty"`
}

// silence is what one arm did, and for how long, while the other did nothing.
type silence struct {
	Trials  int64   `json:"trials"`
	Seconds float64 `json:"seconds"`
}

// flow is how fast trials came lately, discounted by age.
type flow struct {
	Seconds float64 `json:"seconds"`
	Stable  float64 `json:"stable"`
	Canary  float64 `json:"canary"`
}

// add accounts for trials counted over some seconds.
func (f *flow) add(stable, canary, seconds, decay float64) {
	f.Seconds = f.Seconds*decay + seconds
	f.Stable = f.Stable*decay + stable
	f.Canary = f.Canary*decay + canary
}

// perSecond returns trials per second of stable and canary, 0 if not known.
func (f flow) perSecond() (stable, canary float64) {
	if f.Seconds <= 0 {
		return 0, 0
	}
	return f.Stable / f.Seconds, f.Canary / f.Seconds
}

// pending are counts carried over until both arms have some.
type pending struct {
	Measure Measure `json:"measure"`
	Seconds float64 `json:"seconds"`
}

// clone returns a copy of s that may be modified without touching s.
func (s State) clone() State {
	s.Metrics = slices.Clone(s.Metrics)
	for i := range s.Metrics {
		s.Metrics[i] = s.Metrics[i].clone()
	}
	return s
}

// clone copies what Step changes in place; Pending is replaced, never changed.
func (m metricState) clone() metricState {
	m.Share = cloned(m.Share, shareState.clone)
	m.Latency = cloned(m.Latency, latencyState.clone)
	m.Drift = cloned(m.Drift, driftState.clone)
	m.Mean = cloned(m.Mean, meanState.clone)
	m.Pairs = cloned(m.Pairs, pairsState.clone)
	m.PairedErrors = cloned(m.PairedErrors, pairedState.clone)
	m.PairedLatency = cloned(m.PairedLatency, pairedLatencyState.clone)
	m.ErrorShare = cloned(m.ErrorShare, errorShareState.clone)
	m.Gauge = cloned(m.Gauge, func(s gaugeState) gaugeState { return s })
	m.Unbounded = cloned(m.Unbounded, func(s unboundedState) unboundedState { return s })
	m.Users = cloned(m.Users, users.clone)
	return m
}

func cloned[T any](p *T, clone func(T) T) *T {
	if p == nil {
		return nil
	}
	c := clone(*p)
	return &c
}

// judge returns the part of the state that knows the metric's kind, or nil for a
// kind this build does not know.
func (m *metricState) judge(cfg Metric) judge {
	switch cfg.Kind {
	case ErrorRate, Outcome:
		return lazily(&m.Share)
	case Latency:
		return lazily(&m.Latency)
	case Drift:
		return lazily(&m.Drift)
	case Mean:
		if cfg.Unbounded {
			return lazily(&m.Unbounded)
		}
		return lazily(&m.Mean)
	case Pairs:
		return lazily(&m.Pairs)
	case PairedErrors:
		return lazily(&m.PairedErrors)
	case PairedLatency:
		return lazily(&m.PairedLatency)
	case ErrorShare:
		return lazily(&m.ErrorShare)
	case Gauge:
		return lazily(&m.Gauge)
	default:
		return nil
	}
}

func lazily[T any](p **T) *T {
	if *p == nil {
		*p = new(T)
	}
	return *p
}
