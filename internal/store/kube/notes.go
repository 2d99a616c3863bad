package kube

import (
	"bytes"
	"context"
	"fmt"

	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// maxNote bounds one note, in bytes.
const maxNote = 64 << 10

// Notes returns what adapters remember of a rollout.
func (s *Store) Notes(id rollout.ID) cluster.Notes { return notes{s, id} }

type notes struct {
	store *Store
	id    rollout.ID
}

// Get implements cluster.Notes.
func (n notes) Get(ctx context.Context, name string) ([]byte, error) {
	s, h := n.store, n.store.of(n.id)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.obj == nil {
		if err := s.fetch(ctx, n.id, h); err != nil {
			return nil, err
		}
	}
	if h.obj == nil || h.foreign() {
		return nil, nil
	}
	return bytes.Clone(h.obj.Notes[name]), nil
}

// Put implements cluster.Notes.
func (n notes) Put(ctx context.Context, name string, value []byte) error {
	if len(value) > maxNote {
		return fmt.Errorf("note %s of %s has %d bytes: at most %d are kept", name, n.id, len(value), maxNote)
	}
	s, h := n.store, n.store.of(n.id)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.obj == nil {
		if err := s.fetch(ctx, n.id, h); err != nil {
			return err
		}
	}
	for again := true; ; again = false {
		next := s.prepare(n.id, h)
		// The API server takes no empty bytes.
		empty := len(value) == 0
		if old, there := next.Notes[name]; there == !empty && bytes.Equal(old, value) {
			return nil
		}
		if empty {
			delete(next.Notes, name)
		} else {
			if next.Notes == nil {
				next.Notes = map[string][]byte{}
			}
			next.Notes[name] = bytes.Clone(value)
		}
		was := s.version(h)
		err := s.write(ctx, h, next)
		if err == nil {
			return nil
		}
		if !raced(err) || !again {
			return fmt.Errorf("keep note %s of %s: %w", name, n.id, err)
		}
		if err := s.fetch(ctx, n.id, h); err != nil {
			return err
		}
		// A note of a process that has lost its place must not be kept: what it
		// was about is another's business by now.
		if is := s.version(h); is != was {
			return fmt.Errorf("keep note %s of %s: another process has saved its state", name, n.id)
		}
	}
}
