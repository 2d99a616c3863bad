package rollout

import (
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// StateVersion is the format of State written by this version. Older ones are
// read; newer ones are refused.
const StateVersion = 1

// State is everything a rollout remembers, plain data of bounded size. The
// zero State is a rollout that has not begun.
type State struct {
	Version  int    `json:"version"`
	Plan     Plan   `json:"plan"` // the snapshot
	Phase    Phase  `json:"phase"`
	Attempt  int    `json:"attempt"` // of this revision, from 1
	Sequence uint64 `json:"sequence"`

	Step       int           `json:"step"`                // index into Plan.Steps
	Began      time.Time     `json:"began,omitzero"`      // when this attempt began
	Live       time.Time     `json:"live,omitzero"`       // first canary traffic observed
	StepBegan  time.Time     `json:"stepBegan,omitzero"`  // when observed traffic first equalled what the step wants; zero until then
	PhaseBegan time.Time     `json:"phaseBegan,omitzero"` // when the phase began
	Excluded   time.Duration `json:"excluded,omitempty"`  // time spent waiting for people, not counted against the deadline

	HeldBy   string `json:"heldBy,omitempty"`   // who paused it; "" for a pause step or no pause
	Reason   string `json:"reason,omitempty"`   // why it is in this phase, one sentence
	Deadline bool   `json:"deadline,omitempty"` // MaxDuration has passed and the plan says Hold

	Want     Desired          `json:"want"`
	Evidence *analysis.State  `json:"evidence,omitempty"`
	Verdict  analysis.Verdict `json:"verdict"`
	Cursor   string           `json:"cursor,omitempty"`

	Seen    []string        `json:"seen,omitempty"`    // IDs of obeyed commands, the newest 256
	Events  []Event         `json:"events,omitempty"`  // not yet delivered, bounded
	Retired map[string]Past `json:"retired,omitempty"` // revisions that ended, by Revision.Hash, the newest 32
}

// Past is how a revision ended.
type Past struct {
	Phase   Phase     `json:"phase"`
	Attempt int       `json:"attempt"`
	At      time.Time `json:"at"`
	Reason  string    `json:"reason"`
}

// Weight returns the canary's weight that the state wants.
func (s State) Weight() traffic.Weight { return s.Want.Split.Canary }
