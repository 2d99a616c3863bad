package file

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"runtime/debug"
	"strconv"

	"github.com/cespare/xxhash/v2"
	bolt "go.etcd.io/bbolt"

	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/store"
)

// damaged is the sentence for a file that cannot be trusted.
func damaged(path, why string) error {
	return fmt.Errorf("%s: damaged (%s): move it away to start afresh, or restore a copy: %w", path, why, store.ErrCorrupt)
}

// guard runs f and turns what a damaged file does to it, a failed assertion of
// the tree or a page that is not there, into store.ErrCorrupt. After that
// nothing is read or written any more.
func (s *Store) guard(f func() error) (err error) {
	if s.broken.Load() {
		return damaged(s.path, "a fault was met before")
	}
	// A file that shrinks under its memory map raises SIGBUS, which ends the
	// process unless this turns it into a panic.
	before := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(before)
	defer func() {
		if p := recover(); p != nil {
			s.broken.Store(true)
			err = damaged(s.path, fmt.Sprint(p))
		}
	}()
	return f()
}

func (s *Store) view(f func(*bolt.Tx) error) error {
	return s.guard(func() error { return s.db.View(f) })
}

func (s *Store) update(f func(*bolt.Tx) error) error {
	return s.guard(func() error { return s.db.Update(f) })
}

// The first two pages of the file each hold a copy of the tree's root record.
// The newer valid one counts and says how many pages are in use.
const (
	pageHeader = 16
	metaSize   = 64
	metaMagic  = 0xED0CDAED
)

// checkSize finds a file that was cut short before it is mapped into memory,
// where touching a missing page would be a fault.
func checkSize(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("open the database: %s is not a file: name one to keep the state in", path)
	}
	if info.Size() == 0 {
		return damaged(path, "it is empty")
	}
	var need, newest uint64
	found := false
	first, ok := readMeta(f, 0)
	pageSize := uint64(os.Getpagesize())
	if ok {
		pageSize = first.pageSize
		need, newest, found = first.pages*pageSize, first.txid, true
	}
	if second, ok := readMeta(f, int64(pageSize)); ok && (!found || second.txid > newest) {
		need, found = second.pages*second.pageSize, true
	}
	switch {
	case !found:
		return damaged(path, "it does not begin as a database does")
	case uint64(info.Size()) < need:
		return damaged(path, fmt.Sprintf("it was cut short: %d bytes of %d", info.Size(), need))
	}
	return nil
}

type meta struct{ pageSize, pages, txid uint64 }

// readMeta reads the root record of the page at an offset, and false if it is
// not valid.
func readMeta(r io.ReaderAt, at int64) (meta, bool) {
	var b [pageHeader + metaSize]byte
	if n, _ := r.ReadAt(b[:], at); n < len(b) {
		return meta{}, false
	}
	m := b[pageHeader:]
	sum := fnv.New64a()
	sum.Write(m[:metaSize-8])
	order := binary.NativeEndian
	if order.Uint32(m) != metaMagic || order.Uint64(m[metaSize-8:]) != sum.Sum64() {
		return meta{}, false
	}
	out := meta{
		pageSize: uint64(order.Uint32(m[8:])),
		pages:    order.Uint64(m[40:]),
		txid:     order.Uint64(m[48:]),
	}
	// Bounds, so that the product cannot overflow.
	return out, out.pageSize >= 512 && out.pageSize <= 1<<20 && out.pages < 1<<40
}

// verify checks the format and walks every page that holds something.
func (s *Store) verify() error {
	return s.view(func(tx *bolt.Tx) error {
		m := tx.Bucket(bucketMeta)
		if m == nil {
			return damaged(s.path, "it is a database, but not one of haldane")
		}
		text := string(m.Get(keyFormat))
		format, err := strconv.Atoi(text)
		switch {
		case err != nil || format < 1:
			return damaged(s.path, fmt.Sprintf("its format is %q", text))
		case format > Format:
			return fmt.Errorf("%s: %w (format %d; this version reads %d): use that version, or move the file away to start afresh",
				s.path, store.ErrNewer, format, Format)
		}
		for _, name := range [][]byte{bucketState, bucketJournal, bucketSecret} {
			if tx.Bucket(name) == nil {
				return damaged(s.path, fmt.Sprintf("%q is missing", name))
			}
		}
		if err := tx.Bucket(bucketState).ForEach(func(k, v []byte) error {
			_, _, err := s.unpack(rollout.ID(k), v)
			return err
		}); err != nil {
			return err
		}
		if err := tx.ForEach(func(_ []byte, b *bolt.Bucket) error { return walk(b) }); err != nil {
			return damaged(s.path, err.Error())
		}
		return nil
	})
}

// walk touches every key and value below b and checks that keys ascend.
func walk(b *bolt.Bucket) error {
	last, first := "", true
	return b.ForEach(func(k, v []byte) error {
		if !first && string(k) <= last {
			return fmt.Errorf("key %q follows %q", k, last)
		}
		last, first = string(k), false
		if v == nil {
			if below := b.Bucket(k); below != nil {
				return walk(below)
			}
		}
		_ = xxhash.Sum64(v) // reads it all
		return nil
	})
}
