package workloadtest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
	"github.com/haldane-dev/haldane/internal/workload"
)

// Patience is how long the suite asks again before it says that a role does
// not become what was applied. It bounds a failing run.
const Patience = 30 * time.Second

// Harness is one workload in a world of its own, whose roles become ready when
// they are wanted.
type Harness struct {
	Workload workload.Workload
	Target   workload.Target
	// Revisions are the hashes to be reported.
	Revisions map[rollout.Role]string
	// Running counts what runs of a role in the world outside: processes, pods.
	// Nil where nothing can be counted.
	Running func(t *testing.T, r rollout.Role) int
	// Copies says that promotion makes stable run what the candidate does, and
	// does not end it.
	Copies bool
}

// Run checks one adapter. open builds a fresh harness for every test and ends
// with the test what it began.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Harness)
	}{
		{"NothingBeforeApply", nothingBeforeApply},
		{"BothBecomeReady", bothBecomeReady},
		{"ApplyTwiceStartsOnce", applyTwice},
		{"OneEndsTheOtherStays", oneEnds},
		{"EndedAndWantedAgain", wantedAgain},
		{"Release", release},
		{"ReleaseWithoutApply", releaseWithoutApply},
		{"ConcurrentUse", concurrentUse},
		{"EndedContext", endedContext},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

var (
	both   = rollout.Scale{Stable: true, Canary: true}
	stable = rollout.Scale{Stable: true}
)

func (h Harness) apply(t *testing.T, s rollout.Scale) {
	t.Helper()
	if err := h.Workload.Apply(t.Context(), h.Target, s); err != nil {
		t.Fatalf("apply %+v: %v", s, err)
	}
}

func (h Harness) observe(t *testing.T) map[rollout.Role]rollout.Health {
	t.Helper()
	all, err := h.Workload.Observe(t.Context(), h.Target)
	if err != nil {
		t.Fatalf("observe: %v", err)
	}
	for _, r := range []rollout.Role{traffic.Stable, traffic.Canary} {
		if _, ok := all[r]; !ok {
			t.Fatalf("%s is not reported: %+v", r, all)
		}
	}
	return all
}

// await asks until a role is as wanted.
func (h Harness) await(t *testing.T, r rollout.Role, ready bool) rollout.Health {
	t.Helper()
	var got rollout.Health
	for end := time.Now().Add(Patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		got = h.observe(t)[r]
		if got.Ready == ready && (h.Running == nil || (h.Running(t, r) > 0) == ready) {
			return got
		}
	}
	t.Fatalf("after %s %s is %+v, want ready %v", Patience, r, got, ready)
	return got
}

func (h Harness) awaitBoth(t *testing.T) {
	t.Helper()
	for _, r := range []rollout.Role{traffic.Stable, traffic.Canary} {
		got := h.await(t, r, true)
		if got.Revision != h.Revisions[r] {
			t.Errorf("%s reports revision %q, want %q", r, got.Revision, h.Revisions[r])
		}
		if got.Failed || got.Message != "" {
			t.Errorf("%s is ready and says %+v", r, got)
		}
	}
}

func nothingBeforeApply(t *testing.T, h Harness) {
	for r, got := range h.observe(t) {
		if got.Ready || got.Revision != "" {
			t.Errorf("%s before the first Apply: %+v", r, got)
		}
	}
}

func bothBecomeReady(t *testing.T, h Harness) {
	h.apply(t, both)
	h.awaitBoth(t)
}

func applyTwice(t *testing.T, h Harness) {
	for range 5 {
		h.apply(t, both)
	}
	h.awaitBoth(t)
	h.apply(t, both)
	for r, got := range h.observe(t) {
		if got.Restarts != 0 || !got.Ready {
			t.Errorf("%s after it was applied again: %+v", r, got)
		}
		if h.Running != nil {
			if n := h.Running(t, r); n != 1 {
				t.Errorf("%d of %s run, want 1", n, r)
			}
		}
	}
}

func oneEnds(t *testing.T, h Harness) {
	h.apply(t, both)
	h.awaitBoth(t)
	h.apply(t, stable)
	h.await(t, traffic.Canary, false)
	if got := h.observe(t)[traffic.Stable]; !got.Ready || got.Restarts != 0 {
		t.Errorf("stable after the end of the canary: %+v", got)
	}
	h.apply(t, rollout.Scale{Canary: true, Promoted: true})
	h.await(t, traffic.Canary, true)
	if h.Copies {
		for end := time.Now().Add(Patience); h.observe(t)[traffic.Stable].Revision != h.Revisions[traffic.Canary]; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("after %s stable is %+v, want revision %s", Patience, h.observe(t)[traffic.Stable], h.Revisions[traffic.Canary])
			}
		}
		return
	}
	h.await(t, traffic.Stable, false)
}

func wantedAgain(t *testing.T, h Harness) {
	for range 3 {
		h.apply(t, both)
		h.apply(t, stable)
	}
	h.apply(t, both)
	h.awaitBoth(t)
	if h.Running != nil {
		if n := h.Running(t, traffic.Canary); n != 1 {
			t.Errorf("%d canaries run, want 1", n)
		}
	}
}

func release(t *testing.T, h Harness) {
	h.apply(t, both)
	h.awaitBoth(t)
	for range 2 {
		if err := h.Workload.Release(t.Context(), h.Target); err != nil {
			t.Fatalf("release: %v", err)
		}
		for r, got := range h.observe(t) {
			if got.Ready {
				t.Errorf("%s after release: %+v", r, got)
			}
			if h.Running != nil && h.Running(t, r) != 0 {
				t.Errorf("%s still runs after release", r)
			}
		}
	}
	h.apply(t, both)
	h.awaitBoth(t)
}

func releaseWithoutApply(t *testing.T, h Harness) {
	if err := h.Workload.Release(t.Context(), h.Target); err != nil {
		t.Fatalf("release of what was never applied: %v", err)
	}
}

func concurrentUse(t *testing.T, h Harness) {
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range 10 {
				s := both
				s.Canary = i%2 == 0
				if err := h.Workload.Apply(t.Context(), h.Target, s); err != nil {
					t.Errorf("apply: %v", err)
				}
				if _, err := h.Workload.Observe(t.Context(), h.Target); err != nil {
					t.Errorf("observe: %v", err)
				}
			}
		})
	}
	wg.Wait()
	h.apply(t, both)
	h.awaitBoth(t)
}

func endedContext(t *testing.T, h Harness) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = h.Workload.Apply(ctx, h.Target, stable)
		_, _ = h.Workload.Observe(ctx, h.Target)
	}()
	select {
	case <-done:
	case <-time.After(Patience):
		t.Fatal("calls with an ended context do not return")
	}
	h.apply(t, both)
	h.awaitBoth(t)
}
