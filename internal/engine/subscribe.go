package engine

import (
	"sync"

	"github.com/haldane-dev/haldane/internal/rollout"
)

// Update is one thing that happened; exactly one field is set. What it points
// at is shared by all subscribers and must not be changed.
type Update struct {
	Status *Status
	Block  *Block
	Event  *rollout.Event
}

// backlog is how many updates a subscriber may be behind.
const backlog = 64

// subscribers hands updates out. A slow subscriber loses its oldest ones; it
// never makes the loop wait.
type subscribers struct {
	mu     sync.Mutex
	all    map[chan Update]struct{}
	closed bool
}

// subscribe returns a channel of updates from now on and the end of it, which
// may be called more than once. The channel is closed when the subscription
// or the engine ends.
func (s *subscribers) subscribe() (<-chan Update, func()) {
	ch := make(chan Update, backlog)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		close(ch)
		return ch, func() {}
	}
	if s.all == nil {
		s.all = map[chan Update]struct{}{}
	}
	s.all[ch] = struct{}{}
	return ch, func() { s.cancel(ch) }
}

func (s *subscribers) cancel(ch chan Update) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.all[ch]; ok {
		delete(s.all, ch)
		close(ch)
	}
}

// publish is called by the loop alone.
func (s *subscribers) publish(u Update) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ch := range s.all {
		for sent := false; !sent; {
			select {
			case ch <- u:
				sent = true
			default:
				select {
				case <-ch: // the oldest gives way
				default:
				}
			}
		}
	}
}

func (s *subscribers) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for ch := range s.all {
		delete(s.all, ch)
		close(ch)
	}
}
