package inference

import (
	"maps"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// maxInterned bounds how many class names a table remembers. A name beyond them
// is copied each time it occurs.
const maxInterned = 1024

// internTable turns views of a body into strings that may be kept, without
// copying a name it has seen before. Reading takes no lock: the map is replaced,
// never changed.
type internTable struct {
	names atomic.Pointer[map[string]string]
	mu    sync.Mutex // serialises writers
}

// class returns s, at most [MaxClass] bytes and valid UTF-8, as a string that
// may be kept.
func (t *internTable) class(s string) string {
	s = cut(s, MaxClass)
	names := t.names.Load()
	if names != nil {
		if known, ok := (*names)[s]; ok {
			return known
		}
		if len(*names) >= maxInterned {
			return tidy(s)
		}
	}
	return t.add(s)
}

func (t *internTable) add(s string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	next := make(map[string]string)
	if names := t.names.Load(); names != nil {
		if known, ok := (*names)[s]; ok {
			return known
		}
		if len(*names) >= maxInterned {
			return tidy(s)
		}
		next = maps.Clone(*names)
	}
	name := tidy(s)
	// The key is the name as it was sent, so that the next look-up finds it.
	next[strings.Clone(s)] = name
	t.names.Store(&next)
	return name
}

// index is the class name of an integer.
func (t *internTable) index(i int64) string {
	if 0 <= i && i < 100 {
		return strconv.Itoa(int(i)) // which holds these as constants
	}
	var buf [20]byte
	return t.class(view(strconv.AppendInt(buf[:0], i, 10)))
}

// tidy copies s as valid UTF-8 of at most MaxClass bytes.
func tidy(s string) string { return strings.Clone(cut(strings.ToValidUTF8(s, "\uFFFD"), MaxClass)) }

// constant returns s without a copy if it is one of the words in which the
// protocols say why an answer ended, else a tidy copy of at most MaxClass bytes.
func constant(s string) string {
	for _, word := range [...]string{"stop", "length", "tool_calls", "content_filter", "function_call", "completed", "incomplete"} {
		if s == word {
			return word
		}
	}
	return tidy(s)
}
