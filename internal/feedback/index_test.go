package feedback

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/haldane-dev/haldane/internal/traffic"
)

func (w *world) byRequest(id string) Item {
	return Item{RequestID: id, HasLabel: true, label: label{text: "yes"}}
}

func TestClientsOwnIDs(t *testing.T) {
	w := newWorld(t)
	w.expect("before it is known", w.byRequest("order-1"), Unknown)
	w.ledger.Index("order-1", w.id(w.claims(traffic.Canary, "yes")))
	w.expect("before it is written", w.byRequest("order-1"), Accepted)
	w.expect("again", w.byRequest("order-1"), Duplicate)

	w.ledger.Index("order-2", w.id(w.claims(traffic.Stable, "no")))
	if err := w.ledger.Flush(); err != nil {
		t.Fatal(err)
	}
	w.kill()
	w.expect("after a kill", w.byRequest("order-2"), Accepted)
	if got := w.sum(); got.labelled != 2 || got.wrong != 1 {
		t.Errorf("%+v", got)
	}

	// A request that was tried again stands for its last answer, in the next
	// hour too.
	w.at(time.Hour)
	again := w.id(w.claims(traffic.Stable, "yes"))
	w.ledger.Index("order-2", again)
	if err := w.ledger.Flush(); err != nil {
		t.Fatal(err)
	}
	w.expect("the newer answer", w.byRequest("order-2"), Accepted)
	w.expect("which was that one", w.label(again, "yes"), Duplicate)
}

func TestWhatIsNotWrittenIsLostInAKill(t *testing.T) {
	w := newWorld(t)
	w.ledger.Index("order-1", w.id(w.claims(0, "yes")))
	w.ledger.Predicted(0, "yes", w.now())
	w.kill()
	// The ledger's own second may have passed: then it was written.
	if got := w.put(w.byRequest("order-1"))[0]; got != Unknown && got != Accepted {
		t.Errorf("status %s", got)
	}
	w.expect("a label is never lost", w.label(w.id(w.claims(0, "yes")), "yes"), Accepted)
	w.kill()
	if got := w.sum(); got.labelled < 1 {
		t.Errorf("%+v", got)
	}
}

func TestCloseWritesWhatWaits(t *testing.T) {
	w := newWorld(t)
	w.ledger.Index("order-1", w.id(w.claims(0, "yes")))
	w.ledger.Predicted(0, "yes", w.now())
	if err := w.ledger.Close(); err != nil {
		t.Fatal(err)
	}
	w.kill()
	w.expect("after a close", w.byRequest("order-1"), Accepted)
	if got := w.sum(); got.predicted != 1 {
		t.Errorf("%+v", got)
	}
}

func TestIndexIsBounded(t *testing.T) {
	w := newWorld(t)
	w.ledger.opt.MaxQueue = 3
	// A writer that never comes: the flush is held while the queue fills.
	w.ledger.flushMu.Lock()
	for i := range 5 {
		ok := w.ledger.Index(fmt.Sprintf("order-%d", i), "id")
		if want := i < 3; ok != want {
			t.Errorf("request %d was kept: %v, want %v", i, ok, want)
		}
	}
	if !w.ledger.Index("order-1", "another") {
		t.Error("a request that waits already needs no room")
	}
	w.ledger.flushMu.Unlock()
	for _, bad := range []string{"", strings.Repeat("x", maxRequestID+1)} {
		if w.ledger.Index(bad, "id") {
			t.Errorf("a request ID of %d bytes was kept", len(bad))
		}
	}
	if n := w.ledger.Tally().Unindexed; n != 4 {
		t.Errorf("%d were counted as dropped, want 4", n)
	}
}

