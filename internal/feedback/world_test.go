package feedback

import (
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/haldane-dev/haldane/internal/predictionid"
	"github.com/haldane-dev/haldane/internal/traffic"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world is a ledger over a file, with a clock set by hand.
type world struct {
	t      *testing.T
	path   string
	db     *bbolt.DB
	ledger *Ledger
	codec  *predictionid.Codec
	opt    Options

	mu    sync.Mutex
	clock time.Time
	nonce uint64
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := openWorld(t, filepath.Join(t.TempDir(), "db"), Options{
		Rollout: "churn", Revision: "v2", Maturity: time.Minute, TTL: 3 * time.Hour, CohortLength: 10 * time.Second,
		Lower: 0, Upper: 100,
	})
	t.Cleanup(w.close)
	return w
}

// openWorld returns a world that the caller closes.
func openWorld(t *testing.T, path string, o Options) *world {
	t.Helper()
	codec, err := predictionid.New([]byte("0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, path: path, codec: codec, opt: o, clock: start}
	w.opt.Now = w.now
	w.open()
	return w
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

func (w *world) at(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = start.Add(d)
}

func (w *world) open() {
	w.t.Helper()
	var err error
	if w.db, err = bbolt.Open(w.path, 0o600, &bbolt.Options{NoSync: true, Timeout: 5 * time.Second}); err != nil {
		w.t.Fatal(err)
	}
	w.db.MaxBatchDelay = 0 // nobody to wait for
	if w.ledger, err = Open(w.db, w.codec, w.opt); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) close() {
	w.ledger.Close()
	w.db.Close()
}

// kill ends the ledger as kill -9 would: nothing that waits is written.
func (w *world) kill() {
	w.t.Helper()
	old := w.db
	w.ledger.once.Do(func() { close(w.ledger.stop) })
	w.ledger.done.Wait()
	if err := old.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.open()
}

func (w *world) claims(arm traffic.Arm, class string) predictionid.Claims {
	w.nonce++
	return predictionid.Claims{
		Rollout: predictionid.Hash32("churn"), Revision: predictionid.Hash32("v2"),
		Arm: uint8(arm), Time: w.now(), Class: predictionid.ClassKey(class), Nonce: w.nonce,
	}
}

func (w *world) id(cl predictionid.Claims) string { return string(w.codec.AppendEncode(nil, cl)) }

func (w *world) label(id string, value any) Item {
	w.t.Helper()
	it, err := Label(id, value)
	if err != nil {
		w.t.Fatal(err)
	}
	return it
}

func (w *world) put(items ...Item) []Status {
	w.t.Helper()
	got, err := w.ledger.Put(w.t.Context(), items)
	if err != nil {
		w.t.Fatal(err)
	}
	return got
}

// expect puts one item and tests what becomes of it.
func (w *world) expect(what string, it Item, want Status) {
	w.t.Helper()
	if got := w.put(it); got[0] != want {
		w.t.Errorf("%s: %s, want %s", what, got[0], want)
	}
}

func (w *world) matured(q Question) Answer {
	w.t.Helper()
	if q.Revision == "" {
		q.Revision = "v2"
	}
	if q.From.IsZero() {
		q.From = start
	}
	q.Now = w.now()
	a, err := w.ledger.Matured(q)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}
