package toggle

import (
	"fmt"
	"time"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
)

var _ engine.Watcher = (*Switch)(nil)

// Watches implements engine.Watcher.
func (s *Switch) Watches(engine.About) []engine.Watch {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := engine.Watch{Kind: engine.WatchSwitch, Name: s.cfg.What, State: engine.WatchPassing, Rule: "run, hold or rollback", Says: "says " + string(s.last)}
	known := time.Now().Before(s.until)
	switch {
	case !known && s.err == nil:
		w.State, w.Says = engine.WatchUnknown, "has not been read yet"
	case !known:
		w.State, w.Says = engine.WatchUnknown, fmt.Sprintf("cannot be read: %v", s.err)
	case s.last == Hold:
		w.State, w.Effect = engine.WatchFailing, rollout.SignalHold
	case s.last == Rollback:
		w.State, w.Effect = engine.WatchFailing, rollout.SignalRollback
	}
	if known && s.err != nil {
		w.Says += fmt.Sprintf(", as it was read last; it cannot be read now: %v", s.err)
	}
	return []engine.Watch{w}
}
