package guardrail

import (
	"fmt"
	"math"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
)

var _ engine.Watcher = (*Set)(nil)

// notRead is what is said of what has had no reading.
const notRead = "has not been read yet"

// Watches implements engine.Watcher. After the end of an attempt it is as it was
// read last.
func (s *Set) Watches(a engine.About) []engine.Watch {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turnTo(a.State)
	out := make([]engine.Watch, len(s.all))
	for i, w := range s.all {
		out[i] = w.shown()
	}
	return out
}

// turnTo begins anew with each attempt; s.mu is held.
func (s *Set) turnTo(st rollout.State) {
	now := rollout.Judged{Revision: st.Plan.Canary.Hash, Attempt: st.Attempt}
	if now != s.about || s.all == nil {
		s.turn(now, st)
	}
}

// shown is the limit as people are shown it.
func (l *limit) shown() engine.Watch {
	w := engine.Watch{Kind: engine.WatchGuardrail, Name: l.Name, Effect: l.Effect, DryRun: l.DryRun, Min: l.Min, Max: l.Max,
		State: engine.WatchPassing, Rule: fmt.Sprintf("%d of %d readings outside", l.Failures, l.Of)}
	if l.Failures == l.Of {
		w.Rule = fmt.Sprintf("%d in a row outside", l.Of)
	}
	switch n := l.count(); {
	case !l.heard:
		w.State, w.Says = engine.WatchUnknown, notRead
		return w
	case l.missing != "":
		w.State, w.Says = engine.WatchUnknown, "cannot be read: "+l.missing
		if n >= l.Failures {
			w.State = engine.WatchFailing
		}
		return w
	case l.breach() != "":
		w.State, w.Says = engine.WatchFailing, fmt.Sprintf("%s; outside in %d of %d readings", l.breach(), n, len(l.outside))
	case n >= l.Failures:
		w.State, w.Says = engine.WatchFailing, fmt.Sprintf("is inside again; outside in %d of %d readings", n, len(l.outside))
	}
	last := l.last
	w.Value = &last
	return w
}

// shown is the anomaly as people are shown it.
func (a *anomaly) shown() engine.Watch {
	w := engine.Watch{Kind: engine.WatchAnomaly, Name: a.Name, Effect: a.Effect, DryRun: a.DryRun, State: engine.WatchPassing,
		Rule: fmt.Sprintf("evidence of %s to 1 that it has changed", odds(-math.Log(a.FalseAlarm)))}
	if a.serial != 0 && w.Effect == rollout.SignalRollback {
		w.Effect = rollout.SignalHold // what its history allows
	}
	if a.test != nil && !a.last.At.IsZero() {
		last := a.last.Number
		w.Value = &last
		w.Says = fmt.Sprintf("was at %s before the rollout; evidence %s to 1", number(a.usual), odds(a.test.LogE()))
	}
	switch {
	case a.alarm:
		w.State = engine.WatchFailing
	case !a.heard:
		w.State, w.Says = engine.WatchUnknown, notRead
	case a.missing != "":
		w.State, w.Says = engine.WatchUnknown, a.missing
	case w.Value == nil: // nothing since the rollout began
		w.Says = fmt.Sprintf("was at %s before the rollout", number(a.usual))
	}
	return w
}
