package memory

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/store"
)

// DefaultRecords bounds the records of one kind of one rollout.
const DefaultRecords = 10000

// Store keeps states and records in memory.
type Store struct {
	max int

	mu      sync.Mutex
	states  map[rollout.ID]entry
	records map[key][]store.Record
}

type entry struct {
	version store.Version
	data    []byte
}

type key struct {
	id   rollout.ID
	kind store.RecordKind
}

var (
	_ store.Store   = (*Store)(nil)
	_ store.Journal = (*Store)(nil)
)

// New returns an empty store that keeps at most max records of a kind of one
// rollout; 0 is DefaultRecords.
func New(max int) *Store {
	if max == 0 {
		max = DefaultRecords
	}
	return &Store{max: max, states: map[rollout.ID]entry{}, records: map[key][]store.Record{}}
}

// Load implements store.Store.
func (s *Store) Load(ctx context.Context, id rollout.ID) (rollout.State, store.Version, error) {
	if err := ctx.Err(); err != nil {
		return rollout.State{}, 0, err
	}
	s.mu.Lock()
	e, ok := s.states[id]
	s.mu.Unlock()
	var st rollout.State
	if !ok {
		return st, 0, nil
	}
	if err := json.Unmarshal(e.data, &st); err != nil {
		return rollout.State{}, 0, fmt.Errorf("read the state of %s: %w: %w", id, store.ErrCorrupt, err)
	}
	return st, e.version, nil
}

// Save implements store.Store.
func (s *Store) Save(ctx context.Context, id rollout.ID, st rollout.State, v store.Version) (store.Version, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	data, err := json.Marshal(st)
	if err != nil {
		return 0, fmt.Errorf("write the state of %s: %w", id, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if is := s.states[id].version; is != v {
		return 0, fmt.Errorf("save %s: version %d is stored, not %d: %w", id, is, v, store.ErrConflict)
	}
	s.states[id] = entry{version: v + 1, data: data}
	return v + 1, nil
}

// Append implements store.Journal.
func (s *Store) Append(ctx context.Context, id rollout.ID, rs ...store.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range rs {
		k := key{id, r.Kind}
		at, there := slices.BinarySearchFunc(s.records[k], r.ID, func(x store.Record, id string) int {
			return strings.Compare(x.ID, id)
		})
		if there {
			continue
		}
		r.Data = slices.Clone(r.Data)
		all := slices.Insert(s.records[k], at, r)
		s.records[k] = all[max(0, len(all)-s.max):]
	}
	return nil
}

// Read implements store.Journal.
func (s *Store) Read(ctx context.Context, id rollout.ID, kind store.RecordKind, limit int) ([]store.Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.records[key{id, kind}]
	return slices.Clone(all[max(0, len(all)-max(0, limit)):]), nil
}
