package telemetry

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/internal/inference"
	"github.com/haldane-dev/haldane/internal/traffic"
)

const ms = time.Millisecond

func sum(counts []int64) (n int64) {
	for _, c := range counts {
		n += c
	}
	return n
}

func TestWhatIsEvidence(t *testing.T) {
	answered := Exchange{
		Latency: 5 * ms, Status: 200, Readable: true, Read: true,
		Predictions: []inference.Prediction{{Class: "yes", HasClass: true}},
	}
	failed := Exchange{Latency: ms, Status: 502, Failed: true, Readable: true}
	// The counts that are compared: all others must stay zero.
	type figures struct {
		requests, errors, latency, cancelled, predictions, unread int64
		forced, forcedErrors, stale, staleErrors, warmup          int64
	}
	for name, tt := range map[string]struct {
		base   Exchange
		change func(*Exchange)
		want   figures
	}{
		"answered":                  {answered, func(*Exchange) {}, figures{requests: 1, latency: 1, predictions: 1}},
		"refused by the model":      {answered, func(x *Exchange) { x.Status, x.Predictions, x.Readable = 400, nil, false }, figures{requests: 1, latency: 1}},
		"unread":                    {answered, func(x *Exchange) { x.Read, x.Predictions = false, nil }, figures{requests: 1, latency: 1, unread: 1}},
		"no prediction request":     {answered, func(x *Exchange) { x.Readable, x.Read, x.Predictions = false, false, nil }, figures{requests: 1, latency: 1}},
		"failed":                    {failed, func(*Exchange) {}, figures{requests: 1, errors: 1}},
		"given up":                  {answered, func(x *Exchange) { x.Cancelled = true }, figures{cancelled: 1, latency: 1}},
		"given up, then failed":     {failed, func(x *Exchange) { x.Cancelled = true }, figures{cancelled: 1, latency: 1}},
		"forced":                    {answered, func(x *Exchange) { x.Forced = true }, figures{forced: 1}},
		"forced and failed":         {failed, func(x *Exchange) { x.Forced = true }, figures{forced: 1, forcedErrors: 1}},
		"forced and given up":       {answered, func(x *Exchange) { x.Forced, x.Cancelled = true, true }, figures{}},
		"warm-up":                   {failed, func(x *Exchange) { x.Warmup, x.Forced = true, true }, figures{warmup: 1}},
		"of an older table":         {answered, func(x *Exchange) { x.Generation = 6 }, figures{stale: 1}},
		"of an older table, failed": {failed, func(x *Exchange) { x.Generation = 6 }, figures{stale: 1, staleErrors: 1}},
	} {
		for arm := range traffic.Arm(traffic.NumArms) {
			r := New(Options{})
			r.Assign(traffic.Choice{}, &traffic.Split{Generation: 7, Canary: 500})
			x := tt.base
			x.Arm, x.Generation = arm, 7
			tt.change(&x)
			r.Observe(&x)
			s := r.Snapshot()
			a := s.Arms[arm]
			got := figures{a.Requests, a.Errors, sum(a.Latency), a.Cancelled, a.Predictions, a.Unread,
				a.Forced, a.ForcedErrors, a.Stale, a.StaleErrors, a.Warmup}
			if got != tt.want {
				t.Errorf("%s on %s: %+v, want %+v", name, arm, got, tt.want)
			}
			if diff := cmp.Diff(New(Options{}).Snapshot().Arms[1-arm], s.Arms[1-arm]); diff != "" {
				t.Errorf("%s on %s changed the other arm:\n%s", name, arm, diff)
			}
		}
	}
}

