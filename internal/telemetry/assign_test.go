package telemetry

import (
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/internal/traffic"
)

func TestAssign(t *testing.T) {
	r := New(Options{Sticky: true})
	canary := traffic.Choice{Arm: traffic.Canary}
	keyed := func(arm traffic.Arm, hash uint64) traffic.Choice {
		return traffic.Choice{Arm: arm, Keyed: true, KeyHash: hash}
	}
	r.Assign(canary, &traffic.Split{Generation: 1, Canary: 0})                                              // certain: nothing to check
	r.Assign(canary, &traffic.Split{Generation: 1, Canary: traffic.Full})                                   // certain too
	r.Assign(traffic.Choice{Arm: traffic.Canary, Forced: true}, &traffic.Split{Generation: 2, Canary: 500}) // forced
	r.Assign(canary, &traffic.Split{Generation: 2, Canary: 2500})                                           // counts
	r.Assign(traffic.Choice{}, &traffic.Split{Generation: 2, Canary: 500})                                  // counts
	r.Assign(canary, &traffic.Split{Generation: 3, Canary: 500})                                            // counts: the weight is the same
	r.Assign(keyed(traffic.Stable, 0), &traffic.Split{Generation: 3, Canary: 500})                          // counts
	r.Assign(keyed(traffic.Stable, 0), &traffic.Split{Generation: 3, Canary: 500})                          // seen
	r.Assign(keyed(traffic.Canary, 0), &traffic.Split{Generation: 4, Canary: 2500})                         // seen, at another weight
	r.Assign(keyed(traffic.Canary, 1<<63), &traffic.Split{Generation: 4, Canary: 2500})                     // counts
	want := []Assigned{{Weight: 500, Stable: 2, Canary: 1}, {Weight: 2500, Canary: 2}}
	if diff := cmp.Diff(want, r.Snapshot().Assigned); diff != "" {
		t.Errorf("assigned (-want +got):\n%s", diff)
	}

	before := r.Snapshot()
	r.ForgetKeys()
	r.Assign(keyed(traffic.Stable, 0), &traffic.Split{Generation: 5, Canary: 500})
	want = []Assigned{{Weight: 500, Stable: 1}}
	if diff := cmp.Diff(want, r.Snapshot().Sub(before).Assigned); diff != "" {
		t.Errorf("after the keys were forgotten (-want +got):\n%s", diff)
	}

	before = r.Snapshot()
	r.IgnoreKeys()
	r.Assign(keyed(traffic.Stable, 7), &traffic.Split{Generation: 5, Canary: 500})
	r.Assign(canary, &traffic.Split{Generation: 5, Canary: 500})
	want = []Assigned{{Weight: 500, Canary: 1}}
	if diff := cmp.Diff(want, r.Snapshot().Sub(before).Assigned); diff != "" {
		t.Errorf("while keys are ignored (-want +got):\n%s", diff)
	}
	r.ForgetKeys()
	r.Assign(keyed(traffic.Stable, 7), &traffic.Split{Generation: 5, Canary: 500})
	want[0].Stable = 1
	if diff := cmp.Diff(want, r.Snapshot().Sub(before).Assigned); diff != "" {
		t.Errorf("when a new revision begins (-want +got):\n%s", diff)
	}
}

func TestKeyedAssignmentsNeedRoom(t *testing.T) {
	r := New(Options{})
	r.ForgetKeys()
	r.Assign(traffic.Choice{Keyed: true, KeyHash: 1}, &traffic.Split{Generation: 1, Canary: 500})
	if got := r.Snapshot().Assigned; got != nil {
		t.Errorf("keys that cannot be told apart were counted: %v", got)
	}
}

// TestManyDivisions: weights that follow the evidence for weeks are counted to the
// end, and the oldest make room.
func TestManyDivisions(t *testing.T) {
	r := New(Options{})
	for w := traffic.Weight(1); w <= 3*maxWeights+5; w++ {
		before := r.Snapshot()
		for range 2 {
			r.Assign(traffic.Choice{}, &traffic.Split{Generation: 1, Canary: w})
		}
		if got, want := r.Snapshot().Sub(before).Assigned, []Assigned{{Weight: w, Stable: 2}}; !cmp.Equal(got, want) {
			t.Fatalf("of division %d: %+v", w, got)
		}
	}
	got := r.Snapshot().Assigned
	if len(got) != maxWeights {
		t.Fatalf("%d weights, want the bound %d", len(got), maxWeights)
	}
	for i, a := range got {
		if a.Weight != traffic.Weight(2*maxWeights+6+i) || a.Stable != 2 || a.Canary != 0 || a.Variants != nil {
			t.Errorf("%+v", a)
		}
	}
}

