package rollout

import (
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/experiment"
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
	WaitSince  time.Time     `json:"waitSince,omitzero"`  // since when it waits for a person; zero if it doesn't
	Excluded   time.Duration `json:"excluded,omitempty"`  // time spent waiting for people before that, not counted against the deadline
	LastSeen   time.Time     `json:"lastSeen,omitzero"`   // the newest Observation.Now; never worth a save by itself

	HeldBy   string `json:"heldBy,omitempty"`   // who paused it; "" for a pause step or no pause
	Reason   string `json:"reason,omitempty"`   // why it is in this phase, one sentence
	Deadline bool   `json:"deadline,omitempty"` // MaxDuration has passed and the plan says Hold
	Exposed  bool   `json:"exposed,omitempty"`  // requests may have reached the canary in this attempt
	Approved bool   `json:"approved,omitempty"` // a person has ended the current pause step
	Alert    string `json:"alert,omitempty"`    // what the last Held or Invalid event was about, while that lasts

	Confirmed []string `json:"confirmed,omitempty"` // the questions of this step that were answered with yes, by Gate.ID
	Asking    bool     `json:"asking,omitempty"`    // all is shown, and only the answer to a question is missing
	Warned    []string `json:"warned,omitempty"`    // the warnings that stand and have been told, sorted

	Superseded bool   `json:"superseded,omitempty"` // RollingBack only to make room for another revision
	Serving    string `json:"serving,omitempty"`    // hash of a promoted revision that still serves as the canary arm while stable takes over
	Leaving    bool   `json:"leaving,omitempty"`    // its traffic is on its way to stable
	Ended      bool   `json:"ended,omitempty"`      // terminal phases and Idle: the arm without traffic need not run any more

	Room  traffic.Weight  `json:"room,omitempty"` // the share of traffic that the canary arm is sized for
	Kept  *traffic.Weight `json:"kept,omitempty"` // the share that stays on the canary until there is room where it is to go; nil: nothing waits for room
	Clear time.Time       `json:"clear,omitzero"` // Idle: since when nothing is known to go to the canary arm

	Want     Desired         `json:"want"`
	Evidence *analysis.State `json:"evidence,omitempty"`
	// Experiment is the evidence on the goal of a plan that has one.
	Experiment *experiment.State `json:"experiment,omitempty"`
	Verdict    analysis.Verdict  `json:"verdict"`
	Cursor     string            `json:"cursor,omitempty"`
	// FirstBlock is the first block that may judge the step in force: those
	// before it were taken before its traffic flowed.
	FirstBlock int64 `json:"firstBlock,omitempty"`

	Seen    []string `json:"seen,omitempty"`    // IDs of obeyed commands, the newest 256
	Refused []Reply  `json:"refused,omitempty"` // answers to refused commands, the newest 64: a repetition is not obeyed later
	Events  []Event  `json:"events,omitempty"`  // not yet delivered, the newest 256
	Emitted uint64   `json:"emitted,omitempty"` // events of this rollout so far
	// Told is how far each listener has been told of events: the Number of the
	// newest one it need not hear again, by the listener's name.
	Told    map[string]uint64 `json:"told,omitempty"`
	Retired map[string]Past   `json:"retired,omitempty"` // revisions that left, by Revision.Hash, the newest 32
}

// Past is how a revision left. A Phase that is not terminal means that it was
// displaced by another one before it was judged: it may run again, as its next
// attempt, without a retry.
type Past struct {
	Phase   Phase     `json:"phase"`
	Attempt int       `json:"attempt"`
	At      time.Time `json:"at"`
	Reason  string    `json:"reason"`
	Over    string    `json:"over,omitempty"` // Revision.Hash of stable at that time
}

// Weight returns the canary's weight that the state wants.
func (s State) Weight() traffic.Weight { return s.Want.Split.Canary }
