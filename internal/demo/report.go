package demo

import (
	"fmt"
	"io"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// story is what happened, as far as the report tells it.
type story struct {
	events   []rollout.Event
	phase    rollout.Phase
	reason   string
	late     bool             // the deadline has passed
	culprits []string         // of the first verdict that failed
	verdict  analysis.Verdict // the one that failed, or else the last with evidence
}

// add takes one update in. Once a verdict has failed it is kept: what comes after
// it, while the candidate ends, decides nothing.
func (s *story) add(u engine.Update) {
	switch {
	case u.Event != nil:
		s.events = append(s.events, *u.Event)
		s.late = s.late || u.Event.Kind == rollout.EventDeadline
	case u.Block != nil:
		s.take(u.Block.Verdict)
	case u.Status != nil:
		s.phase, s.reason = u.Status.Phase, u.Status.Reason
		s.take(u.Status.Verdict)
	}
}

// outcome is how it has ended, and false while it has not.
func (s *story) outcome() (engine.Outcome, bool) {
	held := s.late && s.phase == rollout.Paused
	return engine.Outcome{Phase: s.phase, Held: held, Reason: s.reason}, held || s.phase.Terminal()
}

// take keeps a verdict if it says more than the one that is kept.
func (s *story) take(v analysis.Verdict) {
	if len(s.culprits) > 0 || len(v.Metrics) == 0 {
		return
	}
	s.verdict = v
	s.culprits = culprits(v)
}

// write writes the report.
func write(w io.Writer, s scenario, t story, seen counts, o engine.Outcome) {
	fmt.Fprintf(w, "\nScenario %s: %s.\n\nWhat happened:\n", s.name, s.about)
	for _, e := range t.events {
		fmt.Fprintf(w, "  %6s  %s\n", since(t.events[0].At, e.At), e.Message)
	}
	fmt.Fprintln(w, "\nEvidence at the last verdict:")
	if len(t.verdict.Metrics) == 0 {
		fmt.Fprintln(w, "  none")
	}
	for _, m := range t.verdict.Metrics {
		fmt.Fprintf(w, "  %s\n", m.Reason)
	}
	fmt.Fprintf(w, "\n%d requests, %d of them failed; %d answered by the candidate; %d labels sent.\n",
		seen.Requests, seen.Failed, seen.Versions[s.name], seen.Labels)
	fmt.Fprintf(w, "Ending: %s", o.Phase)
	if o.Held {
		fmt.Fprint(w, ", undecided at the deadline")
	}
	if o.Reason != "" {
		fmt.Fprintf(w, ": %s", o.Reason)
	}
	fmt.Fprintln(w)
	if s.expected(o, t.culprits) {
		fmt.Fprintln(w, "As expected.")
		return
	}
	fmt.Fprintf(w, "Not as expected: this scenario should end %s", s.phase())
	if s.culprit != "" {
		fmt.Fprintf(w, " because of %s", s.culprit)
	}
	fmt.Fprintln(w, ".")
}

// since is the time from the first event.
func since(first, at time.Time) string {
	return fmt.Sprintf("%.1fs", at.Sub(first).Seconds())
}
