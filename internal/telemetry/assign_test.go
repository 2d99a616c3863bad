package telemetry

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/internal/traffic"
)

func TestAssign(t *testing.T) {
	r := New(Options{Sticky: true})
	canary := traffic.Choice{Arm: traffic.Canary}
	keyed := func(arm traffic.Arm, hash uint64) traffic.Choice {
		return traffic.Choice{Arm: arm, Keyed: true, KeyHash: hash}
	}
	r.Assign(canary, 1, 0)                                              // certain: nothing to check
	r.Assign(canary, 1, traffic.Full)                                   // certain too
	r.Assign(traffic.Choice{Arm: traffic.Canary, Forced: true}, 2, 500) // forced
	r.Assign(canary, 2, 2500)                                           // counts
	r.Assign(traffic.Choice{}, 2, 500)                                  // counts
	r.Assign(canary, 3, 500)                                            // counts: the weight is the same
	r.Assign(keyed(traffic.Stable, 0), 3, 500)                          // counts
	r.Assign(keyed(traffic.Stable, 0), 3, 500)                          // seen
	r.Assign(keyed(traffic.Canary, 0), 4, 2500)                         // seen, at another weight
	r.Assign(keyed(traffic.Canary, 1<<63), 4, 2500)                     // counts
	want := []Assigned{{Weight: 500, Stable: 2, Canary: 1}, {Weight: 2500, Canary: 2}}
	if diff := cmp.Diff(want, r.Snapshot().Assigned); diff != "" {
		t.Errorf("assigned (-want +got):\n%s", diff)
	}

	before := r.Snapshot()
	r.ForgetKeys()
	r.Assign(keyed(traffic.Stable, 0), 5, 500)
	want = []Assigned{{Weight: 500, Stable: 1}}
	if diff := cmp.Diff(want, r.Snapshot().Sub(before).Assigned); diff != "" {
		t.Errorf("after the keys were forgotten (-want +got):\n%s", diff)
	}

	before = r.Snapshot()
	r.IgnoreKeys()
	r.Assign(keyed(traffic.Stable, 7), 5, 500)
	r.Assign(canary, 5, 500)
	want = []Assigned{{Weight: 500, Canary: 1}}
	if diff := cmp.Diff(want, r.Snapshot().Sub(before).Assigned); diff != "" {
		t.Errorf("while keys are ignored (-want +got):\n%s", diff)
	}
	r.ForgetKeys()
	r.Assign(keyed(traffic.Stable, 7), 5, 500)
	want[0].Stable = 1
	if diff := cmp.Diff(want, r.Snapshot().Sub(before).Assigned); diff != "" {
		t.Errorf("when a new revision begins (-want +got):\n%s", diff)
	}
}

func TestKeyedAssignmentsNeedRoom(t *testing.T) {
	r := New(Options{})
	r.ForgetKeys()
	r.Assign(traffic.Choice{Keyed: true, KeyHash: 1}, 1, 500)
	if got := r.Snapshot().Assigned; got != nil {
		t.Errorf("keys that cannot be told apart were counted: %v", got)
	}
}

func TestManyWeights(t *testing.T) {
	r := New(Options{})
	for w := traffic.Weight(1); w <= maxWeights+5; w++ {
		r.Assign(traffic.Choice{}, 1, w)
	}
	got := r.Snapshot().Assigned
	if len(got) != maxWeights {
		t.Fatalf("%d weights, want the bound %d", len(got), maxWeights)
	}
	for i, a := range got {
		if a != (Assigned{Weight: traffic.Weight(i + 1), Stable: 1}) {
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
