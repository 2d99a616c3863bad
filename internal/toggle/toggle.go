package toggle

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// Name is the switch's among signals.
const Name = "switch"

// lasting is for how many readings in a row nothing may be known until what was
// known last counts no more.
const lasting = 3

// Position is what a switch says.
type Position string

// The positions.
const (
	Run      Position = "run"      // go on
	Hold     Position = "hold"     // keep the step, or the start, from being left
	Rollback Position = "rollback" // take the candidate back
)

// Parse reads a position: its name, or true for Run and false for Hold.
func Parse(value any) (Position, error) {
	switch value {
	case true, "true", string(Run):
		return Run, nil
	case false, "false", string(Hold):
		return Hold, nil
	case string(Rollback):
		return Rollback, nil
	}
	return "", fmt.Errorf("it says %.40q: write true or run, false or hold, or rollback", fmt.Sprint(value))
}

// Config is what a Switch is made of.
type Config struct {
	What    string // for people: "the flag churn-rollout"
	Read    func(context.Context) (Position, error)
	Every   time.Duration // between two readings
	Timeout time.Duration // of one
	Hold    bool          // while nothing is known; else the rollout goes on
	Logger  *slog.Logger
}

// Switch is one switch.
type Switch struct {
	cfg  Config
	life context.Context
	end  context.CancelFunc
	done chan struct{} // closed when the reader has ended; nil before Bind

	mu    sync.Mutex
	last  Position
	until time.Time // last counts no longer
	err   error     // of the newest reading
}

var _ engine.Outside = (*Switch)(nil)

// New returns a switch that is read from Bind on.
func New(c Config) *Switch {
	s := &Switch{cfg: c}
	s.life, s.end = context.WithCancel(context.Background())
	return s
}

// Bind implements engine.Outside.
func (s *Switch) Bind(wake func()) {
	s.done = make(chan struct{})
	go func() {
		defer close(s.done)
		tick := time.NewTicker(s.cfg.Every)
		defer tick.Stop()
		for {
			if s.read() {
				wake()
			}
			select {
			case <-tick.C:
			case <-s.life.Done():
				return
			}
		}
	}()
}

// read reports whether there is anything new.
func (s *Switch) read() bool {
	ctx, cancel := context.WithTimeoutCause(s.life, s.cfg.Timeout, fmt.Errorf("no answer within %s", s.cfg.Timeout))
	defer cancel()
	p, err := s.cfg.Read(ctx)
	if s.life.Err() != nil {
		return false
	}
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	before, known := s.last, now.Before(s.until)
	if (err == nil) != (s.err == nil) {
		if err != nil {
			s.cfg.Logger.Warn("the switch cannot be read", "switch", s.cfg.What, "error", err)
		} else {
			s.cfg.Logger.Info("the switch can be read again", "switch", s.cfg.What)
		}
	}
	s.err = err
	if err != nil {
		return !known
	}
	s.last, s.until = p, now.Add(lasting*s.cfg.Every+s.cfg.Timeout)
	return !known || p != before
}

// Answers implements engine.Outside. Nothing is asked of a switch.
func (*Switch) Answers(engine.About, []rollout.Gate) []rollout.GateResult { return nil }

// Signals implements engine.Outside.
func (s *Switch) Signals(a engine.About) []rollout.Signal {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := rollout.Signal{Name: Name, Judged: rollout.Judged{Revision: a.State.Plan.Canary.Hash, Attempt: a.State.Attempt}}
	switch {
	case !time.Now().Before(s.until):
		if !s.cfg.Hold {
			return nil
		}
		out.Effect, out.Message = rollout.SignalHold, s.cfg.What+" has not been read yet"
		if s.err != nil {
			out.Message = fmt.Sprintf("%s cannot be read: %v", s.cfg.What, s.err)
		}
	case s.last == Hold:
		out.Effect, out.Message = rollout.SignalHold, s.cfg.What+" says hold"
	case s.last == Rollback:
		out.Effect, out.Message = rollout.SignalRollback, s.cfg.What+" says rollback"
	default:
		return nil
	}
	return []rollout.Signal{out}
}

// Close implements engine.Outside.
func (s *Switch) Close() {
	s.end()
	if s.done != nil {
		<-s.done
	}
}
