package telemetry

import (
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/inference"
	"github.com/haldane-dev/haldane/internal/traffic"
)

var exchange = Exchange{
	Arm: traffic.Canary, Latency: 7 * time.Millisecond, Status: 200, Readable: true, Read: true,
	Predictions: []inference.Prediction{{Class: "yes", HasClass: true, Confidence: .9, HasConfidence: true, Value: .9, HasValue: true}},
}

func TestWritingDoesNotAllocate(t *testing.T) {
	r := New(Options{Sticky: true, Value: Bounds{0, 1}})
	x := exchange
	x.Stream = &inference.StreamResult{HasTTFT: true, TTFT: time.Millisecond, TimePerOutputToken: time.Millisecond}
	key := uint64(0)
	for name, f := range map[string]func(){
		"Assign": func() { r.Assign(traffic.Choice{}, &traffic.Split{Generation: 0, Canary: 500}) },
		"Assign keys": func() {
			key += 0x9e3779b97f4a7c15
			r.Assign(traffic.Choice{Keyed: true, KeyHash: key}, &traffic.Split{Generation: 0, Canary: 500})
		},
		"Observe":     func() { r.Observe(&x) },
		"ObservePair": func() { r.ObservePair(Pair{Comparable: true}) },
		"Dropped":     r.MirrorDropped,
	} {
		if n := testing.AllocsPerRun(1000, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

func BenchmarkAssign(b *testing.B) {
	b.Run("drawn", func(b *testing.B) {
		r := New(Options{})
		b.ReportAllocs()
		for b.Loop() {
			r.Assign(traffic.Choice{Arm: traffic.Canary}, &traffic.Split{Generation: 1, Canary: 500})
		}
	})
	b.Run("sticky", func(b *testing.B) {
		r := New(Options{Sticky: true})
		key := uint64(0)
		b.ReportAllocs()
		for b.Loop() {
			key++
			r.Assign(traffic.Choice{Keyed: true, KeyHash: (key & 0xffff) * 0x9e3779b97f4a7c15}, &traffic.Split{Generation: 1, Canary: 500})
		}
	})
}

func BenchmarkObserve(b *testing.B) {
	b.Run("alone", func(b *testing.B) {
		r, x := New(Options{Value: Bounds{0, 1}}), exchange
		b.ReportAllocs()
		for b.Loop() {
			r.Observe(&x)
		}
	})
	b.Run("parallel", func(b *testing.B) {
		r := New(Options{Value: Bounds{0, 1}})
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			x := exchange
			for pb.Next() {
				r.Observe(&x)
			}
		})
	})
}

func BenchmarkSnapshot(b *testing.B) {
	r, x := New(Options{}), exchange
	b.ReportAllocs()
	for b.Loop() {
		r.Observe(&x)
		r.Snapshot()
	}
}
