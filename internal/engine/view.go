package engine

import (
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/experiment"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// Status is what people and programs are told of a rollout: a projection of
// its state and of what was last observed. It is JSON on the API, `-o json` in
// the commands, and what the dashboard draws.
type Status struct {
	Name           string                    `json:"name"`
	Mode           string                    `json:"mode"`               // "local"
	Strategy       rollout.Strategy          `json:"strategy,omitempty"` // "" while there is no plan
	End            rollout.End               `json:"end,omitempty"`      // "Report": nothing is promoted
	Phase          rollout.Phase             `json:"phase"`
	Reason         string                    `json:"reason,omitempty"`
	Waiting        string                    `json:"waiting,omitempty"` // what it waits for now
	Stable         rollout.Revision          `json:"stable"`
	Canary         rollout.Revision          `json:"canary"`
	Attempt        int                       `json:"attempt"`        // at this revision, from 1
	Hold           *Hold                     `json:"hold,omitempty"` // who or what holds it; nil unless Phase is Paused
	Step           int                       `json:"step"`
	Steps          []rollout.Step            `json:"steps"`
	Wanted         traffic.Split             `json:"wanted"`
	Observed       traffic.Observed          `json:"observed"`
	Verdict        analysis.Verdict          `json:"verdict"`
	Workloads      map[string]rollout.Health `json:"workloads"` // by arm
	Began          time.Time                 `json:"began,omitzero"`
	StepBegan      time.Time                 `json:"stepBegan,omitzero"`
	PhaseBegan     time.Time                 `json:"phaseBegan,omitzero"` // in a terminal phase: when it ended
	Deadline       time.Time                 `json:"deadline,omitzero"`
	Now            time.Time                 `json:"now"`
	Totals         map[string]Totals         `json:"totals"`             // by arm, since this process began
	Labels         map[string]Coverage       `json:"labels,omitempty"`   // by arm, of this revision; absent without metrics of labels
	Links          map[string]string         `json:"links,omitempty"`    // "gateway", "dashboard": addresses
	Signals        []rollout.Signal          `json:"signals,omitempty"`  // what hooks, checks and guardrails say now
	Watches        []Watch                   `json:"watches,omitempty"`  // how all of them stand, well or ill
	Warnings       []string                  `json:"warnings,omitempty"` // standing conditions a person should know
	FalseRollback  float64                   `json:"falseRollback"`
	FalsePromotion float64                   `json:"falsePromotion"`
	Experiment     *experiment.View          `json:"experiment,omitempty"` // of a plan that has one
}

// Totals counts one arm since the process began.
type Totals struct {
	Requests  int64 `json:"requests"`  // answered live requests, forced ones included
	Errors    int64 `json:"errors"`    // of those, failed
	Forced    int64 `json:"forced"`    // of those, put there by an always or never match
	Mirrored  int64 `json:"mirrored"`  // copies sent
	Dropped   int64 `json:"dropped"`   // copies not sent because a bound was reached
	Unread    int64 `json:"unread"`    // answers whose predictions could not be read
	Labelled  int64 `json:"labelled"`  // predictions whose label came back
	Predicted int64 `json:"predicted"` // predictions read
}

// Coverage is how many of one arm's predictions a label came for, among those
// that are old enough for the metric's maturity: younger ones may yet get one.
type Coverage struct {
	Predicted int64               `json:"predicted"`
	Labelled  int64               `json:"labelled"`
	Wrong     int64               `json:"wrong"`             // of labelled
	Classes   map[string]Coverage `json:"classes,omitempty"` // by predicted class, "" where none was read
}

// Block is one block of time in the journal: enough to draw it again.
type Block struct {
	Block   int64               `json:"block"`
	Start   time.Time           `json:"start"`
	End     time.Time           `json:"end"`
	Step    int                 `json:"step"`
	Phase   rollout.Phase       `json:"phase"`
	Weight  float64             `json:"weight"` // percent
	Wanted  float64             `json:"wanted"` // percent
	Mirror  float64             `json:"mirror"` // percent
	Verdict analysis.Verdict    `json:"verdict"`
	Arms    map[string]BlockArm `json:"arms"` // "stable", "canary"
}

// BlockArm is what one arm did in a block. Absent figures are null.
type BlockArm struct {
	Requests   int64            `json:"requests"`
	Errors     int64            `json:"errors"`
	P50        *float64         `json:"p50"` // seconds
	P95        *float64         `json:"p95"`
	P99        *float64         `json:"p99"`
	Classes    map[string]int64 `json:"classes,omitempty"`  // predictions per class
	Confidence *float64         `json:"confidence"`         // mean
	Value      *float64         `json:"value"`              // mean numeric prediction
	Labelled   int64            `json:"labelled"`           // labels that matured in this block
	Correct    int64            `json:"correct"`            // of those
	TTFT       *float64         `json:"ttft,omitempty"`     // median time to first token, seconds
	PerToken   *float64         `json:"perToken,omitempty"` // median time per output token, seconds
}
