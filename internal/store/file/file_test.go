package file_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/haldane-dev/haldane/internal/store"
	"github.com/haldane-dev/haldane/internal/store/file"
	"github.com/haldane-dev/haldane/internal/store/storetest"
)

func open(t *testing.T, path string, o file.Options) *file.Store {
	t.Helper()
	s, err := file.Open(path, o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Harness {
		path := filepath.Join(t.TempDir(), "haldane.db")
		o := file.Options{MaxRecords: 40}
		s := open(t, path, o)
		return storetest.Harness{
			Store: s, Journal: s, MaxRecords: 40,
			Reopen: func(t *testing.T) (store.Store, store.Journal) {
				if err := s.Close(); err != nil {
					t.Fatalf("close: %v", err)
				}
				again := open(t, path, o)
				return again, again
			},
		}
	})
}

func TestFileIsPrivateAndAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "down")
	path := filepath.Join(dir, "haldane.db")
	open(t, path, file.Options{})
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if p := info.Mode().Perm(); p != 0o600 {
		t.Errorf("the file's mode is %o, want 600", p)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 {
		t.Errorf("creating left %d files behind: %v", len(entries), entries)
	}
}

func TestManyCreateAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "haldane.db")
	const rivals = 8
	errs := make(chan error, rivals)
	var wg sync.WaitGroup
	for range rivals {
		wg.Go(func() {
			s, err := file.Open(path, file.Options{LockWait: 10 * time.Second})
			if err == nil {
				_, v, lerr := s.Load(context.Background(), "churn")
				if lerr == nil {
					_, lerr = s.Save(context.Background(), "churn", storetest.Example(), v)
				}
				err = errors.Join(lerr, s.Close())
			}
			errs <- err
		})
	}
	wg.Wait()
	for range rivals {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	s := open(t, path, file.Options{})
	if _, v, err := s.Load(t.Context(), "churn"); err != nil || v != rivals {
		t.Errorf("after %d saves: version %d, %v", rivals, v, err)
	}
}

func TestInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "haldane.db")
	open(t, path, file.Options{})
	_, err := file.Open(path, file.Options{LockWait: 10 * time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("error %v: want one that names %s and says that it is in use", err, path)
	}
	if errors.Is(err, store.ErrCorrupt) {
		t.Error("a file in use is not damaged")
	}
}

func TestNewerFormat(t *testing.T) {
	path := filled(t)
	edit(t, path, func(tx *bolt.Tx) error {
		return tx.Bucket([]byte("haldane")).Put([]byte("format"), []byte("2"))
	})
	_, err := file.Open(path, file.Options{})
	if !errors.Is(err, store.ErrNewer) || !strings.Contains(err.Error(), "format 2") || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %v: want one line that wraps ErrNewer", err)
	}
}

func TestNotOurDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "other.db")
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := file.Open(path, file.Options{}); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("another program's database opens with %v", err)
	}
	if _, err := file.Open(t.TempDir(), file.Options{}); err == nil {
		t.Error("a folder opens")
	}
}

func edit(t *testing.T, path string, f func(*bolt.Tx) error) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(f), db.Close()); err != nil {
		t.Fatal(err)
	}
}

// filled makes a database of some pages: a state, a secret, a long journal.
func filled(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "haldane.db")
	s, err := file.Open(path, file.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var rs []store.Record
	for i := range 200 {
		rs = append(rs, store.Record{Kind: store.BlockRecord, ID: fmt.Sprintf("%020d", i), Data: bytes.Repeat([]byte("x"), 300)})
	}
	_, serr := s.Save(t.Context(), "churn", storetest.Example(), 0)
	_, kerr := s.Secret("predictions", 32)
	if err := errors.Join(serr, kerr, s.Append(t.Context(), "churn", rs...), s.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "haldane.db")
	s := open(t, path, file.Options{})
	var first []byte
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			k, err := s.Secret("predictions", 32)
			mu.Lock()
			defer mu.Unlock()
			if err != nil || len(k) != 32 || first != nil && !bytes.Equal(k, first) {
				t.Errorf("secret %x (first %x), %v", k, first, err)
			}
			first = k
		})
	}
	wg.Wait()
	if bytes.Equal(first, make([]byte, 32)) {
		t.Error("the secret is zero")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path, file.Options{})
	if again, err := s.Secret("predictions", 32); err != nil || !bytes.Equal(again, first) {
		t.Errorf("after reopening %x, %v; before %x", again, err, first)
	}
	if other, err := s.Secret("other", 32); err != nil || bytes.Equal(other, first) {
		t.Errorf("another name: %x, %v", other, err)
	}
	if _, err := s.Secret("predictions", 16); err == nil {
		t.Error("the same secret with another length")
	}
}

func TestJournalAge(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := open(t, filepath.Join(t.TempDir(), "haldane.db"), file.Options{
		MaxAge: time.Hour,
		Now:    func() time.Time { return now },
	})
	for i := range 5 {
		r := store.Record{Kind: store.EventRecord, ID: fmt.Sprint(i), Data: []byte("{}")}
		if err := s.Append(t.Context(), "churn", r); err != nil {
			t.Fatal(err)
		}
		now = now.Add(25 * time.Minute)
	}
	rs, err := s.Read(t.Context(), "churn", store.EventRecord, 10)
	if err != nil {
		t.Fatal(err)
	}
	// The last was appended at 100 min: those of 50, 75 and 100 are within the hour.
	if len(rs) != 3 || rs[0].ID != "2" {
		t.Errorf("the journal holds %d records from %q on, want 3 from 2 on", len(rs), rs[0].ID)
	}
}

func TestStateChecksum(t *testing.T) {
	path := filled(t)
	edit(t, path, func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte("state"))
		raw := bytes.Clone(b.Get([]byte("churn")))
		at := bytes.Index(raw, []byte(`"step":1`))
		raw[at+7] = '0' // reads well, but is not what was saved
		return b.Put([]byte("churn"), raw)
	})
	if _, err := file.Open(path, file.Options{}); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("a changed state opens with %v", err)
	}
	edit(t, path, func(tx *bolt.Tx) error { return tx.Bucket([]byte("state")).Delete([]byte("churn")) })
	open(t, path, file.Options{}) // it was that, and nothing else
}
