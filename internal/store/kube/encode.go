package kube

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/store"
)

const (
	plainLimit  = 64 << 10  // longer states are compressed
	packedLimit = 512 << 10 // longer ones are refused: etcd takes 1.5 MiB for an object
	unpackLimit = 64 << 20  // of what is read back
)

// encode writes st into obj.
func encode(obj *v1alpha1.RolloutState, st rollout.State) error {
	text, err := json.Marshal(st)
	if err != nil {
		return fmt.Errorf("write the state as JSON: %w", err)
	}
	obj.Phase, obj.Sequence = string(st.Phase), int64(st.Sequence)
	obj.State, obj.Packed = "", nil
	if len(text) <= plainLimit {
		obj.State = string(text)
		return nil
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(text); err != nil {
		return fmt.Errorf("compress the state: %w", err)
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("compress the state: %w", err)
	}
	if b.Len() > packedLimit {
		return fmt.Errorf("the state takes %d bytes, compressed, and at most %d fit: use fewer metrics", b.Len(), packedLimit)
	}
	obj.Packed = b.Bytes()
	return nil
}

// Decode reads the state in obj; what cannot be read is store.ErrCorrupt.
func Decode(obj *v1alpha1.RolloutState) (rollout.State, error) {
	text := []byte(obj.State)
	if len(obj.Packed) > 0 {
		z, err := gzip.NewReader(bytes.NewReader(obj.Packed))
		if err != nil {
			return rollout.State{}, fmt.Errorf("%w: %w", store.ErrCorrupt, err)
		}
		if text, err = io.ReadAll(io.LimitReader(z, unpackLimit)); err != nil {
			return rollout.State{}, fmt.Errorf("%w: %w", store.ErrCorrupt, err)
		}
	}
	var st rollout.State
	if err := json.Unmarshal(text, &st); err != nil {
		return rollout.State{}, fmt.Errorf("%w: %w", store.ErrCorrupt, err)
	}
	return st, nil
}
