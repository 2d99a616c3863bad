package embedded

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/feedback"
	"github.com/haldane-dev/haldane/internal/inference"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/metric/sourcetest"
	"github.com/haldane-dev/haldane/internal/telemetry"
	"github.com/haldane-dev/haldane/internal/traffic"
)

var every = metric.Query{Rollout: "churn", Revision: "v2", Metrics: []metric.Metric{
	{Name: "errors", Kind: analysis.ErrorRate},
	{Name: "latency", Kind: analysis.Latency},
	{Name: "answers", Kind: analysis.Drift, Of: "class"},
	{Name: "scores", Kind: analysis.Drift, Of: "value"},
	{Name: "sureness", Kind: analysis.Drift, Of: "confidence"},
	{Name: "confidence", Kind: analysis.Mean, Of: "confidence"},
	{Name: "value", Kind: analysis.Mean, Of: "value"},
	{Name: "first", Kind: analysis.Mean, Of: "ttft"},
	{Name: "token", Kind: analysis.Mean, Of: "timePerToken"},
	{Name: "accuracy", Kind: analysis.Outcome, Maturity: 10 * time.Second},
	{Name: "conversion", Kind: analysis.Outcome, Maturity: 10 * time.Second, Negative: true},
	{Name: "revenue", Kind: analysis.Mean, Of: "feedback", Value: true, Maturity: 20 * time.Second},
	{Name: "agreement", Kind: analysis.Pairs},
}}

func TestContract(t *testing.T) {
	for name, withLedger := range map[string]bool{"recorder alone": false, "with a ledger": true} {
		t.Run(name, func(t *testing.T) {
			sourcetest.Run(t, func(t *testing.T) sourcetest.Harness {
				var w *world
				if withLedger {
					w = newWorld(t)
				}
				var r *telemetry.Recorder
				open := func(*testing.T) metric.Source {
					r = telemetry.New(telemetry.Options{Value: telemetry.Bounds{Lower: 0, Upper: 1}})
					if w != nil {
						return New(r, w.ledger)
					}
					return New(r, nil)
				}
				return sourcetest.Harness{
					Source: open(t), Query: every, Errors: "errors", Reopen: open,
					Serve: func(_ *testing.T, arm traffic.Arm, n, bad int) {
						for i := range n {
							r.Observe(&telemetry.Exchange{Arm: arm, Failed: i < bad, Latency: time.Millisecond})
						}
					},
				}
			})
		})
	}
}

