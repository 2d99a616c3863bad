package object

import (
	"sync"
	"time"

	"github.com/haldane-dev/haldane/internal/traffic"
)

// SettleTime is how long what was written must stand before it is taken to be
// carried by a data plane that does not report. It is a rule, not a
// measurement: only the source of the counts sees what really flows.
const SettleTime = 5 * time.Second

// Settle is the read-back of a data plane that does not report. The zero
// Settle is ready. It is safe for concurrent use.
type Settle struct {
	Now func() time.Time // time.Now if nil. Set it before use

	mu    sync.Mutex
	what  Mark
	since time.Time
}

// Level returns Written for what has not stood for SettleTime since it was seen
// first, and Accepted from then on.
func (s *Settle) Level(m Mark) traffic.Level {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now
	if s.Now != nil {
		now = s.Now
	}
	at := now()
	if s.since.IsZero() || m != s.what {
		s.what, s.since = m, at
	}
	if at.Sub(s.since) < SettleTime {
		return traffic.Written
	}
	return traffic.Accepted
}