func TestAFailedFlushKeepsWhatWaits(t *testing.T) {
	w := newWorld(t)
	w.ledger.flushMu.Lock() // so that the ledger's own flush does not come between
	w.ledger.Predicted(0, "yes", w.now())
	w.ledger.Index("order-1", "old")
	w.ledger.flushMu.Unlock()
	if err := w.db.Close(); err != nil {
		t.Fatal(err)
	}
	err := w.ledger.Flush()
	if err == nil {
		// It had been written in the moment between.
		return
	}
	if !strings.Contains(err.Error(), "rollout churn") {
		t.Errorf("error %v", err)
	}
	if id, ok := w.ledger.waiting("order-1"); !ok || id != "old" {
		t.Errorf("the request waits as %q, %v", id, ok)
	}
	w.ledger.mu.Lock()
	defer w.ledger.mu.Unlock()
	if len(w.ledger.predicted) != 1 {
		t.Errorf("%d cells wait", len(w.ledger.predicted))
	}
}

func TestWhatCannotBeWrittenWaitsNoLongerThanItWouldBeKept(t *testing.T) {
	w := newWorld(t) // the TTL is three hours
	w.ledger.flushMu.Lock()
	if err := w.db.Close(); err != nil {
		t.Fatal(err)
	}
	w.ledger.flushMu.Unlock()
	for _, tt := range []struct {
		at      time.Duration
		cohorts int
	}{{0, 1}, {time.Hour, 2}, {3 * time.Hour, 3}, {3*time.Hour + 10*time.Second, 3}, {6*time.Hour + 5*time.Second, 2}} {
		w.at(tt.at)
		w.ledger.Predicted(0, "yes", w.now())
		if err := w.ledger.Flush(); err == nil {
			t.Fatal("written to a database that is closed")
		}
		w.ledger.mu.Lock()
		if n := len(w.ledger.predicted); n != tt.cohorts {
			t.Errorf("after %s: %d cohorts wait, want %d", tt.at, n, tt.cohorts)
		}
		w.ledger.mu.Unlock()
	}
}

func TestPrune(t *testing.T) {
	w := newWorld(t) // the TTL is three hours
	old := w.id(w.claims(0, "yes"))
	w.ledger.Predicted(0, "yes", w.now())
	w.ledger.Index("order-1", old)
	w.expect("label", w.label(old, "yes"), Accepted)
	for _, tt := range []struct {
		at      time.Duration
		cohorts int
		hours   int // of the index, and of the labels seen
	}{
		{0, 1, 1}, {2 * time.Hour, 1, 1}, {3*time.Hour + time.Second, 0, 1}, {4*time.Hour + time.Second, 0, 0},
	} {
		w.at(tt.at)
		if err := w.ledger.Flush(); err != nil {
			t.Fatal(err)
		}
		err := w.db.View(func(tx *bbolt.Tx) error {
			if n := len(keysBefore(w.ledger.bucket(tx, cohortsBucket), 1<<62, 100)); n != tt.cohorts {
				t.Errorf("after %s: %d cohorts, want %d", tt.at, n, tt.cohorts)
			}
			for _, name := range [][]byte{indexBucket, seenBucket} {
				if n := len(keysBefore(w.ledger.bucket(tx, name), 1<<62, 100)); n != tt.hours {
					t.Errorf("after %s: %d hours of %s, want %d", tt.at, n, name, tt.hours)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	w.expect("a forgotten request", w.byRequest("order-1"), Unknown)
	w.expect("a forgotten label is late, not new", w.label(old, "yes"), Late)
}

func TestTimesSortAsBytes(t *testing.T) {
	times := []int64{-1 << 62, -5000, -1, 0, 1, 5000, 1 << 62}
	for i := 1; i < len(times); i++ {
		a, b := appendTime(nil, times[i-1]), appendTime(nil, times[i])
		if string(a) >= string(b) || readTime(a) != times[i-1] {
			t.Errorf("%d and %d are %x and %x", times[i-1], times[i], a, b)
		}
	}
	if floor(-1, 10) != -10 || floor(-10, 10) != -10 || floor(19, 10) != 10 {
		t.Error("floor rounds to zero")
	}
}
