package telemetry

import (
	"maps"
	"strings"
	"sync"
	"sync/atomic"
)

// classTable numbers class names in the order in which they are first seen.
// Reading takes no lock: the table is replaced, never changed.
type classTable struct {
	max     int
	current atomic.Pointer[classIndex]
	mu      sync.Mutex // serialises writers
}

type classIndex struct {
	index map[string]int
	names []string // by number
}

func newClassTable(max int) *classTable {
	t := &classTable{max: max}
	t.current.Store(&classIndex{index: map[string]int{}})
	return t
}

// number returns the number of name, max for those beyond the bound. It
// allocates only when it sees a name for the first time.
func (t *classTable) number(name string) int {
	c := t.current.Load()
	if i, ok := c.index[name]; ok {
		return i
	}
	if len(c.names) == t.max {
		return t.max
	}
	return t.add(name)
}

func (t *classTable) add(name string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.current.Load()
	if i, ok := old.index[name]; ok {
		return i
	}
	n := len(old.names)
	if n == t.max {
		return t.max
	}
	name = strings.Clone(name) // it may be a view of a request's body
	next := &classIndex{index: maps.Clone(old.index), names: append(old.names[:n:n], name)}
	next.index[name] = n
	t.current.Store(next)
	return n
}

// names returns the names by number. The slice must not be changed.
func (t *classTable) names() []string { return t.current.Load().names }