func TestEveryMetric(t *testing.T) {
	w := newWorld(t)
	w.source.Collect(t.Context(), every, metric.Window{Start: start, End: start})
	cursor := w.collect(every, "").Cursor
	second := time.Second
	w.recorder.Observe(&telemetry.Exchange{Arm: traffic.Canary, Latency: second, Readable: true, Read: true,
		Stream:      &inference.StreamResult{HasTTFT: true, TTFT: second / 4, TimePerOutputToken: second / 8},
		Predictions: []inference.Prediction{{Class: "yes", HasClass: true, Confidence: 1, HasConfidence: true, Value: .5, HasValue: true}},
	})
	w.recorder.Observe(&telemetry.Exchange{Arm: traffic.Canary, Latency: second, Failed: true})
	w.recorder.Observe(&telemetry.Exchange{Arm: traffic.Stable, Latency: second, Forced: true})
	w.recorder.ObservePair(telemetry.Pair{Comparable: true, Disagree: true})
	w.recorder.ObservePair(telemetry.Pair{Comparable: true})
	w.recorder.ObservePair(telemetry.Pair{CanaryBad: true})
	w.recorder.ObservePair(telemetry.Pair{StableBad: true})
	w.recorder.Assign(traffic.Choice{Arm: traffic.Canary}, &traffic.Split{Generation: 0, Canary: 500})

	s := w.collect(every, cursor)
	if diff := cmp.Diff([]analysis.Assignment{{Weight: .05, Canary: 1}}, s.Assigned); diff != "" {
		t.Errorf("assigned (-want +got):\n%s", diff)
	}
	for name, want := range map[string]analysis.Measure{
		"errors":     {Canary: analysis.Counts{N: 2, K: 1}},
		"answers":    {Bins: []string{"yes"}, Stable: analysis.Counts{Counts: []int64{0}}, Canary: analysis.Counts{Counts: []int64{1}}},
		"confidence": {Canary: analysis.Counts{N: 1, Sum: 1, SumSq: 1}},
		"value":      {Canary: analysis.Counts{N: 1, Sum: .5, SumSq: .25}},
		"first":      {Canary: analysis.Counts{N: 1, Sum: .25, SumSq: .0625}},
		"token":      {Canary: analysis.Counts{N: 1, Sum: .125, SumSq: .015625}},
		"agreement":  {Pairs: 3, Disagree: 2, CanaryOnlyBad: 1, StableOnlyBad: 1},
		"accuracy":   {},
		"conversion": {},
		"revenue":    {},
	} {
		if diff := cmp.Diff(want, s.Metrics[name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	latency := s.Metrics["latency"]
	if len(latency.Edges) == 0 || len(latency.Canary.Counts) != len(latency.Edges)+1 || total(latency.Canary.Counts) != 1 || total(latency.Stable.Counts) != 0 {
		t.Errorf("latency: %d edges, canary %v", len(latency.Edges), latency.Canary.Counts)
	}
	for name, bin := range map[string]int{"scores": 32, "sureness": 63} {
		x := s.Metrics[name]
		if !x.Ordered || len(x.Bins) != telemetry.ScoreBins || x.Canary.Counts[bin] != 1 || total(x.Canary.Counts) != 1 {
			t.Errorf("%s: %+v", name, x)
		}
	}
}

func total(counts []int64) (n int64) {
	for _, c := range counts {
		n += c
	}
	return n
}

func TestWhatIsNotCounted(t *testing.T) {
	q := metric.Query{Revision: "v2", Metrics: []metric.Metric{
		{Name: "shape", Kind: analysis.Drift, Of: "shape"},
		{Name: "scores", Kind: analysis.Drift, Of: "value"},
		{Name: "mood", Kind: analysis.Mean, Of: "mood"},
		{Name: "accuracy", Kind: analysis.Outcome},
		{Name: "future", Kind: "future"},
	}}
	s, err := New(telemetry.New(telemetry.Options{}), nil).Collect(t.Context(), q, metric.Window{})
	if err != nil || len(s.Metrics) != 0 {
		t.Errorf("measured %v, %v: want nothing", s.Metrics, err)
	}
}

func TestOutcomes(t *testing.T) {
	w := newWorld(t)
	cursor := w.collect(every, "").Cursor
	w.predict(traffic.Stable, "yes", "yes")
	w.predict(traffic.Canary, "yes", "no")
	w.predict(traffic.Canary, "no", "")
	w.predict(traffic.Canary, "yes", "")

	w.now = start.Add(14*time.Second + 999*time.Millisecond)
	s := w.collect(every, cursor)
	if x := s.Metrics["accuracy"]; x.Stable.N+x.Canary.N != 0 {
		t.Fatalf("counted before maturity: %+v", x)
	}
	cursor = s.Cursor
	w.now = start.Add(15 * time.Second)
	s = w.collect(every, cursor)
	want := analysis.Measure{
		Bins:   []string{"no", "yes"},
		Stable: analysis.Counts{N: 1, Counts: []int64{0, 1}, Labelled: []int64{0, 1}, Wrong: []int64{0, 0}},
		Canary: analysis.Counts{N: 1, K: 1, Counts: []int64{1, 2}, Labelled: []int64{0, 1}, Wrong: []int64{0, 1}},
	}
	if diff := cmp.Diff(want, s.Metrics["accuracy"]); diff != "" {
		t.Errorf("accuracy (-want +got):\n%s", diff)
	}
	want = analysis.Measure{Stable: analysis.Counts{N: 1}, Canary: analysis.Counts{N: 3, K: 2}}
	if diff := cmp.Diff(want, s.Metrics["conversion"]); diff != "" {
		t.Errorf("conversion (-want +got):\n%s", diff)
	}
	if b := w.source.Block(s.Cursor)["canary"]; b.Labelled != 1 || b.Correct != 0 {
		t.Errorf("the drawn block: %+v", b)
	}

	// The save fails, Haldane is killed, and the labels are collected again.
	w.reopen()
	again := w.collect(every, cursor)
	if diff := cmp.Diff(s.Metrics["accuracy"], again.Metrics["accuracy"]); diff != "" {
		t.Errorf("after a restart (-before +after):\n%s", diff)
	}
	last := w.collect(every, again.Cursor)
	if x := last.Metrics["accuracy"]; x.Stable.N+x.Canary.N != 0 {
		t.Errorf("counted twice: %+v", x)
	}
}

func TestClassesKeepTheirOrder(t *testing.T) {
	w := newWorld(t)
	w.predict(traffic.Stable, "no", "")
	w.predict(traffic.Stable, "yes", "")
	s := w.collect(every, "")
	w.reopen()
	w.predict(traffic.Canary, "maybe", "")
	w.predict(traffic.Canary, "yes", "")
	x := w.collect(every, s.Cursor).Metrics["answers"]
	if diff := cmp.Diff([]string{"no", "yes", "maybe"}, x.Bins); diff != "" {
		t.Errorf("bins after a restart (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int64{0, 1, 1}, x.Canary.Counts); diff != "" {
		t.Errorf("counts after a restart (-want +got):\n%s", diff)
	}
}

// TestBinsOnlyGrow: whatever classes come and however often Haldane restarts,
// bins are only appended to, and no prediction is lost from them.
func TestBinsOnlyGrow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s *Source
		var r *telemetry.Recorder
		restart := func() {
			r = telemetry.New(telemetry.Options{MaxClasses: 3})
			s = New(r, nil)
		}
		restart()
		cursor, bins := "", []string(nil)
		var seen, unsaved int64
		for range rapid.IntRange(1, 12).Draw(t, "blocks") {
			if rapid.IntRange(0, 3).Draw(t, "restart") == 0 {
				restart()
			}
			for range rapid.IntRange(0, 5).Draw(t, "predictions") {
				class := rapid.SampledFrom([]string{"a", "b", "c", "d", "e", telemetry.OtherClass}).Draw(t, "class")
				r.Observe(&telemetry.Exchange{Predictions: []inference.Prediction{{Class: class, HasClass: true}}})
				unsaved++
			}
			sample, err := s.Collect(context.Background(), every, metric.Window{After: cursor})
			if err != nil {
				t.Fatal(err)
			}
			x := sample.Metrics["answers"]
			if len(x.Bins) < len(bins) || !cmp.Equal(x.Bins[:len(bins)], bins) && len(bins) > 0 {
				t.Fatalf("bins %v became %v", bins, x.Bins)
			}
			if len(x.Bins) > 4 {
				t.Fatalf("%d bins: %v", len(x.Bins), x.Bins)
			}
			seen = total(x.Stable.Counts)
			if seen != unsaved {
				t.Fatalf("%d predictions in bins %v, want %d", seen, x.Bins, unsaved)
			}
			cursor, bins, unsaved = sample.Cursor, x.Bins, 0
		}
	})
}

func TestAnotherRevision(t *testing.T) {
	w := newWorld(t)
	next := every
	next.Revision = "v3"
	w.predict(traffic.Canary, "yes", "yes")
	cursor := w.collect(every, "").Cursor
	w.predict(traffic.Canary, "yes", "") // of v2, after its last block
	s := w.collect(next, cursor)
	if n := s.Metrics["errors"].Canary.N; n != 0 {
		t.Errorf("%d requests of the old version count for the new one", n)
	}
	w.recorder.Observe(&telemetry.Exchange{Arm: traffic.Canary})
	// The save of the first block failed: the old cursor is asked about again.
	for _, after := range []string{cursor, s.Cursor} {
		if n := w.collect(next, after).Metrics["errors"].Canary.N; n != 1 {
			t.Errorf("%d requests of the new version, want 1", n)
		}
	}
	w.now = start.Add(time.Minute)
	if n := w.collect(next, s.Cursor).Metrics["accuracy"].Canary.N; n != 0 {
		t.Errorf("%d labels of the old version count for the new one", n)
	}
	// A restart does not change that.
	w.reopen()
	w.recorder.Observe(&telemetry.Exchange{Arm: traffic.Canary})
	if n := w.collect(next, cursor).Metrics["errors"].Canary.N; n != 0 {
		t.Errorf("%d requests of an unknown version count for the new one", n)
	}
}

func TestKeysAreCountedOnce(t *testing.T) {
	w := newWorld(t)
	key := traffic.Choice{Keyed: true, KeyHash: 42}
	w.recorder.Assign(key, &traffic.Split{Generation: 1, Canary: 500})
	s := w.collect(every, "")
	if len(s.Assigned) != 1 {
		t.Fatalf("assigned %v", s.Assigned)
	}
	w.reopen() // the same user comes back
	w.recorder.Assign(key, &traffic.Split{Generation: 1, Canary: 500})
	again := w.collect(every, s.Cursor)
	w.recorder.Assign(key, &traffic.Split{Generation: 1, Canary: 500})
	w.recorder.Assign(traffic.Choice{}, &traffic.Split{Generation: 1, Canary: 500})
	third := w.collect(every, again.Cursor)
	if again.Assigned != nil {
		t.Errorf("after a restart: %v, want none", again.Assigned)
	}
	if diff := cmp.Diff([]analysis.Assignment{{Weight: .05, Stable: 1}}, third.Assigned); diff != "" {
		t.Errorf("requests without a key go on counting (-want +got):\n%s", diff)
	}
	next := every
	next.Revision = "v3"
	cursor := w.collect(next, third.Cursor).Cursor
	w.recorder.Assign(key, &traffic.Split{Generation: 2, Canary: 500})
	if got := w.collect(next, cursor).Assigned; len(got) != 1 || got[0].Stable != 1 {
		t.Errorf("for a new revision: %v", got)
	}
}

func TestManyFailedSaves(t *testing.T) {
	w := newWorld(t)
	cursor := w.collect(every, "").Cursor
	var last analysis.Sample
	for i := range 5 * kept {
		w.recorder.Observe(&telemetry.Exchange{})
		last = w.collect(every, cursor)
		if n := last.Metrics["errors"].Stable.N; n != int64(i+1) {
			t.Fatalf("attempt %d counted %d requests", i+1, n)
		}
	}
	if len(w.source.points) > kept {
		t.Errorf("%d snapshots are kept", len(w.source.points))
	}
	if n := w.collect(every, last.Cursor).Metrics["errors"].Stable.N; n != 0 {
		t.Errorf("%d requests after the last", n)
	}
}

func TestUnavailable(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.source.Collect(ctx, every, metric.Window{}); !errors.Is(err, metric.ErrUnavailable) {
		t.Errorf("ended context: %v", err)
	}
	w.ledger.Close()
	w.db.Close()
	_, err := w.source.Collect(t.Context(), every, metric.Window{End: w.now})
	if !errors.Is(err, metric.ErrUnavailable) || !strings.Contains(err.Error(), "churn") {
		t.Errorf("closed database: %v", err)
	}
}

// TestGroupsOfUsers: errors come by group of users where a sticky key decided,
// and a new revision's first block says what stable did before, while it was
// alone; asked again, it says the same.
func TestGroupsOfUsers(t *testing.T) {
	w := newWorld(t)
	serve := func(arm traffic.Arm, bucket uint16, alone, failed bool) {
		w.recorder.Observe(&telemetry.Exchange{Arm: arm, Latency: time.Millisecond, Keyed: true, Bucket: bucket, Alone: alone, Failed: failed})
	}
	first := w.collect(every, "")
	if m := first.Metrics["errors"]; m.Stable.Groups != nil || m.Before != nil {
		t.Errorf("nobody yet: groups %v, before %v", m.Stable.Groups, m.Before)
	}
	serve(traffic.Stable, 9950, true, true)
	serve(traffic.Canary, 250, false, true)
	serve(traffic.Stable, 9950, false, false)
	second := w.collect(every, first.Cursor)
	m := second.Metrics["errors"]
	if got := m.Canary.Groups[2]; got != (analysis.Group{N: 1, K: 1}) || m.Stable.Groups[99] != (analysis.Group{N: 2, K: 1}) || m.Before != nil {
		t.Errorf("canary's third group %v, stable's last %v, before %v", got, m.Stable.Groups[99], m.Before)
	}
	next := every
	next.Revision = "v3"
	for range 2 {
		serve(traffic.Stable, 9950, true, false)
		m = w.collect(next, second.Cursor).Metrics["errors"]
		if len(m.Before) != telemetry.Groups || m.Before[99] != (analysis.Group{N: 2, K: 1}) {
			t.Errorf("before the next revision: %v", m.Before)
		}
	}
}

// TestOrderOfLabelledClasses: known classes keep their bins, new ones follow by
// name, and what does not fit is counted last.
func TestOrderOfLabelledClasses(t *testing.T) {
	answers := func(classes ...string) map[time.Duration]feedback.Answer {
		var a feedback.Answer
		a.Arms[traffic.Canary].Classes = map[string]feedback.Share{}
		for i, c := range classes {
			a.Arms[traffic.Canary].Classes[c] = feedback.Share{Predicted: int64(i + 1)}
		}
		return map[time.Duration]feedback.Answer{time.Hour: a}
	}
	bins := labelOrder([]string{"yes"}, answers("no", "maybe", "yes"))
	if diff := cmp.Diff([]string{"yes", "maybe", "no"}, bins); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var many []string
	for i := range 80 {
		many = append(many, fmt.Sprintf("class%02d", i))
	}
	a := answers(many...)
	bins = labelOrder(bins, a)
	if len(bins) != telemetry.DefaultMaxClasses+1 || bins[len(bins)-1] != telemetry.OtherClass {
		t.Fatalf("%d bins, the last %s", len(bins), bins[len(bins)-1])
	}
	if diff := cmp.Diff(bins, labelOrder(bins, answers("yet another"))); diff != "" {
		t.Errorf("a full list (-want +got):\n%s", diff)
	}
	var c analysis.Counts
	labelled(&c, a[time.Hour].Arms[traffic.Canary].Classes, bins)
	if total(c.Counts) != 80*81/2 || c.Counts[1] != 0 || c.Counts[len(bins)-1] == 0 {
		t.Errorf("counts %v", c.Counts)
	}
}
