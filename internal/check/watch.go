package check

import (
	"fmt"

	"github.com/haldane-dev/haldane/internal/engine"
)

var _ engine.Watcher = (*Set)(nil)

// Watches implements engine.Watcher. After the end of an attempt it is as it was
// answered last.
func (s *Set) Watches(a engine.About) []engine.Watch {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turnTo(a.State)
	out := make([]engine.Watch, len(s.polls))
	for i, p := range s.polls {
		out[i] = p.shown()
	}
	return out
}

// shown is the check as people are shown it.
func (p *poll) shown() engine.Watch {
	w := engine.Watch{Kind: engine.WatchCheck, Name: p.check.Name, Effect: p.check.Effect, State: engine.WatchFailing, Says: p.sentence()}
	switch n := p.check.Failures; {
	case !p.check.Running:
		w.Effect, w.Rule = "", "must pass before the first step"
	case n == 1:
		w.Rule = "one failure"
	default:
		w.Rule = fmt.Sprintf("%d failures in a row", n)
	}
	switch {
	case !p.heard:
		w.State, w.Says = engine.WatchUnknown, "has not been sent yet"
	case p.last.Passed():
		w.State = engine.WatchPassing
	case p.last.Unsent():
		w.State = engine.WatchUnknown
	}
	return w
}
