package rollout

import (
	"fmt"
	"strings"

	"github.com/haldane-dev/haldane/internal/traffic"
)

// holdKind says why a step may not be left whatever its evidence says.
type holdKind string

// The kinds of hold.
const (
	noHold      holdKind = ""
	holdTraffic holdKind = "traffic" // the router does not carry what is wanted
	holdBlind   holdKind = "blind"   // the source cannot answer
	holdInvalid holdKind = "invalid" // the comparison cannot be trusted
	holdHealth  holdKind = "health"  // the candidate is not ready, or not known to be
	holdSignal  holdKind = "signal"  // somebody outside holds it
	holdGate    holdKind = "gate"    // a question was answered with no
)

// hold is a reason to stay. A hold never promotes and never takes back: what
// is missing is knowledge.
type hold struct {
	kind holdKind
	why  string // one sentence; "" for a gate that has not answered
}

func (t *turn) hold() hold {
	p := t.s.Plan
	invalid := t.invalid()
	switch {
	case t.o.Blind != "":
		return hold{holdBlind, fmt.Sprintf("Held at %s: nothing can be measured: %s", t.share(), t.o.Blind)}
	case invalid != "" && t.s.open(canary):
		return hold{holdInvalid, fmt.Sprintf("Held at %s: %s", t.share(), invalid)}
	case t.variantInvalid() != "":
		return hold{holdInvalid, fmt.Sprintf("Held at %s: %s", t.share(), t.variantInvalid())}
	case !t.carried() && !t.s.StepBegan.IsZero():
		return hold{holdTraffic, fmt.Sprintf("Held at %s: the router no longer confirms that %s gets it", t.share(), p.Canary)}
	case !t.carried():
		return hold{holdTraffic, fmt.Sprintf("Waiting for the router to carry %s to %s", t.share(), p.Canary)}
	case !t.ready(canary) && t.s.open(canary):
		return hold{holdHealth, fmt.Sprintf("Held at %s: %s %s", t.share(), p.Canary, t.unready(canary))}
	case t.o.Workloads[canary].Short > traffic.Full-t.s.Want.Split.Canary:
		return hold{holdHealth, fmt.Sprintf("Held at %s: %s has lost the room for it%s", t.share(), p.Canary, t.message(canary))}
	}
	return t.outside()
}

// alert tells people of a hold when it begins or its reason changes, once.
func (t *turn) alert(h hold) {
	if h.kind == holdTraffic && t.s.StepBegan.IsZero() {
		h = hold{} // the step has only just been asked for
	}
	if h.kind == holdGate && h.why == "" {
		return // not answered yet, or not again since a restart
	}
	about := ""
	if h.kind != noHold {
		about = string(h.kind) + ": " + gist(h.why)
	}
	if about == t.s.Alert {
		return
	}
	t.s.Alert = about
	switch h.kind {
	case noHold:
	case holdInvalid:
		t.emit(EventInvalid, "%s", h.why)
	default:
		t.emit(EventHeld, "%s", h.why)
	}
}

// gist returns a sentence without its figures: counts change with every block,
// and only a new reason is news.
func gist(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r == '.' {
			return -1
		}
		return r
	}, s)
	const longest = 200 // it is saved
	return s[:min(len(s), longest)]
}
