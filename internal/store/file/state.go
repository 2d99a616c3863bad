package file

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/cespare/xxhash/v2"
	bolt "go.etcd.io/bbolt"

	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/store"
)

// A state is stored as its version, the checksum of its name and JSON, and the
// JSON.
const stateHeader = 16

// Load implements store.Store.
func (s *Store) Load(ctx context.Context, id rollout.ID) (rollout.State, store.Version, error) {
	if err := ctx.Err(); err != nil {
		return rollout.State{}, 0, err
	}
	var st rollout.State
	var v store.Version
	err := s.view(func(tx *bolt.Tx) error {
		raw := tx.Bucket(bucketState).Get([]byte(id))
		if raw == nil {
			return nil
		}
		var data []byte
		var err error
		if v, data, err = s.unpack(id, raw); err != nil {
			return err
		}
		if err := json.Unmarshal(data, &st); err != nil {
			return damaged(s.path, fmt.Sprintf("the state of %s does not read: %v", id, err))
		}
		return nil
	})
	if err != nil {
		return rollout.State{}, 0, err
	}
	return st, v, nil
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
	err = s.update(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketState)
		var is store.Version
		if raw := b.Get([]byte(id)); raw != nil {
			if is, _, err = s.unpack(id, raw); err != nil {
				return err
			}
		}
		if is != v {
			return fmt.Errorf("save %s: version %d is stored, not %d: %w", id, is, v, store.ErrConflict)
		}
		return b.Put([]byte(id), pack(id, v+1, data))
	})
	if err != nil {
		return 0, fmt.Errorf("write to %s: %w", s.path, err)
	}
	return v + 1, nil
}

func pack(id rollout.ID, v store.Version, data []byte) []byte {
	out := make([]byte, stateHeader, stateHeader+len(data))
	binary.BigEndian.PutUint64(out, uint64(v))
	binary.BigEndian.PutUint64(out[8:], checksum(id, data))
	return append(out, data...)
}

func checksum(id rollout.ID, data []byte) uint64 {
	d := xxhash.New()
	_, _ = d.WriteString(string(id)) // a hash takes everything
	_, _ = d.Write(data)
	return d.Sum64()
}

func (s *Store) unpack(id rollout.ID, raw []byte) (store.Version, []byte, error) {
	if len(raw) < stateHeader {
		return 0, nil, damaged(s.path, fmt.Sprintf("the state of %s was cut short", id))
	}
	data := raw[stateHeader:]
	if checksum(id, data) != binary.BigEndian.Uint64(raw[8:]) {
		return 0, nil, damaged(s.path, fmt.Sprintf("the checksum of the state of %s is wrong", id))
	}
	return store.Version(binary.BigEndian.Uint64(raw)), data, nil
}

// Secret returns n random bytes that are the same for a name for as long as
// the file lives. The first call makes them. Another n than the first is an
// error.
func (s *Store) Secret(name string, n int) ([]byte, error) {
	var secret []byte
	get := func(tx *bolt.Tx) error {
		secret = append([]byte(nil), tx.Bucket(bucketSecret).Get([]byte(name))...)
		return nil
	}
	if err := s.view(get); err != nil {
		return nil, err
	}
	if len(secret) == 0 {
		if err := s.update(func(tx *bolt.Tx) error {
			if err := get(tx); err != nil || len(secret) > 0 {
				return err // another caller was quicker
			}
			secret = make([]byte, n)
			if _, err := rand.Read(secret); err != nil {
				return err
			}
			return tx.Bucket(bucketSecret).Put([]byte(name), secret)
		}); err != nil {
			return nil, fmt.Errorf("write the secret %s to %s: %w", name, s.path, err)
		}
	}
	if len(secret) != n {
		return nil, fmt.Errorf("the secret %s in %s has %d bytes, not %d", name, s.path, len(secret), n)
	}
	return secret, nil
}
