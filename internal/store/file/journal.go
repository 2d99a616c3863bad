package file

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/store"
)

// A record is stored under its ID as the time of its appending and its data.
const recordHeader = 8

func journalName(id rollout.ID, kind store.RecordKind) string {
	return string(kind) + "\x00" + string(id)
}

// Append implements store.Journal. What is too old or too many is dropped in
// the same transaction, the oldest IDs first.
func (s *Store) Append(ctx context.Context, id rollout.ID, rs ...store.Record) error {
	if err := ctx.Err(); err != nil || len(rs) == 0 {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := map[string]int{}
	err := s.update(func(tx *bolt.Tx) error {
		clear(changed)
		journal := tx.Bucket(bucketJournal)
		for _, r := range rs {
			name := journalName(id, r.Kind)
			b, err := journal.CreateBucketIfNotExists([]byte(name))
			if err != nil {
				return err
			}
			if _, known := changed[name]; !known {
				changed[name] = s.count(name, b)
			}
			if b.Get([]byte(r.ID)) != nil {
				continue
			}
			if err := b.Put([]byte(r.ID), s.packRecord(r)); err != nil {
				return err
			}
			changed[name]++
		}
		for name := range changed {
			if err := s.prune(journal.Bucket([]byte(name)), changed, name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write the journal to %s: %w", s.path, err)
	}
	for name, n := range changed {
		s.counts[name] = n
	}
	return nil
}

// count returns how many records a bucket holds. It walks it once.
func (s *Store) count(name string, b *bolt.Bucket) int {
	if n, ok := s.counts[name]; ok {
		return n
	}
	return b.Stats().KeyN
}

func (s *Store) packRecord(r store.Record) []byte {
	out := make([]byte, recordHeader, recordHeader+len(r.Data))
	binary.BigEndian.PutUint64(out, uint64(s.opt.Now().UnixNano()))
	return append(out, r.Data...)
}

// prune drops the oldest records that are too many or too old.
func (s *Store) prune(b *bolt.Bucket, counts map[string]int, name string) error {
	oldest := s.opt.Now().Add(-s.opt.MaxAge)
	var drop [][]byte
	c := b.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if counts[name]-len(drop) <= s.opt.MaxRecords && !appended(v).Before(oldest) {
			break
		}
		drop = append(drop, bytes.Clone(k))
	}
	for _, k := range drop {
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	counts[name] -= len(drop)
	return nil
}

func appended(v []byte) time.Time {
	if len(v) < recordHeader {
		return time.Time{}
	}
	return time.Unix(0, int64(binary.BigEndian.Uint64(v)))
}

// Read implements store.Journal.
func (s *Store) Read(ctx context.Context, id rollout.ID, kind store.RecordKind, limit int) ([]store.Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var out []store.Record
	err := s.view(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketJournal).Bucket([]byte(journalName(id, kind)))
		if b == nil {
			return nil
		}
		c := b.Cursor()
		for k, v := c.Last(); k != nil && len(out) < limit; k, v = c.Prev() {
			if len(v) < recordHeader {
				return damaged(s.path, fmt.Sprintf("record %s of the journal was cut short", k))
			}
			out = append(out, store.Record{Kind: kind, ID: string(k), Data: bytes.Clone(v[recordHeader:])})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.Reverse(out)
	return out, nil
}
