package guardrail

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/reading"
	"github.com/haldane-dev/haldane/internal/rollout"
)

const (
	// longestAnswer is how long one reading may take.
	longestAnswer = 10 * time.Second
	// soonest is how long a reading that failed waits for the next, at most.
	soonest = 5 * time.Second
)

// Config is that of New.
type Config struct {
	Limits    []Limit
	Anomalies []Anomaly
	Name      string // of the rollout
	Namespace string // "" outside a cluster
	Pods      string // a regular expression of the names of the candidate's pods; "" outside a cluster
	Logger    *slog.Logger
}

// Set is what one rollout watches. It implements engine.Outside.
type Set struct {
	cfg  Config
	ctx  context.Context
	stop context.CancelFunc
	wake func()

	mu    sync.Mutex
	about rollout.Judged // what the watches are about
	all   []*watch
	work  sync.WaitGroup
}

var _ engine.Outside = (*Set)(nil)

// watcher is one number that is watched. ask is called without the lock, the rest
// with it.
type watcher interface {
	ask(context.Context) ([]reading.Value, error)
	hear([]reading.Value, error)
	signals() []rollout.Signal
	shown() engine.Watch
}

// watch is a watcher and when it is asked.
type watch struct {
	watcher
	name   string
	every  time.Duration
	hasty  bool               // after a failure it is asked sooner
	cancel context.CancelFunc // of the reading under way, nil if there is none
	rests  bool               // until it is asked again
	failed bool
}

// New returns a set that does nothing until it is asked.
func New(c Config) *Set {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	ctx, stop := context.WithCancel(context.Background())
	return &Set{cfg: c, ctx: ctx, stop: stop, wake: func() {}}
}

// Bind implements engine.Outside.
func (s *Set) Bind(wake func()) { s.wake = wake }

// Answers implements engine.Outside: a guardrail is never asked.
func (s *Set) Answers(engine.About, []rollout.Gate) []rollout.GateResult { return nil }

// Close implements engine.Outside. It waits for the readings under way to end,
// which they do at once.
func (s *Set) Close() {
	s.mu.Lock()
	s.stop()
	s.mu.Unlock()
	s.work.Wait()
}

// Signals implements engine.Outside.
func (s *Set) Signals(a engine.About) []rollout.Signal {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := a.State
	s.turnTo(st)
	switch st.Phase {
	case rollout.Progressing, rollout.Paused, rollout.Promoting:
	default:
		return nil
	}
	var out []rollout.Signal
	for _, w := range s.all {
		s.put(w)
		for _, x := range w.signals() {
			x.Judged = s.about
			out = append(out, x)
		}
	}
	return out
}

// turn begins with another attempt; s.mu is held.
func (s *Set) turn(now rollout.Judged, st rollout.State) {
	for _, w := range s.all {
		if w.cancel != nil {
			w.cancel()
		}
	}
	s.about, s.all = now, []*watch{}
	of := reading.Vars{
		Name: s.cfg.Name, Namespace: s.cfg.Namespace, Pods: s.cfg.Pods,
		Arm: "canary", Version: st.Plan.Canary.Version, Revision: st.Plan.Canary.Hash,
	}
	for _, l := range s.cfg.Limits {
		s.all = append(s.all, &watch{watcher: &limit{Limit: l, of: of}, name: "guardrail " + l.Name, every: l.Every, hasty: l.OnMissing != Fail})
	}
	for _, a := range s.cfg.Anomalies {
		s.all = append(s.all, &watch{watcher: newAnomaly(a, of, st), name: "anomaly " + a.Name, every: a.Every, hasty: true})
	}
}

// put asks a watch unless it was just asked; s.mu is held.
func (s *Set) put(w *watch) {
	if w.cancel != nil || w.rests || s.ctx.Err() != nil {
		return
	}
	ctx, cancel := context.WithCancel(s.ctx)
	w.cancel = cancel
	s.work.Go(func() {
		defer cancel()
		limited, done := context.WithTimeout(ctx, longestAnswer)
		values, err := w.ask(limited)
		done()
		if errors.Is(ctx.Err(), context.Canceled) {
			return // given up
		}
		s.hear(w, values, err)
		s.wake()
	})
}

// hear takes readings in and lets the watch rest.
func (s *Set) hear(w *watch, values []reading.Value, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && !w.failed {
		s.cfg.Logger.Warn("a number cannot be read", "of", w.name, "rollout", s.cfg.Name, "error", err)
	}
	w.cancel, w.rests, w.failed = nil, true, err != nil
	w.hear(values, err)
	pause := w.every
	if w.failed && w.hasty {
		pause = min(pause, soonest)
	}
	time.AfterFunc(pause, func() {
		s.mu.Lock()
		w.rests = false
		s.mu.Unlock()
		if s.ctx.Err() == nil {
			s.wake()
		}
	})
}
