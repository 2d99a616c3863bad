package engine

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/haldane-dev/haldane/internal/rollout"
)

// About says what the outside is asked about, or told of. It is shared: nobody
// writes.
type About struct {
	Now   time.Time
	State rollout.State // as it is saved
}

// Outside is somebody beside the evidence who has a say: hooks, checks,
// guardrails, flags. The loop calls it at every tick, from one goroutine, and
// every method comes back at once: questions are put to the network between
// the ticks, and nothing here ever holds up a rollback.
type Outside interface {
	// Bind says whom to wake when there is something new. It is called once,
	// before any other method; wake is safe for concurrent use.
	Bind(wake func())
	// Answers takes over all questions that stand, saved with the decision that
	// asked them, and returns what is known of them by now. A question that is
	// asked no more may be given up. Those meant for others are left alone.
	Answers(About, []rollout.Gate) []rollout.GateResult
	// Signals returns what stands now. An empty answer means that nothing does.
	Signals(About) []rollout.Signal
	// Close gives up what is on its way. It may be called more than once.
	Close()
}

// Listeners are told of events, each at its own pace: messages, event hooks. An
// event stays in the state until every listener has been told, so none is lost
// across a restart; one that was told and whose position was not saved before a
// crash is told again, under the same ID.
type Listeners interface {
	// Bind is that of Outside.
	Bind(wake func())
	// Names returns the listeners' names, unique and lasting. One that the state
	// does not know is told of what happens from then on.
	Names() []string
	// Tell takes over the events of the state and how far each listener is
	// (State.Told), and returns how far each is by now. It comes back at once
	// and is called after the events are saved.
	Tell(About) map[string]uint64
	// Close gives up what is on its way, and returns how far each listener is
	// after that. It may be called more than once.
	Close() map[string]uint64
}

// journalListener is the journal's name among the listeners of a state.
const journalListener = "journal"

// rouse lets the loop go round soon. It is safe for concurrent use.
func (e *Engine) rouse() {
	if e.cfg.Later != nil {
		e.cfg.Later()
		return
	}
	select {
	case e.reloaded <- struct{}{}:
	default:
	}
}

func (e *Engine) bind() {
	for _, o := range e.cfg.Outside {
		o.Bind(e.rouse)
	}
	if e.cfg.Listeners != nil {
		e.cfg.Listeners.Bind(e.rouse)
	}
}

// about is what the outside may know between two decisions.
func (e *Engine) about(now time.Time) About { return About{Now: now, State: e.state} }

// heed asks the outside what it has to say.
func (e *Engine) heed(g *gathered) {
	for _, o := range e.cfg.Outside {
		g.gates = append(g.gates, o.Answers(e.about(g.now), e.asks)...)
		g.signals = append(g.signals, o.Signals(e.about(g.now))...)
	}
	slices.SortStableFunc(g.signals, func(a, b rollout.Signal) int { return rank(a.Effect) - rank(b.Effect) })
}

// rank orders effects, the strongest first.
func rank(x rollout.Effect) int {
	return slices.Index([]rollout.Effect{rollout.SignalRollback, rollout.SignalHold, rollout.SignalWarn}, x)
}

// put hands on what a saved decision asks and tells. What is not saved may be
// decided otherwise after a crash, so nobody is asked or told of it.
func (e *Engine) put(g gathered, asks []rollout.Gate) {
	if e.unsaved {
		return
	}
	e.asks = asks
	for _, o := range e.cfg.Outside {
		o.Answers(e.about(g.now), asks) // what is known already is heard at the next tick
	}
	if e.cfg.Listeners == nil {
		return
	}
	a := e.about(g.now)
	a.State.Told = e.told
	e.advance(e.cfg.Listeners.Tell(a))
}

// listeners brings the account of who has been told what in line with who
// listens now.
func (e *Engine) listeners() {
	told := map[string]uint64{}
	if at, ok := e.told[journalListener]; ok {
		told[journalListener] = at
	}
	if e.cfg.Listeners != nil {
		for _, name := range e.cfg.Listeners.Names() {
			at, known := e.told[name]
			if !known {
				at = e.state.Emitted
			}
			told[name] = at
		}
	}
	e.told = told
}

// advance notes how far the listeners are.
func (e *Engine) advance(to map[string]uint64) {
	next := maps.Clone(e.told)
	for name, at := range to {
		if was, known := next[name]; known && at > was {
			next[name] = at
		}
	}
	e.told = next
}

// heardByAll reports whether every listener but the journal has heard of event ev.
func (e *Engine) heardByAll(ev rollout.Event) bool {
	for name, at := range e.told {
		if name != journalListener && at < ev.Number {
			return false
		}
	}
	return true
}

// journalled notes that the journal has event n.
func (e *Engine) journalled(n uint64) {
	if n > e.told[journalListener] {
		e.told = maps.Clone(e.told)
		e.told[journalListener] = n
	}
}

// lastWords ends Run: what was told to the last is saved, so that an orderly
// end tells nobody twice.
func (e *Engine) lastWords(ctx context.Context) {
	e.Close()
	if e.version == 0 || e.unsaved || e.clock == nil {
		return
	}
	s := e.withoutDelivered()
	if same(s, e.state) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.cfg.Timeout)
	defer cancel()
	if v, err := e.cfg.Store.Save(ctx, e.id, s, e.version); err == nil {
		e.adopt(s, v)
	} else {
		e.log.Warn("what was told last could not be saved: it may be told again", "error", err)
	}
	e.countUntold()
}

// recall takes over from a loaded state who has been told what.
func (e *Engine) recall(s rollout.State) {
	e.told = maps.Clone(e.told)
	if e.told == nil {
		e.told = map[string]uint64{}
	}
	for name, at := range s.Told {
		e.told[name] = max(e.told[name], at)
	}
	for _, ev := range s.Events {
		if ev.Number > 0 && ev.Number <= e.told[journalListener] {
			e.delivered[ev.ID] = true
		}
	}
}

// Untold returns how many events of the saved state somebody who listens has
// not been told of yet. It is safe for concurrent use.
func (e *Engine) Untold() int { return int(e.untold.Load()) }

// countUntold keeps that number.
func (e *Engine) countUntold() {
	n := 0
	for _, ev := range e.state.Events {
		if !e.heardByAll(ev) {
			n++
		}
	}
	e.untold.Store(int64(n))
}
