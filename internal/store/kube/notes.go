package kube

import (
	"bytes"
	"context"
	"fmt"

	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/rollout"
)

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
	if len(value) > cluster.MaxNote {
		return fmt.Errorf("note %s of %s has %d bytes: at most %d are kept", name, n.id, len(value), cluster.MaxNote)
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
		var old []byte
		if h.obj != nil && !h.foreign() {
			old = h.obj.Notes[name]
		}
		if bytes.Equal(old, value) {
			return nil
		}
		if err := n.complete(ctx, h); err != nil {
			return err
		}
		next := s.prepare(n.id, h)
		if len(value) == 0 { // the API server takes no empty bytes
			delete(next.Notes, name)
		} else {
			if next.Notes == nil {
				next.Notes = map[string][]byte{}
			}
			next.Notes[name] = bytes.Clone(value)
		}
		err := s.write(ctx, h, next)
		if err == nil {
			return nil
		}
		if !raced(err) || !again {
			return fmt.Errorf("keep note %s of %s: %w", name, n.id, err)
		}
		if err := n.refetch(ctx, h); err != nil {
			return err
		}
	}
}

// complete makes what is held whole, if anything is: a note is written together
// with the state.
func (n notes) complete(ctx context.Context, h *held) error {
	if h.obj == nil || h.whole {
		return nil
	}
	return n.refetch(ctx, h)
}

// refetch reads the object again. A note of a process that has lost its place
// must not be kept: what it was about is another's business by now.
func (n notes) refetch(ctx context.Context, h *held) error {
	was := n.store.version(h)
	if err := n.store.fetch(ctx, n.id, h); err != nil {
		return err
	}
	if is := n.store.version(h); is != was {
		return fmt.Errorf("keep a note of %s: another process has saved its state", n.id)
	}
	return nil
}
