package outbound

import (
	"context"
	"sync"
)

// slots bounds the requests to each host.
type slots struct {
	most int
	mu   sync.Mutex
	all  map[string]chan struct{}
}

// take waits for a slot at a host and returns how to give it back.
func (s *slots) take(ctx context.Context, host string) (back func(), err error) {
	s.mu.Lock()
	if s.all == nil {
		s.all = map[string]chan struct{}{}
	}
	slot, ok := s.all[host]
	if !ok {
		slot = make(chan struct{}, s.most)
		s.all[host] = slot
	}
	s.mu.Unlock()
	select {
	case slot <- struct{}{}:
		return func() { <-slot }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
