package engine

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/router"
	"github.com/haldane-dev/haldane/internal/store"
	"github.com/haldane-dev/haldane/internal/workload"
)

// The defaults of a Config.
const (
	DefaultTimeout  = 3 * time.Second
	DefaultInterval = 15 * time.Second
	// DefaultLaterWithin is longer than DefaultTimeout: nobody waits for it.
	DefaultLaterWithin = 30 * time.Second
)

// Spec is what the file says now.
type Spec struct {
	Plan    rollout.Plan
	Metrics []metric.Metric // what the source is to count, by the names in Plan.Analysis
}

// Summary is the optional side of a source that can draw what it counted. It
// is safe for concurrent use.
type Summary interface {
	// Block returns the figures, by arm, of the block whose Sample carried
	// this cursor, or nil if it no longer knows them.
	Block(cursor string) map[string]BlockArm
	// Totals returns, by arm, what was counted since the process began.
	Totals() map[string]Totals
	// Coverage returns, by arm, how many predictions of the present revision
	// got their label, or nil where none are waited for.
	Coverage() map[string]Coverage
}

// Config is everything an Engine needs. Spec and the five ports are required.
type Config struct {
	Spec     Spec
	Workload workload.Workload
	Router   router.Router
	Source   metric.Source
	Store    store.Store
	Journal  store.Journal

	// Outside has a say beside the evidence; the order is that of importance.
	// None: a plan with questions is refused.
	Outside []Outside
	// Listeners are told of events; may be nil.
	Listeners Listeners

	Summary Summary           // nil: blocks and totals without figures
	Mode    string            // of Status; "" is "local"
	Links   map[string]string // of Status
	// Warnings returns more standing conditions for Status, known to whoever
	// runs the engine; may be nil. It is called at every tick and must be quick.
	Warnings func() []string
	Logger   *slog.Logger    // nil: slog.Default()
	Timeout  time.Duration   // of each call of a workload, router or source; 0 is DefaultTimeout
	Changed  <-chan struct{} // wakes the loop early, when a workload has become ready or failed; may be nil

	// Later makes the engine ask the source and not wait for it; it is called,
	// from another goroutine, when an answer has come and the engine should go
	// round. Nil waits, as a loop of its own may.
	Later       func()
	LaterWithin time.Duration // of such a question; 0 is DefaultLaterWithin
	// Lazy leaves the source alone while nothing is compared.
	Lazy bool
	// CountsSaved is how long counts that have decided nothing may wait to be
	// saved, for a store that is dear to write to: after a crash they are
	// collected once more, from the cursor that was saved. 0 saves every block.
	CountsSaved time.Duration

	// The pure core. Nil takes the real one; tests may put another in.
	Next    func(rollout.State, rollout.Observation) rollout.Decision
	StageOf func(rollout.State) analysis.Stage
	Step    func(analysis.Config, analysis.State, analysis.Sample) (analysis.State, analysis.Verdict)
	// Wall is the machine's clock; nil takes time.Now.
	Wall func() time.Time
}

// answerable refuses a plan with questions where there is nobody to ask: the
// rollout would wait for ever.
func (c *Config) answerable(p rollout.Plan) error {
	if len(p.Confirm) == 0 || len(c.Outside) > 0 {
		return nil
	}
	return fmt.Errorf("rollout %s waits for the answer of %s %q, and there is nobody to ask: remove it from the file",
		p.Name, p.Confirm[0].Kind, p.Confirm[0].Name)
}

func (c *Config) complete() error {
	switch {
	case c.Spec.Plan.Name == "":
		return errors.New("engine: the plan has no name")
	case c.Workload == nil || c.Router == nil || c.Source == nil || c.Store == nil || c.Journal == nil:
		return errors.New("engine: workload, router, source, store and journal are all required")
	}
	if err := c.answerable(c.Spec.Plan); err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	c.Mode = cmp.Or(c.Mode, "local")
	c.Logger = cmp.Or(c.Logger, slog.Default())
	c.Timeout = cmp.Or(c.Timeout, DefaultTimeout)
	c.LaterWithin = cmp.Or(c.LaterWithin, DefaultLaterWithin)
	if c.Next == nil {
		c.Next = rollout.Next
	}
	if c.StageOf == nil {
		c.StageOf = rollout.StageOf
	}
	if c.Step == nil {
		c.Step = analysis.Step
	}
	if c.Wall == nil {
		c.Wall = time.Now
	}
	return nil
}
