package embedded

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/telemetry"
	"github.com/haldane-dev/haldane/internal/traffic"
)

func TestSummary(t *testing.T) {
	w := newWorld(t)
	w.source.Collect(t.Context(), every, metric.Window{})
	w.predict(traffic.Canary, "yes", "no")
	w.recorder.Observe(&telemetry.Exchange{Arm: traffic.Canary, Forced: true, Failed: true})
	w.recorder.ObservePair(telemetry.Pair{})
	w.recorder.MirrorDropped()
	cursor := w.collect(every, "").Cursor
	b := w.source.Block(cursor)
	if c := b["canary"]; c.Requests != 2 || c.Errors != 1 || c.P99 == nil || c.Classes["yes"] != 1 || c.Confidence != nil || c.TTFT != nil {
		t.Errorf("canary's block: %+v", c)
	}
	if s := b["stable"]; s.Requests != 0 || s.P50 != nil || s.Classes != nil {
		t.Errorf("stable's block: %+v", s)
	}
	want := Totals{Requests: 2, Errors: 1, Forced: 1, Mirrored: 1, Dropped: 1, Labelled: 1, Predicted: 1}
	if diff := cmp.Diff(want, w.source.Totals()["canary"]); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
	for _, unknown := range []string{"", "?", strings.Replace(cursor, `"seq":`, `"seq":9`, 1)} {
		if w.source.Block(unknown) != nil {
			t.Errorf("cursor %q has a block", unknown)
		}
	}
	// They must stay convertible to what the engine draws.
	_ = engine.BlockArm(b["canary"])
	_ = engine.Totals(w.source.Totals()["canary"])
}

func BenchmarkCollect(b *testing.B) {
	r := telemetry.New(telemetry.Options{Value: telemetry.Bounds{Lower: 0, Upper: 1}})
	s := New(r, nil)
	cursor := ""
	b.ReportAllocs()
	for b.Loop() {
		r.Observe(&telemetry.Exchange{Latency: time.Millisecond})
		sample, err := s.Collect(b.Context(), every, metric.Window{After: cursor})
		if err != nil {
			b.Fatal(err)
		}
		cursor = sample.Cursor
	}
}
