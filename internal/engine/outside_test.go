package engine

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/internal/rollout"
)

// oracle is an outside that takes its time: an answer comes a second after its
// question, by a wake.
type oracle struct {
	mu      sync.Mutex
	wake    func()
	no      int // how often every question is answered with no first
	put     map[string]int
	known   map[string]rollout.GateResult
	signals []rollout.Signal
	order   []string // of questions, by name
	closed  bool
}

func newOracle() *oracle {
	return &oracle{put: map[string]int{}, known: map[string]rollout.GateResult{}}
}

func (o *oracle) Bind(wake func()) { o.wake = wake }

func (o *oracle) Answers(_ About, asks []rollout.Gate) []rollout.GateResult {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []rollout.GateResult
	for _, g := range asks {
		if r, ok := o.known[g.ID]; ok {
			out = append(out, r)
		}
		if o.put[g.ID] > o.no || o.put[g.ID] > 0 && !o.answered(g.ID) {
			continue // said, or being thought about
		}
		o.put[g.ID]++
		o.order = append(o.order, string(g.Kind)+" "+g.Name)
		time.AfterFunc(time.Second, func() { o.answer(g.ID) })
	}
	return out
}

func (o *oracle) answered(id string) bool { _, ok := o.known[id]; return ok }

func (o *oracle) answer(id string) {
	o.mu.Lock()
	o.known[id] = rollout.GateResult{ID: id, Passed: o.put[id] > o.no, Message: "the oracle is out"}
	o.mu.Unlock()
	o.wake()
}

func (o *oracle) Signals(About) []rollout.Signal {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.signals)
}

func (o *oracle) say(s ...rollout.Signal) {
	o.mu.Lock()
	o.signals = s
	o.mu.Unlock()
	o.wake()
}

func (o *oracle) Close() { o.mu.Lock(); o.closed = true; o.mu.Unlock() }

var allGates = []rollout.Confirm{
	{Kind: rollout.ConfirmStart, Name: "golden"}, {Kind: rollout.ConfirmStep, Name: "owner"}, {Kind: rollout.ConfirmPromotion, Name: "owner"},
}

func TestQuestionsAreAskedAndAnswered(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.bad.Store(1)
		w.plan = ladder(5, 50, 100)
		w.plan.Confirm = allGates
		o := newOracle()
		o.no = 1
		w.config = func(c *Config) { c.Outside = []Outside{o} }
		r := w.run()
		r.until("told why it waits", func(s Status) bool {
			return strings.Contains(s.Waiting, "golden to confirm the start: the oracle is out")
		})
		if out := r.outcome(); out.Phase != rollout.Promoted {
			t.Errorf("outcome %+v", out)
		}
		r.halt()
		want := []string{"start golden", "start golden", "step owner", "step owner", "promotion owner", "promotion owner"}
		if d := cmp.Diff(want, o.order); d != "" {
			t.Errorf("questions:\n%s", d)
		}
		if !o.closed {
			t.Error("it was not closed with the engine")
		}
	})
}

func TestASignalTakesBackAtOnce(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.bad.Store(1)
		o := newOracle()
		w.config = func(c *Config) { c.Outside = []Outside{o}; c.Spec.Plan.Analysis.Interval = time.Hour }
		r := w.run()
		r.weight(5)
		o.say(rollout.Signal{Name: "cost", Effect: rollout.SignalWarn, Message: "has doubled"})
		r.until("warned", func(s Status) bool {
			return slices.Contains(s.Warnings, "cost: has doubled") && len(s.Signals) == 1
		})
		before := time.Now()
		o.say(rollout.Signal{Name: "cost", Effect: rollout.SignalHold}, rollout.Signal{Name: "flag", Effect: rollout.SignalRollback, Message: "is off"})
		out := r.outcome()
		if out.Phase != rollout.RolledBack || out.Reason != "flag: is off" {
			t.Errorf("outcome %+v", out)
		}
		if d := time.Since(before); d > 3*time.Second { // and not at the end of the block
			t.Errorf("it took %s", d)
		}
		r.halt()
	})
}

// Watches implements Watcher.
func (o *oracle) Watches(a About) []Watch {
	return []Watch{{Kind: WatchHook, Name: "oracle", State: WatchUnknown, Says: "is out at step " + strconv.Itoa(a.State.Step)}}
}

// TestWhatIsWatchedIsShown: well or ill, from the first tick to after the end.
func TestWhatIsWatchedIsShown(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		o := newOracle()
		w.config = func(c *Config) { c.Outside = []Outside{o, silent{}} }
		r := w.run()
		for _, says := range []string{"is out at step 0", "is out at step 1"} {
			r.until(says, func(s Status) bool { return len(s.Watches) == 1 && s.Watches[0].Says == says })
		}
		r.outcome()
		if s := r.Status(); len(s.Watches) != 1 || s.Strategy != rollout.StrategyCanary {
			t.Errorf("after the end: %+v, a %s", s.Watches, s.Strategy)
		}
		r.halt()
	})
}

// silent is an outside with nothing to show.
type silent struct{}

func (silent) Bind(func())                                        {}
func (silent) Answers(About, []rollout.Gate) []rollout.GateResult { return nil }
func (silent) Signals(About) []rollout.Signal                     { return nil }
func (silent) Close()                                             {}

