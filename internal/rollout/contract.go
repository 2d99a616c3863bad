package rollout

import (
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/experiment"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// ID names a rollout: its metadata name, with the namespace before a slash
// where there is one.
type ID string

// Revision identifies a version of the model: the user's own name of it and a
// hash of everything that makes it what it is.
type Revision struct {
	Version string `json:"version"` // as people call it: "v2"
	Hash    string `json:"hash"`    // of the whole specification of that arm
}

// Plan is the snapshot of the file that a rollout runs by. It is taken when a
// revision begins; later edits of the file wait for the next one.
type Plan struct {
	Name        ID              `json:"name"`
	Stable      Revision        `json:"stable"`
	Canary      Revision        `json:"canary"`
	Steps       []Step          `json:"steps"`
	Split       traffic.Split   `json:"split"` // template: Salt, Sticky, Always, Never; weights and generation are the core's
	Analysis    analysis.Config `json:"analysis"`
	MaxDuration time.Duration   `json:"maxDuration"` // from the first canary traffic, pauses for approval excluded; 0: no deadline
	OnDeadline  OnDeadline      `json:"onDeadline"`
	ReadyWithin time.Duration   `json:"readyWithin"` // how long the candidate may take to become ready; 0: ten minutes
	ScaleDown   time.Duration   `json:"scaleDown"`   // delay between the end of its traffic and the end of an arm
	Confirm     []Confirm       `json:"confirm,omitempty"`
	End         End             `json:"end,omitempty"` // what the end of the ladder is; "" is EndPromote
	// Experiment compares arms by a goal at the first and only judged step; nil:
	// two versions are compared by their metrics. Plan.Analysis then judges each
	// treatment against the control, and the canary's hash is that of all treatments.
	Experiment *experiment.Config `json:"experiment,omitempty"`
}

// End says what follows when the last step has shown what it has to.
type End string

// The ends of a ladder.
const (
	EndPromote End = "Promote" // the candidate takes stable's place
	EndReport  End = "Report"  // all traffic goes back to stable, the candidate ends, and what was learnt is kept
)

// reports reports whether the plan ends without a promotion.
func (p Plan) reports() bool { return p.End == EndReport }

// Strategy names what a plan does with the candidate, as its file does.
type Strategy string

// The strategies.
const (
	StrategyCanary     Strategy = "canary"
	StrategyBlueGreen  Strategy = "blueGreen"
	StrategyShadow     Strategy = "shadow"
	StrategyExperiment Strategy = "experiment"
)

// Strategies returns all strategies.
func Strategies() []Strategy {
	return []Strategy{StrategyCanary, StrategyBlueGreen, StrategyShadow, StrategyExperiment}
}

// Strategy returns the strategy that the plan was compiled from, told by its
// steps and its end; "" of an empty plan.
func (p Plan) Strategy() Strategy {
	switch {
	case len(p.Steps) == 0:
		return ""
	case p.Experiment != nil:
		return StrategyExperiment
	case p.reports():
		return StrategyShadow
	case p.Steps[0].Preview:
		return StrategyBlueGreen
	}
	return StrategyCanary
}

// Confirm is a question that must be answered with yes, by a hook or a check,
// before the rollout goes on.
type Confirm struct {
	Kind GateKind `json:"kind"`
	Name string   `json:"name"` // unique within its kind
}

// OnDeadline says what happens when MaxDuration ends without a verdict.
type OnDeadline string

// What can happen at the deadline. Never promotion.
const (
	HoldAtDeadline     OnDeadline = "Hold"
	RollbackAtDeadline OnDeadline = "Rollback"
)

// Step is one rung of the ladder. Exactly one of Weight, Shadow, Pause and
// Preview is set, but that a preview may be mirrored to. Weight 100% without a
// time is the last and needs no gate of its own: the step before it is the last
// gate. With a time, there is nobody to compare with, and what judges it is
// outside.
type Step struct {
	Weight traffic.Weight `json:"weight,omitempty"`
	Shadow traffic.Weight `json:"shadow,omitempty"` // mirror this share at canary weight 0
	Pause  *Pause         `json:"pause,omitempty"`
	Factor float64        `json:"factor,omitempty"` // promotion margins × this at a Weight step; ≥ 1
	// Preview lets the candidate be reached at weight 0, by an address of its
	// own and by what always matches.
	Preview bool `json:"preview,omitempty"`
	// For is how long the step takes at least, whatever is shown before.
	For time.Duration `json:"for,omitempty"`
}

// Pause holds the weight of the step before: for a time, or, with For zero,
// until somebody promotes. Analysis goes on during it.
type Pause struct {
	For time.Duration `json:"for,omitempty"`
}

// Phase is where a rollout stands.
type Phase string

// The phases.
const (
	Idle         Phase = "Idle"         // no candidate
	Initializing Phase = "Initializing" // the candidate starts; no traffic yet
	Progressing  Phase = "Progressing"  // up the ladder
	Paused       Phase = "Paused"       // held by a person, a pause step, or the deadline
	Promoting    Phase = "Promoting"    // all traffic to the candidate, then stable's place
	Promoted     Phase = "Promoted"     // terminal for the revision
	Completing   Phase = "Completing"   // all is shown and nothing is to be promoted: all traffic to stable
	Completed    Phase = "Completed"    // terminal for the revision: the verdict stands, stable serves
	RollingBack  Phase = "RollingBack"  // all traffic to stable, then the candidate ends
	RolledBack   Phase = "RolledBack"   // terminal for the revision
)

// Phases returns all phases, in the order of a rollout's life.
func Phases() []Phase {
	return []Phase{Idle, Initializing, Progressing, Paused, Promoting, Promoted, Completing, Completed, RollingBack, RolledBack}
}

// Terminal reports whether nothing more happens to this revision by itself.
func (p Phase) Terminal() bool { return p == Promoted || p == Completed || p == RolledBack }

// Verb is what a person or a pipeline asks for.
type Verb string

// The verbs.
const (
	Promote Verb = "promote" // end the current pause, or give it MaxDuration again at its deadline; with Full, skip every remaining gate
	Abort   Verb = "abort"   // roll back now
	Hold    Verb = "pause"   // hold the current weight; analysis goes on
	Resume  Verb = "resume"  // end a pause that a person began
	Retry   Verb = "retry"   // run a rolled-back revision again, as its next attempt
)

// Command is one request to act. Its ID makes it exactly-once: the ID is saved
// with the decision that obeyed it. Revision and Step, where set, must be the
// current ones.
type Command struct {
	ID       string    `json:"id"`
	Verb     Verb      `json:"verb"`
	Full     bool      `json:"full,omitempty"`
	Revision string    `json:"revision,omitempty"` // Revision.Hash or Version
	Step     *int      `json:"step,omitempty"`
	By       string    `json:"by,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	At       time.Time `json:"at"`
}

// Reply says what became of a command.
type Reply struct {
	ID       string `json:"id"`
	Accepted bool   `json:"accepted"`
	Message  string `json:"message"` // one sentence for a person: what happens now, or why not and what to do
}

// Role is an arm as a workload sees it.
type Role = traffic.Arm

// Health is what a workload reports of one role.
type Health struct {
	Ready    bool      `json:"ready"`
	Failed   bool      `json:"failed"` // will not become ready by itself: say why in Message
	Message  string    `json:"message,omitempty"`
	Revision string    `json:"revision,omitempty"` // Revision.Hash of what runs, "" if nothing does
	Restarts int       `json:"restarts,omitempty"`
	Since    time.Time `json:"since,omitzero"`
	// Short is the share of all traffic that what is ready of the role has no
	// room for; 0 where nothing limits it, or nobody knows.
	Short traffic.Weight `json:"short,omitempty"`
	// Ours: it would be ready if Haldane had done what it has yet to do. The time
	// that takes does not count against the arm.
	Ours bool `json:"ours,omitempty"`
	// Reachable is when whoever sends traffic can be expected to know where the role
	// is; zero: as soon as it is ready. A role that has no traffic gets none before.
	Reachable time.Time `json:"reachable,omitzero"`
}

// GateKind says what is asked.
type GateKind string

// The kinds of gate, by what waits for the answer.
const (
	ConfirmStart     GateKind = "start"     // the first step
	ConfirmStep      GateKind = "step"      // each later step
	ConfirmPromotion GateKind = "promotion" // all traffic
)

// Gate is a question that Next wants put to the outside before its next call.
type Gate struct {
	ID   string   `json:"id"` // deterministic; the answer carries it
	Kind GateKind `json:"kind"`
	Name string   `json:"name"`
}

// GateResult is the answer to a Gate.
type GateResult struct {
	ID      string `json:"id"`
	Passed  bool   `json:"passed"`
	Message string `json:"message,omitempty"`
}

// Observation is everything Next may know. Equal observations of equal states
// give equal decisions.
type Observation struct {
	Now       time.Time
	Plan      Plan // the plan of the file as it is now; adopted when a revision begins
	Commands  []Command
	Workloads map[Role]Health
	Traffic   traffic.Observed
	Gates     []GateResult     // answers to the asks of earlier decisions
	Signals   []Signal         // what stands now, in order of importance
	Verdict   analysis.Verdict // of the last block; its Stage and Block say what it is about. Counts only together with Evidence
	Evidence  *analysis.State  // the state after that block, saved with the decision; nil if no block was taken since the last call
	// Experiment is likewise what the block made of the experiment's evidence.
	Experiment *experiment.State
	Judged     Judged // the attempt that Verdict and Evidence are about; the zero value is the current one
	// NextBlock is the number of the first block that begins at Now or later: what
	// those before it hold was counted, at least in part, before this was observed.
	// One may be on its way still. 0 if no block is open.
	NextBlock int64
	Cursor    string // the source's position after that block
	Blind     string // why no sample could be had since the last call, "" if one was
}

// Judged names an attempt at a revision, so that a verdict which arrives after
// the next one has begun is recognised and dropped.
type Judged struct {
	Revision string // Revision.Hash of the candidate
	Attempt  int
}

// Scale says which workloads should run.
type Scale struct {
	Stable bool `json:"stable"`
	Canary bool `json:"canary"`
	// Promoted says that the candidate has taken stable's place: the arm
	// named canary serves everything and the old stable may end.
	Promoted bool `json:"promoted,omitempty"`
	// Revision is what the canary arm is to run, by Revision.Hash. A workload
	// whose specification changes under its hands gives the arm to another
	// revision only when this names it: traffic has left by then.
	Revision string `json:"revision,omitempty"`
	// Room is the share of all traffic that the canary arm has to have room
	// for. It grows before the weight does and shrinks after it.
	Room traffic.Weight `json:"room,omitempty"`
	// Draining says that the canary arm is not needed and may still have
	// traffic: where ending it would be felt, what runs of it goes on. Nothing
	// is started.
	Draining bool `json:"draining,omitempty"`
}

// Desired is the whole target, level-triggered. Applying it again changes nothing.
type Desired struct {
	Split traffic.Split `json:"split"`
	Scale Scale         `json:"scale"`
}

// EventKind names what happened, for filters and icons.
type EventKind string

// The kinds of event.
const (
	EventStarted    EventKind = "Started"
	EventReady      EventKind = "Ready"
	EventStep       EventKind = "Step"
	EventPaused     EventKind = "Paused"
	EventResumed    EventKind = "Resumed"
	EventHeld       EventKind = "Held"    // waits for data, traffic or a trustworthy comparison
	EventInvalid    EventKind = "Invalid" // the comparison cannot be trusted
	EventPromoting  EventKind = "Promoting"
	EventPromoted   EventKind = "Promoted"
	EventCompleted  EventKind = "Completed"
	EventRollback   EventKind = "RollingBack"
	EventRolledBack EventKind = "RolledBack"
	EventDeadline   EventKind = "Deadline"
	EventCommand    EventKind = "Command"
	EventRetry      EventKind = "Retry"
	EventWarned     EventKind = "Warned" // somebody outside warns, and nothing else
	EventClosed     EventKind = "Closed" // an arm of an experiment has no more traffic
)

// Event is an edge: something changed. IDs are deterministic, so that one
// delivered twice can be recognised; it stays in State until delivered.
type Event struct {
	ID       string    `json:"id"`
	Number   uint64    `json:"number"` // of this rollout's events, from 1
	At       time.Time `json:"at"`
	Kind     EventKind `json:"kind"`
	Revision string    `json:"revision"` // Revision.Version
	Attempt  int       `json:"attempt"`
	Step     int       `json:"step"`
	Message  string    `json:"message"` // one sentence for a person, with the numbers
	By       string    `json:"by,omitempty"`
}

// Decision is what Next wants. State is saved BEFORE anything else in it is
// applied.
type Decision struct {
	State   State
	Want    Desired
	Asks    []Gate
	Events  []Event // new since the State that went in; also in State.Events until delivered
	Replies []Reply // to the commands that came in
	Wake    time.Time
	Waiting string // one sentence: what the rollout waits for now
}
