package engine

import (
	"log/slog"
	"math/bits"
	"slices"
	"strings"
)

// troubles are the standing conditions of the loop. Each is shown in
// Status.Warnings while it lasts, and logged when it begins, at its 2nd, 4th,
// 8th … occurrence in a row, and when it ends. It belongs to the loop.
type troubles struct {
	log *slog.Logger
	all map[string]*trouble
}

type trouble struct {
	message string
	times   int
}

// is records the condition of what: message "" ends it.
func (t *troubles) is(what, message string) {
	now, was := t.all[what]
	if message == "" {
		if was {
			delete(t.all, what)
			t.log.Info("works again: "+what, "failures", now.times)
		}
		return
	}
	if !was {
		if t.all == nil {
			t.all = map[string]*trouble{}
		}
		now = &trouble{}
		t.all[what] = now
	}
	now.times++
	if bits.OnesCount(uint(now.times)) == 1 || now.message != message && now.times < 8 {
		t.log.Warn(message, "times", now.times)
	}
	now.message = message
}

// of is is for an error.
func (t *troubles) of(what string, err error) {
	if err == nil {
		t.is(what, "")
		return
	}
	t.is(what, sentence(err.Error()))
}

// has reports whether one of the conditions stands.
func (t *troubles) has(whats ...string) bool {
	for _, w := range whats {
		if t.all[w] != nil {
			return true
		}
	}
	return false
}

// warnings returns the standing conditions in a fixed order.
func (t *troubles) warnings() []string {
	var out []string
	for _, x := range t.all {
		out = append(out, x.message)
	}
	slices.Sort(out)
	return out
}

// sentence puts an error on one line of bearable length.
func sentence(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	const most = 400
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
