package rollout

import (
	"fmt"
	"slices"
)

// Effect says what a Signal does to a rollout while it stands.
type Effect string

// The effects, the strongest first.
const (
	SignalRollback Effect = "Rollback" // takes the candidate back, as a Fail does
	SignalHold     Effect = "Hold"     // keeps the step, or the start, from being left
	SignalWarn     Effect = "Warn"     // is told and shown
)

// Signal is what somebody outside says of the rollout now: a hook, a check, a
// guardrail, a flag. It is level-triggered: it acts in every call that it is
// observed in, and in no other. What cannot be asked is no signal; who wants it
// to be one says so with a Hold of its own. A Rollback that was obeyed is not
// undone when the signal ends.
type Signal struct {
	Name    string `json:"name"`
	Effect  Effect `json:"effect"`
	Message string `json:"message"` // one sentence for a person, to follow the name
	// Judged is the attempt that it is about; the zero value is the current
	// one. A signal about another is dropped.
	Judged Judged `json:"judged,omitzero"`
}

// maxWarned bounds how many warnings are remembered as told.
const maxWarned = 32

// climbing reports whether signals are listened to: while there is something
// to take back, hold or warn of.
func (p Phase) climbing() bool {
	return p == Initializing || p == Progressing || p == Paused || p == Promoting
}

// signals returns those of an effect about the current attempt, in their
// order. What was observed when the attempt began is of the one before: a retry
// would otherwise end by the signal it is to overcome.
func (t *turn) signals(x Effect) []Signal {
	if !t.s.Phase.climbing() || !t.now.After(t.s.Began) {
		return nil
	}
	var out []Signal
	for _, s := range t.o.Signals {
		if s.Effect == x && t.current(s.Judged) {
			out = append(out, s)
		}
	}
	return out
}

// obeySignals takes the candidate back for a Rollback signal, in the very
// decision in which it is observed, before anybody is heard who would promote.
func (t *turn) obeySignals() {
	if all := t.signals(SignalRollback); len(all) > 0 {
		t.takeBack(all[0].sentence())
		t.aim()
	}
}

// outside returns what is held by somebody outside.
func (t *turn) outside() hold {
	all := t.signals(SignalHold)
	if len(all) == 0 {
		return hold{}
	}
	where := "at " + t.share()
	if t.s.Phase == Initializing {
		where = "before the first step"
	}
	return hold{holdSignal, fmt.Sprintf("Held %s: %s", where, all[0].sentence())}
}

// warn tells of a Warn signal when it begins, once for as long as it stands.
func (t *turn) warn() {
	var now []string
	for _, s := range t.signals(SignalWarn) {
		if slices.Contains(now, s.Name) || len(now) == maxWarned {
			continue
		}
		now = append(now, s.Name)
		if !slices.Contains(t.s.Warned, s.Name) {
			t.emit(EventWarned, "%s", s.sentence())
		}
	}
	slices.Sort(now)
	if !slices.Equal(now, t.s.Warned) {
		t.s.Warned = now
	}
}

// sentence is what the signal says, with who says it.
func (s Signal) sentence() string {
	if s.Message == "" {
		return s.Name
	}
	return s.Name + ": " + s.Message
}
