package check

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// Header is on every request of a check, with the check's name: models may
// leave such requests out of what they record.
const Header = "X-Haldane-Check"

// ErrUnsent means that it is not the candidate's fault that nothing is known: no
// request could be made.
var ErrUnsent = errors.New("cannot be sent")

// Probe asks a server once, at the address of one, like http://10.0.0.7:8080.
// Nil means that it is as it should be. Any other error than ErrUnsent is one
// sentence for a person that says how it is not, to follow the server's name.
// It is safe for concurrent use.
type Probe func(ctx context.Context, address string) error

// Check is one request and what its result does.
type Check struct {
	Name     string // unique
	Probe    Probe
	Every    time.Duration // from a result to the next request
	Timeout  time.Duration // of one request, until the whole answer is there
	Failures int           // in a row that have the effect
	Effect   rollout.Effect
	Start    bool // must pass once before the first step; not with SignalWarn
	Running  bool // over and over while there is traffic
	Both     bool // stable is asked as well when the candidate has failed
	GRPC     bool // the address is to be one that speaks gRPC
	Port     int  // of that address; 0: its first
}

// Addresses tell where an arm answers c now. An error is no fault of the arm.
type Addresses func(ctx context.Context, arm traffic.Arm, c Check) (string, error)

// Arm is one more than stable and the candidate, with what people call it.
type Arm struct {
	Arm  traffic.Arm
	Name string
}

// Config is that of New.
type Config struct {
	Checks    []Check
	Variants  []Arm // that are asked like the candidate
	Addresses Addresses
	Name      string       // of the rollout
	Logger    *slog.Logger // nil: slog.Default()
}

// gate is a check's name among the questions of a rollout.
func gate(name string) string { return "check " + name }

// Confirm returns the questions that a plan with these checks asks.
func Confirm(checks []Check) []rollout.Confirm {
	var out []rollout.Confirm
	for _, c := range checks {
		if c.Start {
			out = append(out, rollout.Confirm{Kind: rollout.ConfirmStart, Name: gate(c.Name)})
		}
	}
	return out
}

// Result is what became of asking the candidate, all variants, and stable.
type Result struct {
	Canary error  // the first that is not nil, of the candidate and the variants; nil: passed
	Who    string // it is of, for a person
	Stable error  // of a check whose candidate failed: nil if stable passed, or was not asked
	Asked  bool   // stable was
}

// Passed reports whether the candidate is as it should be.
func (r Result) Passed() bool { return r.Canary == nil }

// Unsent reports whether nothing is known of the candidate.
func (r Result) Unsent() bool { return errors.Is(r.Canary, ErrUnsent) }

// Shared reports whether stable fails as well.
func (r Result) Shared() bool {
	return !r.Passed() && !r.Unsent() && r.Asked && r.Stable != nil && !errors.Is(r.Stable, ErrUnsent)
}

// Ask asks the candidate and the variants, and stable if one has failed and the
// check is one of both.
func (c Check) Ask(ctx context.Context, at Addresses, variants ...Arm) Result {
	out := Result{Canary: c.One(ctx, traffic.Canary, at), Who: "the candidate"}
	for _, v := range variants {
		if out.Canary != nil {
			break
		}
		out.Canary, out.Who = c.One(ctx, v.Arm, at), v.Name
	}
	if out.Canary != nil && !out.Unsent() && c.Both && ctx.Err() == nil {
		out.Asked, out.Stable = true, c.One(ctx, traffic.Stable, at)
	}
	return out
}

// One asks one arm. The error is a Probe's.
func (c Check) One(ctx context.Context, arm traffic.Arm, at Addresses) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	address, err := at(ctx, arm, c)
	if err != nil {
		return Unsent(err)
	}
	return c.Probe(ctx, address)
}

// Unsent marks an error as no fault of the server: a probe that cannot ask
// returns it.
func Unsent(err error) error { return fmt.Errorf("%w: %w", ErrUnsent, err) }
