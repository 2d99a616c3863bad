package kube

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cluster"
)

const (
	// plainSpec is how long a noted spec is, in bytes, before it is compressed.
	plainSpec = 16 << 10
	// longestSpec bounds what is read back of one that was.
	longestSpec = 16 << 20
)

// put notes a spec. One that is too long, because of lists of users mostly, is
// refused.
func put(ctx context.Context, notes cluster.Notes, name string, spec *v1alpha1.Spec) error {
	text, err := json.Marshal(spec)
	if err != nil {
		return fmt.Errorf("note the spec: %w", err)
	}
	kept := text
	if len(text) > plainSpec {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, err := z.Write(text)
		if err == nil {
			err = z.Close()
		}
		if err != nil {
			return fmt.Errorf("compress the spec: %w", err)
		}
		kept = b.Bytes()
	}
	if len(kept) > cluster.MaxNote {
		return &refusal{fmt.Errorf("spec: has %d bytes, which are %d compressed, and at most %d are kept: "+
			"shorten the lists of spec.routing.cohorts, or what spec.analysis.checks send", len(text), len(kept), cluster.MaxNote)}
	}
	return notes.Put(ctx, name, kept)
}

// noted reads a spec that put has noted, nil if there is none.
func noted(ctx context.Context, notes cluster.Notes, name string) (*v1alpha1.Spec, error) {
	text, err := notes.Get(ctx, name)
	if err != nil || len(text) == 0 {
		return nil, err
	}
	if text[0] != '{' {
		z, err := gzip.NewReader(bytes.NewReader(text))
		if err == nil {
			text, err = io.ReadAll(io.LimitReader(z, longestSpec))
		}
		if err != nil {
			return nil, fmt.Errorf("uncompress the spec: %w", err)
		}
	}
	spec := &v1alpha1.Spec{}
	if err := json.Unmarshal(text, spec); err != nil {
		return nil, err
	}
	return spec, nil
}
