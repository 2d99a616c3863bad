package feedback

import (
	"maps"
	"strings"
	"sync"
	"sync/atomic"
)

// classNames bounds how many classes are told apart. Reading takes no lock: the
// map is replaced, never changed.
type classNames struct {
	max   int
	known atomic.Pointer[map[string]string]
	mu    sync.Mutex // serialises writers
}

// fold returns a lasting copy of class, or OtherClass if there are too many.
func (c *classNames) fold(class string) string {
	if class == "" {
		return ""
	}
	if known := c.known.Load(); known != nil {
		if name, ok := (*known)[class]; ok {
			return name
		}
		if len(*known) >= c.max {
			return OtherClass
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	next := map[string]string{}
	if known := c.known.Load(); known != nil {
		if name, ok := (*known)[class]; ok {
			return name
		}
		if len(*known) >= c.max {
			return OtherClass
		}
		maps.Copy(next, *known)
	}
	name := strings.Clone(class)
	next[name] = name
	c.known.Store(&next)
	return name
}
