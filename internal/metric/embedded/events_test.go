package embedded

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/feedback"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/predictionid"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// serve makes a prediction and, unless value is below 0, sends a checkout for it.
func (w *world) serve(arm traffic.Arm, value float64) {
	w.t.Helper()
	w.nonce++
	w.ledger.Predicted(arm, "", w.now)
	if value < 0 {
		return
	}
	id := string(w.codec.AppendEncode(nil, predictionid.Claims{
		Rollout: predictionid.Hash32("churn"), Revision: predictionid.Hash32("v2"), Arm: uint8(arm), Time: w.now, Nonce: w.nonce,
	}))
	got, err := w.ledger.Put(w.t.Context(), []feedback.Item{{ID: id, Event: "checkout", HasValue: true, Value: value}})
	if err != nil || got[0] != feedback.Accepted {
		w.t.Fatalf("event: %v, %v", got, err)
	}
}

func TestEvents(t *testing.T) {
	w := newWorld(t)
	q := metric.Query{Revision: "v2", Metrics: []metric.Metric{
		{Name: "conversion", Kind: analysis.Mean, Of: "conversion", Event: "checkout", Maturity: 10 * time.Second},
		{Name: "revenue", Kind: analysis.Mean, Of: "event", Event: "checkout", Negative: true, Maturity: 10 * time.Second},
		{Name: "basket", Kind: analysis.Mean, Of: "event", Event: "checkout", Maturity: 20 * time.Second},
		{Name: "refunds", Kind: analysis.Mean, Of: "conversion", Event: "refund", Maturity: 10 * time.Second},
	}}
	first := w.collect(q, "")
	for _, v := range []float64{-1, 10, 20, -1} {
		w.serve(traffic.Stable, v)
	}
	w.serve(traffic.Canary, 5)
	w.now = w.now.Add(15 * time.Second)
	s := w.collect(q, first.Cursor)
	both := func(stable, canary analysis.Counts) analysis.Measure {
		return analysis.Measure{Stable: stable, Canary: canary}
	}
	want := map[string]analysis.Measure{
		"conversion": both(analysis.Counts{N: 4, Sum: 2, SumSq: 2}, analysis.Counts{N: 1, Sum: 1, SumSq: 1}),
		"revenue":    both(analysis.Counts{N: 4, Sum: 30, SumSq: 500}, analysis.Counts{N: 1, Sum: 5, SumSq: 25}),
		"basket":     {},
		"refunds":    both(analysis.Counts{N: 4}, analysis.Counts{N: 1}),
	}
	if d := cmp.Diff(want, s.Metrics); d != "" {
		t.Errorf("at the first maturity (-want +got):\n%s", d)
	}
	w.reopen()
	w.now = w.now.Add(10 * time.Second)
	s = w.collect(q, s.Cursor)
	want = map[string]analysis.Measure{
		"conversion": {}, "revenue": {}, "refunds": {},
		"basket": both(analysis.Counts{N: 2, Sum: 30, SumSq: 500}, analysis.Counts{N: 1, Sum: 5, SumSq: 25}),
	}
	if d := cmp.Diff(want, s.Metrics); d != "" {
		t.Errorf("at the second, after a restart (-want +got):\n%s", d)
	}
}
