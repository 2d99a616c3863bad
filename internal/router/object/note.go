package object

import (
	"context"
	"encoding/json"
	"fmt"

	utiljson "k8s.io/apimachinery/pkg/util/json"
)

// note is what must not be forgotten of one object. There is one from before
// the first write until the release.
type note struct {
	Adopted bool `json:"adopted,omitempty"` // the object is the user's
	// Before is what an adopted object's field said; null if it was not there.
	Before json.RawMessage `json:"before,omitempty"`
}

// base is Before as JSON values, nil if there was none.
func (n *note) base() (any, error) {
	if len(n.Before) == 0 {
		return nil, nil
	}
	var v any
	if err := utiljson.Unmarshal(n.Before, &v); err != nil {
		return nil, fmt.Errorf("read what it said before: %w", err)
	}
	return v, nil
}

func (k *Keeper) noteKey() string { return "route/" + k.Kind.Kind + "/" + k.Name }

func (k *Keeper) readNote(ctx context.Context) (*note, error) {
	text, err := k.Rollout.Notes.Get(ctx, k.noteKey())
	if err != nil {
		return nil, fmt.Errorf("recall what was before %s: %w", k, err)
	}
	if len(text) == 0 {
		return nil, nil
	}
	n := &note{}
	if err := json.Unmarshal(text, n); err != nil {
		return nil, fmt.Errorf("recall what was before %s: %w", k, err)
	}
	return n, nil
}

// putNote keeps n durably; nil forgets.
func (k *Keeper) putNote(ctx context.Context, n *note) error {
	var text []byte
	if n != nil {
		var err error
		if text, err = json.Marshal(n); err != nil {
			return fmt.Errorf("remember what was before %s: %w", k, err)
		}
	}
	if err := k.Rollout.Notes.Put(ctx, k.noteKey(), text); err != nil {
		return fmt.Errorf("remember what was before %s: %w", k, err)
	}
	return nil
}
