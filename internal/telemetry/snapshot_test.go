package telemetry

import (
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/haldane-dev/haldane/internal/inference"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// draw makes an exchange whose numbers add up exactly in binary.
func drawExchange(t *rapid.T) *Exchange {
	x := &Exchange{
		Arm:        rapid.SampledFrom([]traffic.Arm{traffic.Stable, traffic.Canary}).Draw(t, "arm"),
		Generation: uint64(rapid.IntRange(0, 3).Draw(t, "generation")),
		Forced:     rapid.IntRange(0, 4).Draw(t, "forced") == 0,
		Warmup:     rapid.IntRange(0, 9).Draw(t, "warmup") == 0,
		Failed:     rapid.IntRange(0, 4).Draw(t, "failed") == 0,
		Cancelled:  rapid.IntRange(0, 9).Draw(t, "cancelled") == 0,
		Latency:    time.Duration(rapid.IntRange(0, 200_000).Draw(t, "µs")) * time.Microsecond,
		Readable:   rapid.Bool().Draw(t, "readable"),
	}
	x.Read = x.Readable && rapid.Bool().Draw(t, "read")
	for range rapid.IntRange(0, 3).Draw(t, "predictions") {
		x.Predictions = append(x.Predictions, inference.Prediction{
			Class:    rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "class"),
			HasClass: rapid.Bool().Draw(t, "has class"),
			Value:    float64(rapid.IntRange(-64, 64).Draw(t, "value")) / 8, HasValue: rapid.Bool().Draw(t, "has value"),
			Confidence: float64(rapid.IntRange(0, 8).Draw(t, "eighths")) / 8, HasConfidence: rapid.Bool().Draw(t, "has confidence"),
		})
	}
	if rapid.Bool().Draw(t, "streamed") {
		x.Stream = &inference.StreamResult{TTFT: time.Second / 4, HasTTFT: true, TimePerOutputToken: time.Second / 8}
	}
	return x
}

// TestDeltasAddUp: whatever happens between snapshots, their differences add up
// to what a second recorder that saw everything at once has.
func TestDeltasAddUp(t *testing.T) {
	o := Options{Edges: []time.Duration{ms, 10 * ms, 100 * ms}, MaxClasses: 3, Value: Bounds{-4, 4}, Sticky: true, MaxKeys: 64}
	rapid.Check(t, func(t *rapid.T) {
		r, whole := New(o), New(o)
		both := func(f func(*Recorder)) { f(r); f(whole) }
		var last *Snapshot
		var deltas []*Snapshot
		generation := uint64(0)
		for range rapid.IntRange(0, 40).Draw(t, "events") {
			switch rapid.IntRange(0, 5).Draw(t, "event") {
			case 0:
				s := r.Snapshot()
				deltas = append(deltas, s.Sub(last))
				last = s
			case 1:
				c := traffic.Choice{Arm: traffic.Arm(rapid.IntRange(0, 1).Draw(t, "to")), Keyed: rapid.Bool().Draw(t, "keyed"), KeyHash: rapid.Uint64Range(0, 20).Draw(t, "key")}
				generation += uint64(rapid.IntRange(0, 1).Draw(t, "newer"))
				weight := traffic.Weight(rapid.IntRange(0, 3).Draw(t, "weight") * 100)
				both(func(r *Recorder) { r.Assign(c, &traffic.Split{Generation: generation, Canary: weight}) })
			case 2:
				p := Pair{Disagree: rapid.Bool().Draw(t, "disagree"), StableBad: rapid.Bool().Draw(t, "stable bad"), CanaryBad: rapid.Bool().Draw(t, "canary bad"), Comparable: true}
				both(func(r *Recorder) { r.ObservePair(p); r.MirrorDropped() })
			default:
				x := drawExchange(t)
				both(func(r *Recorder) { r.Observe(x) })
			}
		}
		end := r.Snapshot()
		deltas = append(deltas, end.Sub(last))
		// A difference is drawn only where there is one, since that takes long.
		if once := whole.Snapshot(); !reflect.DeepEqual(once, end) {
			t.Fatalf("snapshots in between changed the totals (-without +with):\n%s", cmp.Diff(once, end))
		}
		if all, sum := end.Sub(nil), total(o, deltas); !reflect.DeepEqual(all, sum) {
			t.Fatalf("the deltas do not add up (-total +sum):\n%s", cmp.Diff(all, sum))
		}
		checkConsistent(t, end)
	})
}

