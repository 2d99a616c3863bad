package file

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/haldane-dev/haldane/internal/store"
)

// Format is the layout of the file written by this version.
const Format = 1

// FeedbackPrefix begins the names of the top-level buckets that belong to the
// feedback store.
const FeedbackPrefix = "feedback/"

// The defaults of Options.
const (
	DefaultMaxRecords = 10000
	DefaultMaxAge     = 30 * 24 * time.Hour
	DefaultLockWait   = time.Second
)

var (
	bucketMeta    = []byte("haldane")
	bucketState   = []byte("state")
	bucketJournal = []byte("journal")
	bucketSecret  = []byte("secret")
	keyFormat     = []byte("format")
)

// Options bound what is kept. The zero value takes the defaults.
type Options struct {
	MaxRecords int              // of one kind of one rollout in the journal
	MaxAge     time.Duration    // of a record, since it was appended
	LockWait   time.Duration    // how long Open waits for another process to let go
	Now        func() time.Time // nil is time.Now
}

// Store is one open file. Close it.
type Store struct {
	db     *bolt.DB
	path   string
	opt    Options
	broken atomic.Bool // a fault has been met: nothing is read or written any more

	mu     sync.Mutex
	counts map[string]int // records in each journal bucket, by its name
}

var (
	_ store.Store   = (*Store)(nil)
	_ store.Journal = (*Store)(nil)
)

// Open opens or creates the file and everything above it. The error wraps
// store.ErrNewer or store.ErrCorrupt, names the file and says what to do.
func Open(path string, o Options) (*Store, error) {
	o.MaxRecords = cmp.Or(o.MaxRecords, DefaultMaxRecords)
	o.MaxAge = cmp.Or(o.MaxAge, DefaultMaxAge)
	o.LockWait = cmp.Or(o.LockWait, DefaultLockWait)
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Store{path: path, opt: o, counts: map[string]int{}}
	_, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := create(path); err != nil {
			return nil, fmt.Errorf("create the database %s: %w", path, err)
		}
	case err != nil:
		return nil, fmt.Errorf("open the database: %w", err)
	}
	if err := checkSize(path); err != nil {
		return nil, err
	}
	if err := s.open(); err != nil {
		return nil, err
	}
	if err := s.verify(); err != nil {
		_ = s.Close() // why it is not used is what matters
		return nil, err
	}
	return s, nil
}

// create makes a complete empty database under another name and only then
// gives it its own: a file that is there is never half made, so one that is
// empty or short has lost something.
func create(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, filepath.Base(path)+".new-*")
	if err != nil {
		return err
	}
	temp := f.Name()
	defer os.Remove(temp)
	if err := f.Close(); err != nil {
		return err
	}
	db, err := bolt.Open(temp, 0o600, &bolt.Options{Timeout: time.Second})
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bolt.Tx) error {
		for _, name := range [][]byte{bucketState, bucketJournal, bucketSecret} {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		meta, err := tx.CreateBucket(bucketMeta)
		if err != nil {
			return err
		}
		return meta.Put(keyFormat, []byte(strconv.Itoa(Format)))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	// A link, unlike a rename, leaves the file of another process that was
	// quicker alone.
	if err := os.Link(temp, path); err != nil && !errors.Is(err, fs.ErrExist) {
		if _, there := os.Stat(path); there == nil {
			return nil
		}
		if err := os.Rename(temp, path); err != nil { // no links on this file system
			return err
		}
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	_ = d.Sync() // not every file system can; the name is then as durable as it gets
	return d.Close()
}

func (s *Store) open() error {
	err := s.guard(func() error {
		db, err := bolt.Open(s.path, 0o600, &bolt.Options{Timeout: s.opt.LockWait})
		s.db = db
		return err
	})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, berrors.ErrTimeout):
		return fmt.Errorf("%s is in use by another process: end that one (haldane is probably running already), or use another file", s.path)
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch):
		return damaged(s.path, err.Error())
	}
	return fmt.Errorf("open the database %s: %w", s.path, err)
}

// Close lets go of the file. It waits for transactions under way. After a
// fault it does nothing: what the fault left locked would keep it waiting, and
// the file goes with the process.
func (s *Store) Close() error {
	if s.db == nil || s.broken.Load() {
		return nil
	}
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close the database %s: %w", s.path, err)
	}
	return nil
}

// DB returns the open database for the owner of the FeedbackPrefix buckets.
// Nothing else may be touched through it, and it must not be closed.
func (s *Store) DB() *bolt.DB { return s.db }

// Path returns the name of the file.
func (s *Store) Path() string { return s.path }
