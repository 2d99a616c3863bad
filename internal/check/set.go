package check

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// Set is the checks of one rollout. It implements engine.Outside.
type Set struct {
	cfg  Config
	ctx  context.Context
	stop context.CancelFunc
	wake func()

	mu    sync.Mutex
	about rollout.Judged // the attempt that polls are about
	asked bool           // a gate of ours stands
	polls []*poll        // in the order of the file
	work  sync.WaitGroup
}

var _ engine.Outside = (*Set)(nil)

// poll is a check as far as it has been sent about one attempt.
type poll struct {
	check  Check
	cancel context.CancelFunc // of the request under way, nil if there is none
	rests  bool               // until it is sent again
	heard  bool               // there was a result
	last   Result
	row    int // failures
}

// New returns a set that sends nothing until the engine asks.
func New(c Config) *Set {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	ctx, stop := context.WithCancel(context.Background())
	return &Set{cfg: c, ctx: ctx, stop: stop, wake: func() {}}
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

// Answers implements engine.Outside. As soon as one check of the start is asked
// for, all of them are sent.
func (s *Set) Answers(a engine.About, asks []rollout.Gate) []rollout.GateResult {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turnTo(a.State)
	s.asked = false
	var out []rollout.GateResult
	for _, g := range asks {
		for _, p := range s.polls {
			if !p.check.Start || g.Kind != rollout.ConfirmStart || g.Name != gate(p.check.Name) {
				continue
			}
			s.asked = true
			if p.heard {
				out = append(out, rollout.GateResult{ID: g.ID, Passed: p.last.Passed(), Message: p.sentence()})
			}
		}
	}
	s.send(a.State)
	return out
}

// Signals implements engine.Outside.
func (s *Set) Signals(a engine.About) []rollout.Signal {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turnTo(a.State)
	s.send(a.State)
	var out []rollout.Signal
	for _, p := range s.polls {
		if !s.due(p.check, a.State) || !p.heard || p.last.Passed() {
			continue
		}
		x := rollout.Signal{Name: gate(p.check.Name), Effect: p.effect(), Message: p.sentence(), Judged: s.about}
		// What holds the start is the gate, and a signal that held it would keep
		// the gate from being asked for.
		if x.Effect != "" && (x.Effect != rollout.SignalHold || running(a.State)) {
			out = append(out, x)
		}
	}
	return out
}

// turnTo begins anew with each attempt; s.mu is held.
func (s *Set) turnTo(st rollout.State) {
	now := rollout.Judged{Revision: st.Plan.Canary.Hash, Attempt: st.Attempt}
	if now == s.about && s.polls != nil {
		return
	}
	for _, p := range s.polls {
		p.give()
	}
	s.about, s.polls, s.asked = now, nil, false
	for _, c := range s.cfg.Checks {
		s.polls = append(s.polls, &poll{check: c})
	}
}

// running reports whether the candidate may have traffic that can be taken back
// or held.
func running(st rollout.State) bool {
	return (st.Phase == rollout.Progressing || st.Phase == rollout.Paused) && !st.StepBegan.IsZero()
}

// due reports whether a check is sent now.
func (s *Set) due(c Check, st rollout.State) bool {
	return c.Running && running(st) || c.Start && s.asked && st.Phase == rollout.Initializing
}

// send sends what is due and not under way or just answered, and gives up what
// is not due any more; s.mu is held.
func (s *Set) send(st rollout.State) {
	for _, p := range s.polls {
		switch {
		case !s.due(p.check, st):
			p.give()
		case p.cancel == nil && !p.rests && s.ctx.Err() == nil:
			ctx, cancel := context.WithCancel(s.ctx)
			p.cancel = cancel
			s.work.Go(func() {
				defer cancel()
				r := p.check.Ask(ctx, s.cfg.Addresses, s.cfg.Variants...)
				s.hear(ctx, p, r)
				s.wake()
			})
		}
	}
}

// give gives up the request under way. What it would have said counts no more.
func (p *poll) give() {
	if p.cancel != nil {
		p.cancel()
		p.cancel = nil
	}
}

// hear takes a result in and lets the check rest.
func (s *Set) hear(ctx context.Context, p *poll, r Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil {
		return // given up
	}
	if r.Unsent() && !(p.heard && p.last.Unsent()) {
		s.cfg.Logger.Warn("a check cannot be sent", "check", p.check.Name, "rollout", s.cfg.Name, "error", r.Canary)
	}
	p.cancel, p.rests, p.heard, p.last = nil, true, true, r
	switch {
	case r.Unsent(): // says nothing either way
	case r.Passed(), r.Shared():
		p.row = 0
	default:
		p.row++
	}
	time.AfterFunc(p.check.Every, func() {
		s.mu.Lock()
		p.rests = false
		s.mu.Unlock()
		if s.ctx.Err() == nil {
			s.wake()
		}
	})
}

// effect is what the last result does, "" for nothing.
func (p *poll) effect() rollout.Effect {
	failed := !p.last.Unsent() && !p.last.Shared()
	switch {
	case failed && p.row >= p.check.Failures:
		return p.check.Effect
	case p.check.Effect != rollout.SignalWarn:
		return rollout.SignalHold
	case failed: // too few to be worth a word
		return ""
	}
	return rollout.SignalWarn
}

// sentence says for a person what the last result is, to follow the check's
// name.
func (p *poll) sentence() string {
	r := p.last
	switch {
	case r.Passed():
		return ""
	case r.Unsent():
		return r.Canary.Error()
	case r.Shared():
		return fmt.Sprintf("fails on both versions, which is not the candidate's fault: %s %s; stable %s", r.Who, r.Canary, r.Stable)
	}
	out := r.Who + " " + r.Canary.Error()
	if r.Asked && r.Stable == nil {
		out += "; stable passes"
	}
	if n := p.check.Failures; p.row < n {
		return fmt.Sprintf("failed (%d of %d in a row): %s", p.row, n, out)
	}
	return fmt.Sprintf("failed %s: %s", times(p.row), out)
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times in a row", n)
}
