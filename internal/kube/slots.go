package kube

import (
	"context"
	"net/url"
	"sync"
)

// perHost is how many questions one metric server gets at the same time.
const perHost = 8

// slots bounds the questions to each host.
type slots struct {
	mu  sync.Mutex
	all map[string]chan struct{}
}

// take waits for a slot at the host of an address and returns how to give it
// back.
func (s *slots) take(ctx context.Context, address string) (back func(), err error) {
	host := address
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		host = u.Host
	}
	s.mu.Lock()
	if s.all == nil {
		s.all = map[string]chan struct{}{}
	}
	slot, ok := s.all[host]
	if !ok {
		slot = make(chan struct{}, perHost)
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
