package engine

import "github.com/haldane-dev/haldane/internal/rollout"

// WatchKind says what a Watch is.
type WatchKind string

// The kinds of what is watched beside the evidence.
const (
	WatchGuardrail WatchKind = "guardrail" // a number and its limits
	WatchAnomaly   WatchKind = "anomaly"   // a number compared with what it was
	WatchCheck     WatchKind = "check"     // a request with an answer that is expected
	WatchHook      WatchKind = "hook"      // a question to somebody else
	WatchSwitch    WatchKind = "switch"    // a flag or file that somebody else keeps
)

// WatchState is how what is watched stands.
type WatchState string

// The states.
const (
	WatchPassing WatchState = "Passing"
	WatchFailing WatchState = "Failing" // whether or not it has an effect yet, or in a dry run
	WatchUnknown WatchState = "Unknown" // not asked yet, or not answered
)

// WatchStates returns all states.
func WatchStates() []WatchState { return []WatchState{WatchPassing, WatchFailing, WatchUnknown} }

// Watch is how one thing stands that has a say beside the evidence, well or
// ill: a rollout.Signal tells only of what acts. It is for people and decides
// nothing.
type Watch struct {
	Kind   WatchKind      `json:"kind"`
	Name   string         `json:"name"` // unique within its kind
	State  WatchState     `json:"state"`
	Effect rollout.Effect `json:"effect,omitempty"` // what it does once it takes effect, were it no dry run
	DryRun bool           `json:"dryRun,omitempty"`
	Rule   string         `json:"rule,omitempty"` // when it takes effect, in a few words for a person
	Value  *float64       `json:"value,omitempty"`
	Min    *float64       `json:"min,omitempty"` // of Value; nil: no limit
	Max    *float64       `json:"max,omitempty"`
	Says   string         `json:"says,omitempty"` // the newest answer, in a sentence that follows the name
}

// Watcher is the optional side of an Outside that tells how everything stands
// that it watches, in the order of the file. It is called after Signals, from the
// same goroutine, and comes back at once.
type Watcher interface {
	Watches(About) []Watch
}

// watches gathers those of everybody outside.
func (e *Engine) watches(a About) []Watch {
	var out []Watch
	for _, o := range e.cfg.Outside {
		if w, ok := o.(Watcher); ok {
			out = append(out, w.Watches(a)...)
		}
	}
	return out
}