// total adds deltas up, as Sub takes them apart.
func total(o Options, deltas []*Snapshot) *Snapshot {
	s := emptySnapshot(o.complete())
	weights := map[traffic.Weight]Assigned{}
	for _, d := range deltas {
		s.Classes = d.Classes
		for i := range s.Arms {
			a, b := &s.Arms[i], &d.Arms[i]
			add(a.numbers(), b.numbers())
			for j, h := range a.histograms() {
				for k := range *h {
					(*h)[k] += (*b.histograms()[j])[k]
				}
			}
			others := b.moments()
			for j, m := range a.moments() {
				n := others[j]
				m.N, m.Sum, m.SumSq = m.N+n.N, m.Sum+n.Sum, m.SumSq+n.SumSq
			}
		}
		add(s.Pairs.numbers(), d.Pairs.numbers())
		for _, a := range d.Assigned {
			w := weights[a.Weight]
			weights[a.Weight] = Assigned{Weight: a.Weight, Stable: w.Stable + a.Stable, Canary: w.Canary + a.Canary}
		}
	}
	for w := range traffic.Full {
		if a, ok := weights[w]; ok {
			s.Assigned = append(s.Assigned, a)
		}
	}
	return &s
}

func add(to, these []*int64) {
	for i, n := range to {
		*n += *these[i]
	}
}

type failer interface{ Fatalf(string, ...any) }

// checkConsistent tests what holds of every snapshot and of every difference.
func checkConsistent(t failer, s *Snapshot) {
	for arm := range s.Arms {
		a := &s.Arms[arm]
		if a.Errors > a.Requests || a.ForcedErrors > a.Forced || a.StaleErrors > a.Stale {
			t.Fatalf("more failures than requests: %+v", a)
		}
		if n := sum(a.Latency); n != a.Requests-a.Errors+a.Cancelled {
			t.Fatalf("%d latencies of %d requests, %d errors, %d given up", n, a.Requests, a.Errors, a.Cancelled)
		}
		if n := sum(a.ConfidenceBins); n != a.Confidence.N {
			t.Fatalf("%d confidences in bins, %d in moments", n, a.Confidence.N)
		}
		if sum(a.ByClass) > a.Predictions {
			t.Fatalf("more classes than predictions: %+v", a)
		}
		for _, m := range a.moments() {
			if m.N < 0 || m.N == 0 && (m.Sum != 0 || m.SumSq != 0) {
				t.Fatalf("sums of nothing: %+v", *m)
			}
		}
	}
}

// TestSnapshotsHoldWholeRequests reads while others write. Every difference
// must be consistent in itself, and together they must lose nothing.
func TestSnapshotsHoldWholeRequests(t *testing.T) {
	const workers, each = 4, 3000
	r := New(Options{})
	var left atomic.Int64
	left.Store(workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			defer left.Add(-1)
			x := &Exchange{Arm: traffic.Arm(w & 1), Readable: true, Read: true, Latency: ms, Predictions: []inference.Prediction{
				{Class: "a", HasClass: true, Confidence: 0.5, HasConfidence: true},
			}}
			for i := range each {
				x.Failed = i%4 == 0
				r.Observe(x)
				r.Assign(traffic.Choice{Arm: x.Arm}, &traffic.Split{Generation: 0, Canary: 500})
				if i%8 == 0 {
					r.ObservePair(Pair{Comparable: true, Disagree: true})
				}
			}
		})
	}
	var last *Snapshot
	var requests, assigned, pairs int64
	var confidence float64
	for done := false; !done; {
		done = left.Load() == 0
		s := r.Snapshot()
		d := s.Sub(last)
		last = s
		checkConsistent(t, d)
		for _, a := range d.Arms {
			if a.Confidence.Sum != float64(a.Confidence.N)/2 || a.Confidence.N != a.Requests-a.Errors {
				t.Fatalf("half a request: %d requests, %d errors, confidence %+v", a.Requests, a.Errors, a.Confidence)
			}
			requests += a.Requests
			confidence += a.Confidence.Sum
		}
		if d.Pairs.Disagree != d.Pairs.Seen {
			t.Fatalf("half a pair: %+v", d.Pairs)
		}
		pairs += d.Pairs.Seen
		for _, a := range d.Assigned {
			assigned += a.Stable + a.Canary
		}
	}
	wg.Wait()
	if requests != workers*each || assigned != workers*each || pairs != workers*each/8 || confidence != workers*each*3/4/2. {
		t.Errorf("counted %d requests, %d assignments, %d pairs, confidence %v", requests, assigned, pairs, confidence)
	}
}

func TestSnapshotDoesNotChangeLater(t *testing.T) {
	r := New(Options{})
	x := &Exchange{Latency: ms, Predictions: []inference.Prediction{{Class: "a", HasClass: true}}}
	r.Observe(x)
	r.Assign(traffic.Choice{}, &traffic.Split{Generation: 1, Canary: 100})
	s := r.Snapshot()
	before := s.Sub(nil)
	x.Generation = 1
	r.Observe(x)
	r.Observe(&Exchange{Generation: 1, Predictions: []inference.Prediction{{Class: "b", HasClass: true}}})
	r.Assign(traffic.Choice{}, &traffic.Split{Generation: 1, Canary: 100})
	r.Snapshot()
	if diff := cmp.Diff(before, s); diff != "" {
		t.Errorf("an old snapshot changed:\n%s", diff)
	}
}
