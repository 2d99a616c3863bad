package file_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/store"
	"github.com/haldane-dev/haldane/internal/store/file"
	"github.com/haldane-dev/haldane/internal/store/storetest"
)

func write(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "haldane.db")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestCutShort cuts the file at every page boundary and around each.
func TestCutShort(t *testing.T) {
	whole, err := os.ReadFile(filled(t))
	if err != nil {
		t.Fatal(err)
	}
	path := write(t, nil)
	page := os.Getpagesize()
	for at := 0; at < len(whole); at += page {
		for _, n := range []int{at, at + 1, at + page/2} {
			if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := file.Open(path, file.Options{})
			if err == nil {
				// Only pages that nothing was ever written to may be missing.
				_, _, err = s.Load(t.Context(), "churn")
				if _, rerr := s.Read(t.Context(), "churn", store.BlockRecord, 1000); err != nil || rerr != nil {
					t.Fatalf("%d of %d bytes open, but read with %v, %v", n, len(whole), err, rerr)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				continue
			}
			if !errors.Is(err, store.ErrCorrupt) || !strings.Contains(err.Error(), "move it away to start afresh, or restore a copy") {
				t.Fatalf("%d of %d bytes: %v", n, len(whole), err)
			}
		}
	}
}

func TestGarbage(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 64<<10)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	for name, content := range map[string][]byte{
		"empty": {}, "text": []byte("this is not a database\n"), "zeroes": make([]byte, 64<<10), "noise": noise,
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, content)
			_, err := file.Open(path, file.Options{})
			if !errors.Is(err, store.ErrCorrupt) || !strings.HasPrefix(err.Error(), path+": damaged (") {
				t.Errorf("error %v", err)
			}
			after, rerr := os.ReadFile(path)
			if rerr != nil || string(after) != string(content) {
				t.Error("a damaged file was written to")
			}
		})
	}
}

// TestRot overwrites stretches of the file at random, seeded. Whatever opens
// must hold the state that was saved or say that it is damaged.
func TestRot(t *testing.T) {
	whole, err := os.ReadFile(filled(t))
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(3, 4))
	dir := t.TempDir()
	found := 0
	for i := range 300 {
		path := filepath.Join(dir, fmt.Sprint(i)) // a fault keeps the file locked
		content := append([]byte(nil), whole...)
		for range 1 + rng.IntN(3) {
			at, n := rng.IntN(len(content)), 1+rng.IntN(64)
			for i := at; i < min(at+n, len(content)); i++ {
				content[i] = byte(rng.Uint32())
			}
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := useAll(path); errors.Is(err, store.ErrCorrupt) {
			found++
		} else if err != nil {
			t.Fatalf("error %v, want none or ErrCorrupt", err)
		}
	}
	if found == 0 {
		t.Error("no damage was ever noticed")
	}
}

// useAll opens a database and does with it what a run does.
func useAll(path string) error {
	s, err := file.Open(path, file.Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	ctx := context.Background()
	st, v, err := s.Load(ctx, "churn")
	if err != nil {
		return err
	}
	if v != 1 || st.Step != storetest.Example().Step {
		return fmt.Errorf("version %d of a state that was never saved", v)
	}
	if _, err := s.Save(ctx, "churn", rollout.State{Step: 7}, v); err != nil {
		return err
	}
	if _, err := s.Read(ctx, "churn", store.BlockRecord, 1000); err != nil {
		return err
	}
	return s.Append(ctx, "churn", store.Record{Kind: store.BlockRecord, ID: "z", Data: []byte("{}")})
}
