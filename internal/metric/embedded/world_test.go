package embedded

import (
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/feedback"
	"github.com/haldane-dev/haldane/internal/inference"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/predictionid"
	"github.com/haldane-dev/haldane/internal/telemetry"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// world is a source with a ledger on disk and a clock set by hand.
type world struct {
	t        *testing.T
	now      time.Time
	codec    *predictionid.Codec
	db       *bbolt.DB
	ledger   *feedback.Ledger
	recorder *telemetry.Recorder
	source   *Source
	nonce    uint64
}

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newWorld(t *testing.T) *world {
	t.Helper()
	codec, err := predictionid.New([]byte("0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(filepath.Join(t.TempDir(), "db"), 0o600, &bbolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, now: start, codec: codec, db: db}
	w.reopen()
	t.Cleanup(func() {
		w.ledger.Close()
		db.Close()
	})
	return w
}

// reopen is a restart: the recorder is new, the ledger reads what is on disk.
func (w *world) reopen() {
	w.t.Helper()
	if w.ledger != nil {
		if err := w.ledger.Close(); err != nil {
			w.t.Fatal(err)
		}
	}
	l, err := feedback.Open(w.db, w.codec, feedback.Options{
		Rollout: "churn", Maturity: 20 * time.Second, CohortLength: 5 * time.Second,
		Events: map[string]feedback.Bounds{"checkout": {Upper: 100}, "refund": {}},
		Now:    func() time.Time { return w.now },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.ledger = l
	w.recorder = telemetry.New(telemetry.Options{Sticky: true, Value: telemetry.Bounds{Lower: 0, Upper: 1}})
	w.source = New(w.recorder, l)
}

// predict makes a prediction of class by arm and, unless label is "", sends what
// came of it.
func (w *world) predict(arm traffic.Arm, class, label string) {
	w.t.Helper()
	w.recorder.Observe(&telemetry.Exchange{Arm: arm, Start: w.now, Latency: time.Millisecond, Readable: true, Read: true,
		Predictions: []inference.Prediction{{Class: class, HasClass: true}}})
	w.ledger.Predicted(arm, class, w.now)
	if label == "" {
		return
	}
	w.nonce++
	id := string(w.codec.AppendEncode(nil, predictionid.Claims{
		Rollout: predictionid.Hash32("churn"), Revision: predictionid.Hash32("v2"), Arm: uint8(arm),
		Time: w.now, Class: class, Nonce: w.nonce,
	}))
	it, err := feedback.Label(id, label)
	if err != nil {
		w.t.Fatal(err)
	}
	got, err := w.ledger.Put(w.t.Context(), []feedback.Item{it})
	if err != nil || got[0] != feedback.Accepted {
		w.t.Fatalf("feedback: %v, %v", got, err)
	}
}

func (w *world) collect(q metric.Query, after string) analysis.Sample {
	w.t.Helper()
	s, err := w.source.Collect(w.t.Context(), q, metric.Window{After: after, Start: w.now.Add(-5 * time.Second), End: w.now})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}
