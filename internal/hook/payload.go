package hook

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"

	"github.com/haldane-dev/haldane/internal/rollout"
)

// payload is the body of a request: Flagger's fields, and ours in one more.
type payload struct {
	Name      string            `json:"name"`
	Namespace string            `json:"namespace"`
	Phase     string            `json:"phase"`
	Checksum  string            `json:"checksum"`
	Metadata  map[string]string `json:"metadata,omitempty"`
	Haldane   detail            `json:"haldane"`
}

// detail is what the other fields have no room for.
type detail struct {
	Hook    string         `json:"hook"`
	When    Kind           `json:"when"`
	ID      string         `json:"id"` // of the question or event: the same when it is put again
	Phase   rollout.Phase  `json:"phase"`
	Stable  string         `json:"stable"`
	Canary  string         `json:"canary"`
	Attempt int            `json:"attempt"`
	Step    int            `json:"step"`   // from 0
	Weight  float64        `json:"weight"` // wanted, percent
	Event   *rollout.Event `json:"event,omitempty"`
}

// body is what h is asked, or told of by event e, about a rollout in state s.
func (c *Config) body(h Hook, id string, s rollout.State, e *rollout.Event) []byte {
	p := payload{
		Name: c.Name, Namespace: c.Namespace, Phase: phase(s), Checksum: s.Plan.Canary.Hash, Metadata: h.Metadata,
		Haldane: detail{
			Hook: h.Name, When: h.When, ID: id, Phase: s.Phase, Stable: s.Plan.Stable.String(), Canary: s.Plan.Canary.String(),
			Attempt: s.Attempt, Step: s.Step, Weight: 100 * s.Weight().Share(), Event: e,
		},
	}
	if e != nil {
		p.Phase = after(e.Kind, p.Phase)
		p.Haldane.Canary, p.Haldane.Attempt, p.Haldane.Step = e.Revision, e.Attempt, e.Step
		p.Metadata = maps.Clone(h.Metadata)
		if p.Metadata == nil {
			p.Metadata = map[string]string{}
		}
		p.Metadata["eventMessage"] = e.Message
		p.Metadata["eventType"] = severity(e.Kind)
		p.Metadata["timestamp"] = strconv.FormatInt(e.At.UnixMilli(), 10)
	}
	out, err := json.Marshal(p)
	if err != nil {
		panic(fmt.Sprintf("hook: a payload does not marshal: %v", err)) // strings and finite numbers always do
	}
	return out
}

// phase is the word that receivers know.
func phase(s rollout.State) string {
	switch s.Phase {
	case rollout.Idle, "":
		return "Initialized"
	case rollout.Promoting:
		return "Promoting"
	case rollout.Promoted, rollout.Completed:
		return "Succeeded"
	case rollout.RollingBack, rollout.RolledBack:
		return "Failed"
	}
	return "Progressing"
}

// after is the phase that an event leads to: the state may have moved on since.
func after(k rollout.EventKind, now string) string {
	switch k {
	case rollout.EventPromoting:
		return "Promoting"
	case rollout.EventPromoted, rollout.EventCompleted:
		return "Succeeded"
	case rollout.EventRollback, rollout.EventRolledBack:
		return "Failed"
	case rollout.EventStarted, rollout.EventReady, rollout.EventStep, rollout.EventPaused, rollout.EventResumed,
		rollout.EventHeld, rollout.EventInvalid, rollout.EventDeadline, rollout.EventRetry, rollout.EventWarned:
		return "Progressing"
	}
	return now
}

// severity is Normal or Warning.
func severity(k rollout.EventKind) string {
	switch k {
	case rollout.EventInvalid, rollout.EventRollback, rollout.EventRolledBack, rollout.EventDeadline, rollout.EventWarned:
		return "Warning"
	}
	return "Normal"
}
