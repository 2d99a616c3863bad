package store

import (
	"context"
	"errors"

	"github.com/haldane-dev/haldane/internal/rollout"
)

// The errors of a store.
var (
	// ErrConflict means somebody saved in between: load again.
	ErrConflict = errors.New("the stored state has changed in between")
	// ErrNewer means the data was written by a newer version of Haldane.
	ErrNewer = errors.New("written by a newer version of haldane")
	// ErrCorrupt means the data cannot be read back.
	ErrCorrupt = errors.New("the stored data is damaged")
)

// Version counts the saves of one state; 0 is a state never saved.
type Version uint64

// Store keeps the state of rollouts. Implementations are safe for concurrent use.
type Store interface {
	// Load returns the state and its version, or the zero State and version 0
	// if there is none.
	Load(ctx context.Context, id rollout.ID) (rollout.State, Version, error)
	// Save replaces the state if its version is still v and returns the new
	// version. When it returns nil the state is durable. ErrConflict: nothing
	// was written.
	Save(ctx context.Context, id rollout.ID, s rollout.State, v Version) (Version, error)
}

// Journal keeps what happened, for people to read. It is append-only and
// bounded by age and number; losing its newest records in a crash loses
// no evidence.
type Journal interface {
	// Append adds records. One whose ID is already there is left alone.
	Append(ctx context.Context, id rollout.ID, rs ...Record) error
	// Read returns at most limit newest records of a kind, oldest first.
	Read(ctx context.Context, id rollout.ID, kind RecordKind, limit int) ([]Record, error)
}

// RecordKind separates what a Journal holds.
type RecordKind string

// The kinds of record.
const (
	EventRecord RecordKind = "event" // Data is a rollout.Event
	BlockRecord RecordKind = "block" // Data is an engine.Block
)

// Record is one entry of a Journal.
type Record struct {
	Kind RecordKind
	ID   string // unique within its kind and sortable by time
	Data []byte // JSON
}