// TestDivisionsAtOnce: each is counted in one place, whoever is first.
func TestDivisionsAtOnce(t *testing.T) {
	r := New(Options{})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for w := traffic.Weight(1); w <= 100; w++ {
				r.Assign(traffic.Choice{Arm: traffic.Canary}, &traffic.Split{Generation: 1, Canary: w})
			}
		})
	}
	all.Wait()
	got := r.Snapshot().Assigned
	if len(got) != 100 {
		t.Fatalf("%d divisions of 100", len(got))
	}
	for _, a := range got {
		if a.Canary != 8 {
			t.Errorf("%+v", a)
		}
	}
}

func TestKeySetFull(t *testing.T) {
	s := newKeySet(100)
	if len(s.slots) != 128 {
		t.Fatalf("%d slots for 100 keys", len(s.slots))
	}
	rng := rand.New(rand.NewPCG(1, 2))
	n := 0
	for range 10_000 {
		if s.first(rng.Uint64()) {
			n++
		}
	}
	if n > 128 || n < 120 {
		t.Errorf("%d of 10000 keys found a place in 128 slots", n)
	}
}

func TestKeySetCountsEveryKeyWithinItsBound(t *testing.T) {
	const keys = DefaultMaxKeys / 2
	s := newKeySet(DefaultMaxKeys)
	rng := rand.New(rand.NewPCG(3, 4))
	missed := 0
	for range keys {
		if !s.first(rng.Uint64()) {
			missed++
		}
	}
	// At half load a run of 32 taken slots is rare; hashes that collide are rarer.
	if missed > keys/1000 {
		t.Errorf("%d of %d keys found no place", missed, keys)
	}
}

func TestKeySetConcurrently(t *testing.T) {
	const keys, workers = 2000, 4
	s := newKeySet(keys * 4)
	var news atomic.Int64
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			// Each worker takes the same keys in an order of its own.
			for _, i := range rand.New(rand.NewPCG(uint64(w), 1)).Perm(keys) {
				if s.first(uint64(i+1) * 0x9e3779b97f4a7c15) {
					news.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if n := news.Load(); n != keys {
		t.Errorf("%d keys counted as new, want %d", n, keys)
	}
}

// TestArmsOfAnExperiment: each arm's requests are counted apart, and assignments
// by how traffic was dealt out, even where the canary's share stays as it was.
func TestArmsOfAnExperiment(t *testing.T) {
	r := New(Options{Arms: 3})
	deal := func(stable, canary, variant int) *traffic.Split {
		return &traffic.Split{Generation: 1, Canary: traffic.Weight(canary) * 100,
			Slots: strings.Repeat("1", canary) + strings.Repeat("2", variant) + strings.Repeat("0", stable)}
	}
	even, tilted := deal(34, 33, 33), deal(10, 33, 57)
	for range 3 {
		r.Assign(traffic.Choice{Arm: 2}, even)
	}
	before := r.Snapshot()
	r.Assign(traffic.Choice{Arm: 2}, tilted)
	r.Assign(traffic.Choice{Arm: traffic.Canary}, tilted)
	r.Observe(&Exchange{Arm: 2, Generation: 1, Latency: time.Millisecond})
	s := r.Snapshot()
	got := s.Sub(before).Assigned
	if len(got) != 1 || got[0].Slots != tilted.Slots || got[0].Canary != 1 || got[0].Variants[0] != 1 {
		t.Errorf("assigned since: %+v", got)
	}
	if len(s.Assigned) != 2 {
		t.Errorf("assigned in all: %+v", s.Assigned)
	}
	if len(s.Arms) != 3 || s.Arms[2].Requests != 1 || s.Arms[traffic.Stable].Requests != 0 {
		t.Errorf("%d arms, of which the last has %+v", len(s.Arms), s.Arms[len(s.Arms)-1])
	}
}