func TestPredictions(t *testing.T) {
	r := New(Options{Value: Bounds{-1, 3}})
	r.Observe(&Exchange{Readable: true, Read: true, Predictions: []inference.Prediction{
		{Class: "b", HasClass: true, Confidence: 0.75, HasConfidence: true},
		{Class: "a", HasClass: true, Value: 1, HasValue: true},
		{Class: "b", HasClass: true, Confidence: 1, HasConfidence: true, Value: 99, HasValue: true}, // clipped to 3
		{Confidence: math.NaN(), HasConfidence: true},
		{Value: math.Inf(-1), HasValue: true},
		{}, // unread
	}})
	s := r.Snapshot()
	a := s.Arms[traffic.Stable]
	if a.Predictions != 5 || a.Unread != 1 {
		t.Errorf("%d predictions and %d unread, want 5 and 1", a.Predictions, a.Unread)
	}
	if diff := cmp.Diff([]string{"b", "a"}, s.Classes); diff != "" {
		t.Errorf("classes in the order seen (-want +got):\n%s", diff)
	}
	if a.ByClass[0] != 2 || a.ByClass[1] != 1 || sum(a.ByClass) != 3 {
		t.Errorf("by class: %v", a.ByClass)
	}
	if want := (Moments{N: 2, Sum: 1.75, SumSq: 0.5625 + 1}); a.Confidence != want {
		t.Errorf("confidence %+v, want %+v", a.Confidence, want)
	}
	if want := (Moments{N: 2, Sum: 4, SumSq: 10}); a.Value != want {
		t.Errorf("value %+v, want %+v", a.Value, want)
	}
	if a.ConfidenceBins[48] != 1 || a.ConfidenceBins[63] != 1 || sum(a.ConfidenceBins) != 2 {
		t.Errorf("confidence bins %v", a.ConfidenceBins)
	}
	if a.ValueBins[32] != 1 || a.ValueBins[63] != 1 || sum(a.ValueBins) != 2 {
		t.Errorf("value bins %v", a.ValueBins)
	}
	if mean, ok := a.Value.Mean(); !ok || mean != 2 {
		t.Errorf("mean %v, %v", mean, ok)
	}
	if _, ok := a.TTFTMoments.Mean(); ok {
		t.Error("a mean of nothing")
	}
}

func TestStreams(t *testing.T) {
	r := New(Options{Edges: []time.Duration{ms, 10 * ms, 100 * ms}, TTFT: Bounds{0, 0.0625}, PerToken: Bounds{0, 1}})
	for _, st := range []inference.StreamResult{
		{HasTTFT: true, TTFT: 10 * ms, TimePerOutputToken: ms},
		{HasTTFT: true, TTFT: 500 * ms, TimePerOutputToken: 5 * ms},
		{HasTTFT: false, TTFT: 5 * ms},
	} {
		r.Observe(&Exchange{Arm: traffic.Canary, Stream: &st})
	}
	r.Observe(&Exchange{Arm: traffic.Canary, Failed: true, Stream: &inference.StreamResult{HasTTFT: true, TTFT: ms}})
	a := r.Snapshot().Arms[traffic.Canary]
	if diff := cmp.Diff([]int64{0, 1, 0, 1}, a.TTFT); diff != "" {
		t.Errorf("time to first token (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int64{1, 1, 0, 0}, a.PerToken); diff != "" {
		t.Errorf("time per token (-want +got):\n%s", diff)
	}
	if want := 0.01 + 0.0625; a.TTFTMoments.N != 2 || math.Abs(a.TTFTMoments.Sum-want) > 1e-12 {
		t.Errorf("moments of time to first token: %+v, want the sum %v of 2", a.TTFTMoments, want)
	}
}

func TestLatencyEdges(t *testing.T) {
	r := New(Options{Edges: []time.Duration{ms, 10 * ms}})
	for _, d := range []time.Duration{-5, 0, ms, ms + 1, 10 * ms, 10*ms + 1, time.Hour} {
		r.Observe(&Exchange{Latency: d})
	}
	if diff := cmp.Diff([]int64{3, 2, 2}, r.Snapshot().Arms[0].Latency); diff != "" {
		t.Errorf("an edge belongs to the bin below it (-want +got):\n%s", diff)
	}
}

func TestDefaultEdges(t *testing.T) {
	edges := DefaultEdges()
	if edges[0] != 100*time.Microsecond || edges[len(edges)-1] <= 120*time.Second {
		t.Errorf("edges from %s to %s", edges[0], edges[len(edges)-1])
	}
	for i := 1; i < len(edges); i++ {
		if ratio := float64(edges[i]) / float64(edges[i-1]); ratio > 1.0444 {
			t.Errorf("edges %s and %s are %.2f%% apart", edges[i-1], edges[i], 100*(ratio-1))
		}
	}
}

func TestBadEdgesPanic(t *testing.T) {
	for _, edges := range [][]time.Duration{{0}, {ms, ms}, {2 * ms, ms}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("edges %v were taken", edges)
				}
			}()
			New(Options{Edges: edges})
		}()
	}
}

