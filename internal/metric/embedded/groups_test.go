package embedded

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/feedback"
	"github.com/haldane-dev/haldane/internal/inference"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/predictionid"
	"github.com/haldane-dev/haldane/internal/stats"
	"github.com/haldane-dev/haldane/internal/telemetry"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// ask makes a prediction for a group of users, from 1, and returns its ID.
func (w *world) ask(arm traffic.Arm, class string, group uint8) string {
	w.nonce++
	id := string(w.codec.AppendEncode(nil, predictionid.Claims{
		Rollout: predictionid.Hash32("churn"), Revision: predictionid.Hash32("v2"), Arm: uint8(arm),
		Time: w.now, Class: class, Nonce: w.nonce, Group: group,
	}))
	w.ledger.Answered(feedback.Prediction{Arm: arm, Time: w.now, Class: class, PredictionID: id, Group: group})
	return id
}

// TestWhatComesBackIsCountedByGroup: labels, values and events, as the metric
// takes what is missing, and of an experiment's arms in the order of the two that
// are compared unless all are asked for.
func TestWhatComesBackIsCountedByGroup(t *testing.T) {
	w := newWorld(t)
	slots := strings.Repeat("1", 20) + strings.Repeat("2", 30) + strings.Repeat("0", 50)
	q := metric.Query{Revision: "v2", Slots: slots, Metrics: []metric.Metric{
		{Name: "wrong", Kind: analysis.Outcome, Maturity: 10 * time.Second, Everyone: true},
		{Name: "missed", Kind: analysis.Outcome, Negative: true, Maturity: 10 * time.Second, Everyone: true},
		{Name: "bought", Kind: analysis.Mean, Of: "conversion", Event: "checkout", Maturity: 10 * time.Second, Everyone: true},
		{Name: "revenue", Kind: analysis.Mean, Of: "event", Event: "checkout", Maturity: 10 * time.Second},
		{Name: "value", Kind: analysis.Mean, Of: "feedback", Value: true, Maturity: 10 * time.Second},
	}}
	first := w.collect(q, "")
	label, err := feedback.Label(w.ask(traffic.Canary, "yes", 2), "no")
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range []feedback.Item{
		label,
		{ID: w.ask(traffic.Canary, "yes", 2), Event: "checkout", HasValue: true, Value: 30},
		{ID: w.ask(traffic.Stable, "no", 60), HasValue: true, Value: 5},
	} {
		if got, err := w.ledger.Put(t.Context(), []feedback.Item{it}); err != nil || got[0] != feedback.Accepted {
			t.Fatalf("%+v: %v, %v", it, got, err)
		}
	}
	w.now = w.now.Add(15 * time.Second)
	got := w.collect(q, first.Cursor).Metrics
	for name, want := range map[string]analysis.Group{"wrong": {N: 1, K: 1}, "missed": {N: 2, K: 2}} {
		if g := got[name].Canary.Groups; len(g) != telemetry.Groups || g[1] != want {
			t.Errorf("%s: %+v", name, g)
		}
	}
	if v := got["bought"].Canary.Values; len(v) != telemetry.Groups || v[1] != (stats.Moments{N: 2, Sum: 1, SumSq: 1}) {
		t.Errorf("bought: %+v", v)
	}
	if v := got["revenue"].Canary.Values; len(v) != 70 || v[1] != (stats.Moments{N: 1, Sum: 30, SumSq: 900}) {
		t.Errorf("revenue: %+v", v)
	}
	// Group 60 is the tenth of stable's, which come after the canary's twenty.
	if d := cmp.Diff(stats.Moments{N: 1, Sum: 5, SumSq: 25}, got["value"].Stable.Values[20+9]); d != "" {
		t.Errorf("value of stable (-want +got):\n%s", d)
	}
}

// TestNumbersAreCountedByGroup: what answers say of themselves.
func TestNumbersAreCountedByGroup(t *testing.T) {
	w := newWorld(t)
	q := metric.Query{Revision: "v2", Metrics: []metric.Metric{
		{Name: "confidence", Kind: analysis.Mean, Of: "confidence"}, {Name: "value", Kind: analysis.Mean, Of: "value"},
		{Name: "ttft", Kind: analysis.Mean, Of: "ttft"}, {Name: "tokens", Kind: analysis.Mean, Of: "timePerToken"},
	}}
	first := w.collect(q, "")
	for _, keyed := range []bool{true, false} {
		w.recorder.Observe(&telemetry.Exchange{Arm: traffic.Canary, Keyed: keyed, Bucket: 4200, Latency: time.Second, Read: true, Readable: true,
			Predictions: []inference.Prediction{{Confidence: .5, HasConfidence: true, Value: .25, HasValue: true}},
			Stream:      &inference.StreamResult{TTFT: time.Second, HasTTFT: true, TimePerOutputToken: 2 * time.Second}})
	}
	got := w.collect(q, first.Cursor).Metrics
	for name, want := range map[string]float64{"confidence": .5, "value": .25, "ttft": 1, "tokens": 2} {
		c := got[name].Canary
		if c.N != 2 || len(c.Values) != telemetry.Groups || c.Values[42] != (stats.Moments{N: 1, Sum: want, SumSq: want * want}) {
			t.Errorf("%s: %+v", name, c)
		}
		if got[name].Stable.Values != nil {
			t.Errorf("%s of stable, which nobody asked: %+v", name, got[name].Stable)
		}
	}
}

// TestAPredictionLostInACrash: what came back for one that the ledger has forgotten
// is of somebody, too. Groups never hold more than there is of all.
func TestAPredictionLostInACrash(t *testing.T) {
	w := newWorld(t)
	q := metric.Query{Revision: "v2", Metrics: []metric.Metric{
		{Name: "missed", Kind: analysis.Outcome, Negative: true, Maturity: 10 * time.Second},
		{Name: "bought", Kind: analysis.Mean, Of: "conversion", Event: "checkout", Maturity: 10 * time.Second},
		{Name: "revenue", Kind: analysis.Mean, Of: "event", Event: "checkout", Negative: true, Maturity: 10 * time.Second},
	}}
	first := w.collect(q, "")
	for group := range uint8(9) {
		w.ask(traffic.Canary, "yes", group+1)
	}
	lost := func() string {
		w.nonce++
		return string(w.codec.AppendEncode(nil, predictionid.Claims{
			Rollout: predictionid.Hash32("churn"), Revision: predictionid.Hash32("v2"), Arm: uint8(traffic.Canary),
			Time: w.now, Class: "yes", Nonce: w.nonce, Group: 42,
		}))
	}
	label, err := feedback.Label(lost(), "no")
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range []feedback.Item{label, {ID: lost(), Event: "checkout", HasValue: true, Value: 3}} {
		if got, err := w.ledger.Put(t.Context(), []feedback.Item{it}); err != nil || got[0] != feedback.Accepted {
			t.Fatalf("%+v: %v, %v", it, got, err)
		}
	}
	w.now = w.now.Add(15 * time.Second)
	got := w.collect(q, first.Cursor).Metrics
	for _, m := range []analysis.Metric{
		{Name: "missed", Kind: analysis.Outcome}, {Name: "bought", Kind: analysis.Mean, Upper: 1}, {Name: "revenue", Kind: analysis.Mean, Upper: 10},
	} {
		x := got[m.Name]
		if why := m.Check(x); why != "" || x.Canary.N != 10 {
			t.Errorf("%s of %d: %s", m.Name, x.Canary.N, why)
		}
	}
}
