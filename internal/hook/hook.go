package hook

import (
	"context"
	"log/slog"
	"time"

	"github.com/haldane-dev/haldane/internal/outbound"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// Kind says when a hook is called.
type Kind string

// The kinds, in the order of a rollout.
const (
	ConfirmRollout         Kind = "confirmRollout"         // before the first step; must say yes
	PreRollout             Kind = "preRollout"             // a test before the first step; must say yes
	ConfirmTrafficIncrease Kind = "confirmTrafficIncrease" // before each step; must say yes
	Rollout                Kind = "rollout"                // a test, over and over while there is traffic
	Rollback               Kind = "rollback"               // asked over and over; yes takes the candidate back
	ConfirmPromotion       Kind = "confirmPromotion"       // before all traffic; must say yes
	PostRollout            Kind = "postRollout"            // told of the end
	Event                  Kind = "event"                  // told of everything
)

// Kinds returns all kinds, in the order of a rollout.
func Kinds() []Kind {
	return []Kind{ConfirmRollout, PreRollout, ConfirmTrafficIncrease, Rollout, Rollback, ConfirmPromotion, PostRollout, Event}
}

// Hook is one receiver and when it is called.
type Hook struct {
	Name     string // unique
	When     Kind
	URL      string
	Header   map[string]string
	Metadata map[string]string // sent with every request
	Timeout  time.Duration     // of one attempt
	Retries  int               // more attempts when there was no answer
	FailOpen bool              // no answer does not hold
	Every    time.Duration     // between two questions of the same kind
	Failures int               // noes in a row of a test that take back
	// Secret returns what requests are signed with; nil leaves them unsigned.
	Secret func(context.Context) ([]byte, error)
}

// gates returns what has to be confirmed by a hook.
func (h Hook) gates() []rollout.GateKind {
	switch h.When {
	case ConfirmRollout, PreRollout:
		return []rollout.GateKind{rollout.ConfirmStart}
	case ConfirmTrafficIncrease:
		return []rollout.GateKind{rollout.ConfirmStart, rollout.ConfirmStep}
	case ConfirmPromotion:
		return []rollout.GateKind{rollout.ConfirmPromotion}
	}
	return nil
}

// Confirm returns the questions that a plan with these hooks asks, in the order
// they are asked in: by kind, and within a kind as the file has them.
func Confirm(hooks []Hook) []rollout.Confirm {
	var out []rollout.Confirm
	for _, k := range Kinds() {
		for _, h := range hooks {
			if h.When != k {
				continue
			}
			for _, g := range h.gates() {
				out = append(out, rollout.Confirm{Kind: g, Name: h.Name})
			}
		}
	}
	return out
}

// Config is that of New.
type Config struct {
	Hooks     []Hook
	Name      string // of the rollout
	Namespace string // "" outside a cluster
	Client    *outbound.Client
	Logger    *slog.Logger // nil: slog.Default()
}
