package hook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// Set is the hooks of one rollout. It implements engine.Outside.
type Set struct {
	cfg  Config
	ctx  context.Context
	stop context.CancelFunc
	wake func()

	mu     sync.Mutex
	asked  map[string]*question // gates, by Gate.ID
	polled map[string]*question // rollout and rollback hooks, by name
	about  rollout.Judged       // what polled is about
	work   sync.WaitGroup
}

var _ engine.Outside = (*Set)(nil)

// New returns a set that does nothing until it is asked.
func New(c Config) *Set {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	ctx, stop := context.WithCancel(context.Background())
	return &Set{cfg: c, ctx: ctx, stop: stop, wake: func() {}, asked: map[string]*question{}, polled: map[string]*question{}}
}

// question is one that is put until its answer is yes, or over and over.
type question struct {
	hook   Hook
	cancel context.CancelFunc // of the request under way, nil if there is none
	rests  bool               // until it is put again
	heard  bool               // there was a reply
	last   reply
	noes   int // in a row
}

// Bind implements engine.Outside.
func (s *Set) Bind(wake func()) { s.wake = wake }

// Close implements engine.Outside. It waits for the requests under way to end,
// which they do at once.
func (s *Set) Close() {
	s.mu.Lock()
	s.stop()
	s.mu.Unlock()
	s.work.Wait()
}

// Answers implements engine.Outside.
func (s *Set) Answers(a engine.About, asks []rollout.Gate) []rollout.GateResult {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []rollout.GateResult
	stands := map[string]bool{}
	for _, g := range asks {
		h, ok := s.hook(g)
		if !ok {
			continue
		}
		stands[g.ID] = true
		q := s.asked[g.ID]
		if q == nil {
			q = &question{hook: h}
			s.asked[g.ID] = q
		}
		if q.heard {
			out = append(out, rollout.GateResult{ID: g.ID, Passed: q.passes(), Message: q.last.message})
		}
		if !(q.heard && q.passes()) {
			s.put(q, g.ID, a.State)
		}
	}
	for id, q := range s.asked {
		if !stands[id] {
			q.give()
			delete(s.asked, id)
		}
	}
	return out
}

// hook is the one that a gate asks.
func (s *Set) hook(g rollout.Gate) (Hook, bool) {
	for _, h := range s.cfg.Hooks {
		for _, k := range h.gates() {
			if h.Name == g.Name && k == g.Kind {
				return h, true
			}
		}
	}
	return Hook{}, false
}

// passes reports whether the last reply lets the rollout go on.
func (q *question) passes() bool { return q.last.yes || !q.last.known && q.hook.FailOpen }

// give gives the question up.
func (q *question) give() {
	if q.cancel != nil {
		q.cancel()
	}
}

// put sends a question unless it is under way or was just answered; s.mu is
// held. id is what the receiver is told that it is about.
func (s *Set) put(q *question, id string, st rollout.State) {
	if q.cancel != nil || q.rests || s.ctx.Err() != nil {
		return
	}
	ctx, cancel := context.WithCancel(s.ctx)
	q.cancel = cancel
	body := s.cfg.body(q.hook, id, st, nil)
	s.work.Go(func() {
		defer cancel()
		r := s.cfg.ask(ctx, q.hook, body)
		if errors.Is(ctx.Err(), context.Canceled) {
			return // given up
		}
		s.hear(q, r)
		s.wake()
	})
}

// hear takes a reply in and lets the question rest.
func (s *Set) hear(q *question, r reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !r.known && (!q.heard || q.last.known) {
		s.cfg.Logger.Warn("a hook "+r.message, "hook", q.hook.Name, "when", q.hook.When, "rollout", s.cfg.Name)
	}
	q.cancel, q.heard, q.last, q.rests = nil, true, r, true
	switch {
	case r.yes:
		q.noes = 0
	case r.known:
		q.noes++
	}
	time.AfterFunc(q.hook.Every, func() {
		s.mu.Lock()
		q.rests = false
		s.mu.Unlock()
		if s.ctx.Err() == nil {
			s.wake()
		}
	})
}

// Signals implements engine.Outside.
func (s *Set) Signals(a engine.About) []rollout.Signal {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := a.State
	now := rollout.Judged{Revision: st.Plan.Canary.Hash, Attempt: st.Attempt}
	if now != s.about {
		for _, q := range s.polled {
			q.give()
		}
		s.about, s.polled = now, map[string]*question{}
	}
	var out []rollout.Signal
	for _, h := range s.cfg.Hooks {
		if h.polled(st) {
			q := s.polled[h.Name]
			if q == nil {
				q = &question{hook: h}
				s.polled[h.Name] = q
			}
			s.put(q, fmt.Sprintf("%s/%d/%s", now.Revision, now.Attempt, h.Name), st)
			out = q.signal(out, now)
		}
	}
	for _, g := range s.asked {
		out = g.tested(out, now)
	}
	return out
}

// polled reports whether the hook is asked over and over now.
func (h Hook) polled(s rollout.State) bool {
	live := s.Phase == rollout.Progressing || s.Phase == rollout.Paused
	switch h.When {
	case Rollout:
		return live && !s.StepBegan.IsZero()
	case Rollback:
		return live || s.Phase == rollout.Initializing || s.Phase == rollout.Promoting
	}
	return false
}

// signal adds what a polled hook says.
func (q *question) signal(out []rollout.Signal, about rollout.Judged) []rollout.Signal {
	x := rollout.Signal{Name: "hook " + q.hook.Name, Message: q.last.message, Judged: about}
	test := q.hook.When == Rollout
	switch {
	case !q.heard:
		return out
	case !q.last.known && q.hook.FailOpen:
		x.Effect = rollout.SignalWarn
	case !q.last.known:
		x.Effect = rollout.SignalHold
	case test && !q.last.yes:
		return q.failed(out, x)
	case !test && q.last.yes:
		x.Effect, x.Message = rollout.SignalRollback, "calls it back"
	default:
		return out
	}
	return append(out, x)
}

// tested adds what the noes of a test before the first step say, and that a
// gate which fails open could not be asked.
func (q *question) tested(out []rollout.Signal, about rollout.Judged) []rollout.Signal {
	x := rollout.Signal{Name: "hook " + q.hook.Name, Message: q.last.message, Judged: about}
	switch {
	case q.heard && !q.last.known && q.hook.FailOpen:
		x.Effect = rollout.SignalWarn
		return append(out, x)
	case q.hook.When == PreRollout && q.noes >= q.hook.Failures:
		return q.failed(out, x)
	}
	return out
}

// failed adds a test that says no.
func (q *question) failed(out []rollout.Signal, x rollout.Signal) []rollout.Signal {
	x.Effect = rollout.SignalHold
	x.Message = fmt.Sprintf("says no (%d of %d in a row take it back): %s", q.noes, q.hook.Failures, q.last.message)
	if q.noes >= q.hook.Failures {
		x.Effect = rollout.SignalRollback
		x.Message = fmt.Sprintf("has said no %d times in a row: %s", q.noes, q.last.message)
	}
	return append(out, x)
}
