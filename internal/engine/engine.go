package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/store"
)

// ErrStopped means that the engine runs no more.
var ErrStopped = errors.New("the engine has stopped")

// Outcome is how a rollout ended for whoever waits for it.
type Outcome struct {
	Phase  rollout.Phase // Promoted, Completed, RolledBack, or Paused when held at the deadline
	Held   bool          // at its deadline, undecided
	Reason string
}

// Engine drives one rollout.
type Engine struct {
	cfg  Config
	id   rollout.ID
	log  *slog.Logger
	subs subscribers

	requests chan *request
	reloaded chan struct{} // holds one token when spec has changed
	specMu   sync.Mutex
	spec     Spec

	view    atomic.Pointer[Status]
	ended   chan struct{} // closed at the first outcome
	outcome atomic.Pointer[Outcome]
	stopped chan struct{} // closed when Run has returned

	// What follows belongs to Run alone.
	clock     *clock
	jumpTold  time.Duration // the jump of the clock that the log was last told of
	state     rollout.State // what the store holds at version, but for unsaved and what may wait
	stored    rollout.State // what the store holds at version
	storedAt  time.Time     // since when it is known to be there; zero before the first Save
	version   store.Version
	unsaved   bool // state is applied and could not be saved
	want      rollout.Desired
	wanted    bool // a want has been decided or was loaded
	waiting   string
	block     openBlock
	number    int64       // of the newest block taken in
	due       time.Time   // when the open block is to be closed
	asked     *asking     // the closed block whose counts are on their way
	cuts      []openBlock // those behind the one that follows it, which begin where the one before is over
	unask     func()      // gives such a question up; nil before the first
	blindFrom time.Time   // since when the source has given nothing; zero if it has
	anew      bool        // the next block begins without the cursor of the one before
	delivered map[string]bool
	told      map[string]uint64 // how far each listener is; replaced, never written to
	asks      []rollout.Gate    // of the last saved decision
	untold    atomic.Int64
	applied   *rollout.Desired // what the ports took last, nil if that is not known
	seen      gathered
	back      []*request // to be handed to the next tick
	trouble   troubles
	doors     doors
}

// doors are the ways into the ports, one call at a time through each.
type doors struct {
	router, workload, source, applyRouter, applyWorkload door
}

// New returns an engine that does nothing until Run.
func New(c Config) (*Engine, error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	e := &Engine{
		cfg: c, id: c.Spec.Plan.Name, spec: c.Spec,
		log:       c.Logger.With("rollout", string(c.Spec.Plan.Name)),
		requests:  make(chan *request, 64),
		reloaded:  make(chan struct{}, 1),
		ended:     make(chan struct{}),
		stopped:   make(chan struct{}),
		delivered: map[string]bool{},
		doors: doors{
			router:        door{what: "observe the router"},
			workload:      door{what: "observe the workloads"},
			source:        door{what: "collect the metrics"},
			applyRouter:   door{what: "apply the split"},
			applyWorkload: door{what: "apply the scale"},
		},
	}
	e.trouble.log = e.log
	e.view.Store(&Status{
		Name: string(e.id), Mode: c.Mode, Phase: rollout.Idle, Links: c.Links, Waiting: "the engine has not started yet",
		Stable: c.Spec.Plan.Stable, Canary: c.Spec.Plan.Canary, Steps: c.Spec.Plan.Steps,
		Strategy: c.Spec.Plan.Strategy(),
	})
	e.bind()
	return e, nil
}

// request is a command on its way to the loop and back.
type request struct {
	command rollout.Command
	answer  chan answer // takes one
}

type answer struct {
	reply rollout.Reply
	err   error
}

// Submit hands a command to the loop and returns the reply after the Save of
// the decision that answered it. A command without an ID gets one; sent again
// with the same ID it is obeyed once. An error means that nothing is known to
// have been obeyed: send the same command again.
func (e *Engine) Submit(ctx context.Context, c rollout.Command) (rollout.Reply, error) {
	if c.ID == "" {
		c.ID = rand.Text()
	}
	r := &request{command: c, answer: make(chan answer, 1)}
	select {
	case e.requests <- r:
	case <-ctx.Done():
		return rollout.Reply{ID: c.ID}, fmt.Errorf("%s: %w", c.Verb, context.Cause(ctx))
	case <-e.stopped:
		return rollout.Reply{ID: c.ID}, fmt.Errorf("%s: %w", c.Verb, ErrStopped)
	}
	var why error
	select {
	case a := <-r.answer:
		return a.reply, a.err
	case <-ctx.Done():
		why = context.Cause(ctx)
	case <-e.stopped:
		why = ErrStopped
	}
	// A command that ends the rollout may end the process too, and the answer
	// is there by then.
	select {
	case a := <-r.answer:
		return a.reply, a.err
	default:
		return rollout.Reply{ID: c.ID}, fmt.Errorf("%s: %w", c.Verb, why)
	}
}

// Status returns what was last decided and observed.
func (e *Engine) Status() Status {
	s := *e.view.Load()
	s.Links = maps.Clone(s.Links)
	if e.cfg.Summary != nil {
		s.Totals = e.cfg.Summary.Totals()
		s.Labels = e.cfg.Summary.Coverage()
		if w := uneven(s.Labels); w != "" {
			s.Warnings = append(slices.Clone(s.Warnings), w)
		}
	}
	return s
}

// Subscribe returns a channel of what happens from now on and a function that
// ends it. A subscriber that does not read loses the oldest updates. The
// channel is closed at the end of the subscription or of the engine. Blocks
// and events are in the journal before they are published.
func (e *Engine) Subscribe() (<-chan Update, func()) { return e.subs.subscribe() }

// Reload replaces the file's contents. A rollout under way keeps the plan it
// began with; the new one counts from the next revision on.
func (e *Engine) Reload(s Spec) error {
	if s.Plan.Name != e.id {
		return fmt.Errorf("the file now names the rollout %q instead of %q: a rename needs a restart", s.Plan.Name, e.id)
	}
	if err := e.cfg.answerable(s.Plan); err != nil {
		return err
	}
	e.specMu.Lock()
	e.spec = s
	e.specMu.Unlock()
	select {
	case e.reloaded <- struct{}{}:
	default:
	}
	return nil
}

func (e *Engine) currentSpec() Spec {
	e.specMu.Lock()
	defer e.specMu.Unlock()
	return e.spec
}

// Done is closed when the rollout has first reached an outcome and its last
// target has been applied.
func (e *Engine) Done() <-chan struct{} { return e.ended }

// Outcome returns the newest outcome, and false while there is none. A retry
// after an outcome may lead to another one.
func (e *Engine) Outcome() (Outcome, bool) {
	if o := e.outcome.Load(); o != nil {
		return *o, true
	}
	return Outcome{}, false
}
