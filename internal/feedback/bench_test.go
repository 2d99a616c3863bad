package feedback

import (
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/haldane-dev/haldane/internal/predictionid"
)

func benchLedger(b *testing.B) (*Ledger, *predictionid.Codec) {
	b.Helper()
	codec, err := predictionid.New([]byte("0123456789abcdef"))
	if err != nil {
		b.Fatal(err)
	}
	db, err := bbolt.Open(filepath.Join(b.TempDir(), "db"), 0o600, nil) // synced, as in use
	if err != nil {
		b.Fatal(err)
	}
	l, err := Open(db, codec, Options{Rollout: "churn", Revision: "v2"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		l.Close()
		db.Close()
	})
	return l, codec
}

func TestPredictedDoesNotAllocate(t *testing.T) {
	w := newWorld(t)
	// The ledger's own writing would be counted too.
	w.ledger.flushMu.Lock()
	defer w.ledger.flushMu.Unlock()
	if n := testing.AllocsPerRun(1000, func() { w.ledger.Predicted(1, "yes", start) }); n != 0 {
		t.Errorf("Predicted allocates %v times", n)
	}
}

func BenchmarkPredicted(b *testing.B) {
	l, _ := benchLedger(b)
	at := time.Now()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			l.Predicted(1, "yes", at)
		}
	})
}

func BenchmarkPut100(b *testing.B) {
	l, codec := benchLedger(b)
	l.db.MaxBatchDelay = 0 // a lone caller would wait for company
	claims := predictionid.Claims{Rollout: predictionid.Hash32("churn"), Time: time.Now(), Class: "yes"}
	items := make([]Item, 100)
	b.ReportAllocs()
	for b.Loop() {
		for i := range items {
			claims.Nonce++
			var err error
			if items[i], err = Label(string(codec.AppendEncode(nil, claims)), "yes"); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := l.Put(b.Context(), items); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(items))/b.Elapsed().Seconds(), "items/s")
}

func BenchmarkParse100(b *testing.B) {
	text := []byte(`[{"id":"a","label":"yes"}`)
	for range 99 {
		text = append(text, `,{"id":"a","label":"yes"}`...)
	}
	text = append(text, ']')
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parse(text, 100, (*body).item); err != nil {
			b.Fatal(err)
		}
	}
}