// TestHeldFromOutside: a rollout that a signal holds is held, as one that a person
// has paused is; one that has ended is not.
func TestHeldFromOutside(t *testing.T) {
	hold := []rollout.Signal{{Name: "switch", Effect: rollout.SignalHold}}
	for _, c := range []struct {
		status Status
		want   bool
	}{
		{Status{Phase: rollout.Progressing}, false},
		{Status{Phase: rollout.Progressing, Signals: hold}, true},
		{Status{Phase: rollout.Initializing, Signals: hold}, true},
		{Status{Phase: rollout.RolledBack, Signals: hold}, false},
		{Status{Phase: rollout.Progressing, Signals: []rollout.Signal{{Effect: rollout.SignalWarn}}}, false},
		{Status{Phase: rollout.Paused, Hold: &Hold{Kind: HeldByPerson}}, true},
	} {
		if got := c.status.Held(); got != c.want {
			t.Errorf("%s with %v: held %t, want %t", c.status.Phase, c.status.Signals, got, c.want)
		}
	}
}

// TestNothingOutsideHoldsUpARollback: a question is open, and messages cannot
// be delivered.
func TestNothingOutsideHoldsUpARollback(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.bad.Store(1)
		w.plan.Confirm = []rollout.Confirm{{Kind: rollout.ConfirmStep, Name: "owner"}}
		o, m := newOracle(), newMailbox("slack")
		o.no, m.down = 1<<30, true
		w.config = func(c *Config) { c.Outside, c.Listeners = []Outside{o}, m }
		r := w.run()
		r.until("asked", func(s Status) bool { return strings.Contains(s.Waiting, "owner to confirm") })
		reply, err := r.Submit(t.Context(), rollout.Command{ID: "x", Verb: rollout.Abort, By: "ann"})
		if err != nil || !reply.Accepted {
			t.Fatalf("abort: %+v, %v", reply, err)
		}
		if out := r.outcome(); out.Phase != rollout.RolledBack {
			t.Errorf("outcome %+v", out)
		}
		if n := r.Untold(); n < 3 {
			t.Errorf("%d events are untold, want all", n)
		}
		r.halt()
	})
}

// mailbox is a set of listeners that are told one event a call at most.
type mailbox struct {
	wake  func()
	names []string
	down  bool
	got   map[string][]string // by listener: event IDs
	at    map[string]uint64
	kinds []rollout.EventKind // of the first listener
}

func newMailbox(names ...string) *mailbox {
	return &mailbox{names: names, got: map[string][]string{}, at: map[string]uint64{}}
}

func (m *mailbox) Bind(wake func()) { m.wake = wake }
func (m *mailbox) Names() []string  { return m.names }
func (m *mailbox) Tell(a About) map[string]uint64 {
	if m.down {
		return nil
	}
	for i, name := range m.names {
		m.at[name] = max(m.at[name], a.State.Told[name])
		for _, ev := range a.State.Events {
			if ev.Number > m.at[name] {
				m.got[name] = append(m.got[name], ev.ID)
				m.at[name] = ev.Number
				if i == 0 {
					m.kinds = append(m.kinds, ev.Kind)
				}
				break
			}
		}
	}
	return m.at
}
func (m *mailbox) Close() map[string]uint64 { return m.at }

// ids are those of all events in the journal.
func (w *world) ids() []string {
	var out []string
	for _, e := range w.events() {
		out = append(out, e.ID)
	}
	return out
}

func TestEveryListenerIsToldEverythingOnce(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.bad.Store(1)
		w.plan = ladder(5, 50, 100)
		first, down, second := newMailbox("slack", "mail"), newMailbox("slack", "mail"), newMailbox("slack", "mail", "late")
		down.down = true
		w.config = func(c *Config) { c.Listeners = first }
		r := w.run()
		r.weight(5)
		r.halt()
		w.config = func(c *Config) { c.Listeners = down }
		r = w.run()
		r.weight(50)
		r.halt()
		before := len(w.ids())
		w.config = func(c *Config) { c.Listeners = second }
		r = w.run()
		r.outcome()
		r.until("told", func(Status) bool { return r.Untold() == 0 })
		r.halt()
		for _, name := range []string{"slack", "mail"} {
			if d := cmp.Diff(w.ids(), append(first.got[name], second.got[name]...)); d != "" {
				t.Errorf("%s was told (-journal +told):\n%s", name, d)
			}
		}
		// One that was not there is told of what happens from now on.
		if d := cmp.Diff(w.ids()[before:], second.got["late"]); d != "" {
			t.Errorf("the one that came late (-journal +told):\n%s", d)
		}
		if left := w.state().Events; len(left) > 0 {
			t.Errorf("%d events that all were told of are still in the state", len(left))
		}
	})
}

// TestWhoIsToldKnowsWhatIsSaved: nobody hears of a decision that a crash could
// still undo.
func TestWhoIsToldKnowsWhatIsSaved(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.bad.Store(1)
		m := newMailbox("slack")
		w.config = func(c *Config) { c.Listeners = m }
		r := w.run()
		r.weight(5)
		r.until("told", func(Status) bool { return r.Untold() == 0 })
		w.full.Store(true)
		if _, err := r.Submit(t.Context(), rollout.Command{ID: "x", Verb: rollout.Abort}); err != nil && !errors.Is(err, errFull) {
			t.Fatal(err)
		}
		r.until("back", func(s Status) bool { return s.Observed.Canary == 0 })
		if slices.Contains(m.kinds, rollout.EventRollback) {
			t.Error("the rollback was told before it was saved")
		}
		w.full.Store(false)
		r.outcome()
		r.until("told", func(Status) bool { return r.Untold() == 0 && slices.Contains(m.kinds, rollout.EventRolledBack) })
		r.halt()
	})
}
