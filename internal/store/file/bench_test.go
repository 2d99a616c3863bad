package file_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/haldane-dev/haldane/internal/store"
	"github.com/haldane-dev/haldane/internal/store/file"
	"github.com/haldane-dev/haldane/internal/store/storetest"
)

func BenchmarkSave(b *testing.B) {
	s, err := file.Open(filepath.Join(b.TempDir(), "haldane.db"), file.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	st := storetest.Example()
	var v store.Version
	b.ReportAllocs()
	for b.Loop() {
		if v, err = s.Save(b.Context(), "churn", st, v); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen opens a file with a full journal of 3 KiB blocks.
func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(b.TempDir(), "haldane.db")
	s, err := file.Open(path, file.Options{})
	if err != nil {
		b.Fatal(err)
	}
	var rs []store.Record
	for i := range file.DefaultMaxRecords {
		rs = append(rs, store.Record{Kind: store.BlockRecord, ID: fmt.Sprintf("%020d", i), Data: make([]byte, 3<<10)})
	}
	if err := s.Append(b.Context(), "churn", rs...); err != nil {
		b.Fatal(err)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s, err := file.Open(path, file.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
