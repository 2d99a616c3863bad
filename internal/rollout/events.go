package rollout

import (
	"fmt"
	"slices"
)

// The bounds of what a State keeps.
const (
	maxEvents  = 256 // not yet delivered; the oldest are dropped first
	maxSeen    = 256
	maxRefused = 64
	maxRetired = 32
)

// eventTime is sortable as text.
const eventTime = "20060102T150405.000000000Z"

func (t *turn) emit(k EventKind, format string, args ...any) { t.emitBy("", k, format, args...) }

// emitBy records an edge. Its ID is the time and its number in this rollout:
// unique, sortable, and the same when an unsaved decision is taken again.
func (t *turn) emitBy(by string, k EventKind, format string, args ...any) {
	t.s.Emitted++
	t.events = append(t.events, Event{
		ID:       fmt.Sprintf("%s-%06d", t.now.Format(eventTime), t.s.Emitted),
		Number:   t.s.Emitted,
		At:       t.now,
		Kind:     k,
		Revision: t.s.Plan.Canary.String(),
		Attempt:  t.s.Attempt,
		Step:     t.s.Step,
		Message:  fmt.Sprintf(format, args...),
		By:       by,
	})
}

// Delivered returns s without the events of these IDs. Whoever delivers events
// calls it, and hands the result to the next call of Next.
func (s State) Delivered(ids ...string) State {
	kept := make([]Event, 0, len(s.Events))
	for _, e := range s.Events {
		if !slices.Contains(ids, e.ID) {
			kept = append(kept, e)
		}
	}
	s.Events = kept
	if len(kept) == 0 {
		s.Events = nil
	}
	return s
}

// retire remembers how the current revision left.
func (t *turn) retire(how Phase) {
	old := t.s.Retired
	t.s.Retired = make(map[string]Past, len(old)+1)
	for h, p := range old {
		t.s.Retired[h] = p
	}
	t.s.Retired[t.s.Plan.Canary.Hash] = Past{Phase: how, Attempt: t.s.Attempt, At: t.now, Reason: t.s.Reason, Over: t.s.Plan.Stable.Hash}
	for len(t.s.Retired) > maxRetired {
		oldest := ""
		for h, p := range t.s.Retired {
			q := t.s.Retired[oldest]
			if oldest == "" || p.At.Before(q.At) || p.At.Equal(q.At) && h < oldest {
				oldest = h
			}
		}
		delete(t.s.Retired, oldest)
	}
}