func TestClassesAreBounded(t *testing.T) {
	r := New(Options{MaxClasses: 2})
	body := []byte("abca")
	for i := range body {
		view := string(body[i : i+1])
		r.Observe(&Exchange{Predictions: []inference.Prediction{{Class: view, HasClass: true}}})
	}
	s := r.Snapshot()
	if diff := cmp.Diff([]string{"a", "b"}, s.Classes); diff != "" {
		t.Errorf("classes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int64{2, 1, 1}, s.Arms[0].ByClass); diff != "" {
		t.Errorf("counts, the last for all others (-want +got):\n%s", diff)
	}
}

func TestPairs(t *testing.T) {
	r := New(Options{})
	for _, p := range []Pair{
		{Comparable: true, Disagree: true, StableLatency: ms, CanaryLatency: 2 * ms, Aspects: [NumAspects]Agreement{Classes: Differs, Texts: Agrees}},
		{Comparable: true, StableLatency: 2 * ms, CanaryLatency: ms},
		{StableLatency: ms, CanaryLatency: ms, Disagree: true}, // not comparable: says nothing
		{CanaryBad: true, Disagree: true},
		{CanaryBad: true},
		{StableBad: true},
		{StableBad: true, CanaryBad: true},
	} {
		r.ObservePair(p)
	}
	r.MirrorDropped()
	want := PairCounts{Seen: 7, Comparable: 2, Disagree: 1, CanaryOnlyBad: 2, StableOnlyBad: 1, BothBad: 1, CanarySlower: 1, Dropped: 1,
		Aspects: [NumAspects]Compared{Classes: {1, 1}, Texts: {1, 0}}}
	if diff := cmp.Diff(want, r.Snapshot().Pairs); diff != "" {
		t.Errorf("pairs (-want +got):\n%s", diff)
	}
}

func TestStrangeArmDoesNotPanic(t *testing.T) {
	r := New(Options{})
	r.Assign(traffic.Choice{Arm: 255}, &traffic.Split{Generation: 1, Canary: 100})
	r.Observe(&Exchange{Arm: 254, Generation: 1})
	if n := r.Snapshot().Arms[traffic.Stable].Requests; n != 1 {
		t.Errorf("%d requests on stable", n)
	}
}

// TestGroupsOfUsers: requests that a sticky key decided count for its group, a
// hundredth of the buckets; those from when stable was alone a second time.
func TestGroupsOfUsers(t *testing.T) {
	r := New(Options{Sticky: true})
	for _, x := range []Exchange{
		{Keyed: true, Bucket: 0, Alone: true},
		{Keyed: true, Bucket: 99, Alone: true, Failed: true},
		{Keyed: true, Bucket: 100},
		{Keyed: true, Bucket: 9999, Failed: true},
		{Keyed: true, Bucket: 9999, Cancelled: true},
		{Keyed: true, Bucket: 9999, Forced: true},
		{Bucket: 9999, Half: 1, Failed: true}, // no key: nobody stays
		{Half: 1}, {},
	} {
		r.Observe(&x)
	}
	got := r.Snapshot().Arms[traffic.Stable]
	want := func(name string, counts []int64, by map[int]int64) {
		t.Helper()
		full := make([]int64, Groups)
		for g, n := range by {
			full[g] = n
		}
		if diff := cmp.Diff(full, counts); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	want("requests", got.GroupRequests, map[int]int64{0: 2, 1: 1, 99: 1})
	want("errors", got.GroupErrors, map[int]int64{0: 1, 99: 1})
	if got.HalfRequests != [2]int64{1, 2} || got.HalfErrors != [2]int64{0, 1} {
		t.Errorf("halves of those without a key: %v, errors %v", got.HalfRequests, got.HalfErrors)
	}
	want("alone", got.AloneRequests, map[int]int64{0: 2})
	want("errors alone", got.AloneErrors, map[int]int64{0: 1})
	if s := New(Options{}); s.Snapshot().Arms[traffic.Stable].GroupRequests != nil {
		t.Error("groups without sticky keys")
	}
}
