package routertest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/internal/router"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// Patience is how long the suite asks a data plane again before it says that
// what was applied is not carried. It bounds a failing run; a passing one
// never waits for it.
const Patience = 10 * time.Second

// Harness is one router in a world of its own.
type Harness struct {
	Router router.Router
	Target router.Target
	// Snapshot describes the routed thing as its owner would see it (a route
	// object, a table), comparable with cmp.Diff. Release must bring back what
	// it said before the first Apply. Nil compares Observe alone.
	Snapshot func(t *testing.T) any
	// Send sends n unforced requests through the data plane and counts where
	// they went. Nil where the routed traffic cannot be reached from a test.
	Send func(t *testing.T, n int) (stable, canary int)
}

// Run checks one adapter. open builds a fresh harness for every test.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Harness)
	}{
		{"ApplyIsCarried", applyIsCarried},
		{"ApplyTwiceChangesNothing", applyTwice},
		{"ApplyReplacesTheWholeTarget", applyReplaces},
		{"GenerationIsReported", generationIsReported},
		{"WeightOutOfRangeIsRefused", outOfRangeIsRefused},
		{"WhatItCannotDoIsRefused", incapableIsRefused},
		{"ReleaseRestores", releaseRestores},
		{"ReleaseWithoutApply", releaseWithoutApply},
		{"ApplyAfterRelease", applyAfterRelease},
		{"ConcurrentUse", concurrentUse},
		{"EndedContext", endedContext},
		{"TrafficFollows", trafficFollows},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

func split(gen uint64, percent float64) traffic.Split {
	return traffic.Split{Generation: gen, Canary: traffic.Percent(percent), Salt: "suite"}
}

func (h Harness) apply(t *testing.T, s traffic.Split) {
	t.Helper()
	if err := h.Router.Apply(t.Context(), h.Target, s); err != nil {
		t.Fatalf("apply generation %d, canary %s: %v", s.Generation, s.Canary, err)
	}
}

func (h Harness) observe(t *testing.T) traffic.Observed {
	t.Helper()
	o, err := h.Router.Observe(t.Context(), h.Target)
	if err != nil {
		t.Fatalf("observe: %v", err)
	}
	return o
}

// await asks until the router reports the split. A router that can never know
// more than that the split was written is held to that.
func (h Harness) await(t *testing.T, s traffic.Split) traffic.Observed {
	t.Helper()
	var o traffic.Observed
	for end := time.Now().Add(Patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		o = h.observe(t)
		if o.Level != traffic.Unknown && o.Generation == s.Generation && o.Canary == s.Canary && o.Mirror == s.Mirror {
			return o
		}
	}
	t.Fatalf("after %s the router reports %+v, want generation %d, canary %s, mirror %s",
		Patience, o, s.Generation, s.Canary, s.Mirror)
	return o
}

func (h Harness) snapshot(t *testing.T) any {
	t.Helper()
	if h.Snapshot == nil {
		return nil
	}
	return h.Snapshot(t)
}

func applyIsCarried(t *testing.T, h Harness) {
	for i, p := range []float64{0, 5, 50, 100, 0} {
		s := split(uint64(i+1), p)
		h.apply(t, s)
		h.await(t, s)
	}
}

func applyTwice(t *testing.T, h Harness) {
	s := split(7, 25)
	h.apply(t, s)
	before, look := h.await(t, s), h.snapshot(t)
	h.apply(t, s)
	if d := cmp.Diff(before, h.observe(t)); d != "" {
		t.Errorf("the same split applied again changed what is observed:\n%s", d)
	}
	if d := cmp.Diff(look, h.snapshot(t)); d != "" {
		t.Errorf("the same split applied again changed what is routed:\n%s", d)
	}
}

func applyReplaces(t *testing.T, h Harness) {
	c, err := h.Router.Capabilities(t.Context(), h.Target)
	if err != nil {
		t.Fatalf("capabilities: %v", err)
	}
	full := split(1, 30)
	if c.Mirror {
		full.Mirror = traffic.Percent(40)
	}
	if c.Header {
		full.Always = []traffic.Match{{Header: &traffic.Field{Name: "x-canary", Exact: "true"}}}
		full.Open = true
	}
	h.apply(t, full)
	h.await(t, full)
	bare := split(2, 0)
	h.apply(t, bare)
	if o := h.await(t, bare); o.Mirror != 0 {
		t.Errorf("mirror %s is left over from the split before", o.Mirror)
	}
}

func generationIsReported(t *testing.T, h Harness) {
	a, b := split(3, 10), split(4, 10) // same weights: only the generation tells them apart
	h.apply(t, a)
	h.await(t, a)
	h.apply(t, b)
	if o := h.await(t, b); o.Carries(a) {
		t.Errorf("%+v is said to carry generation 3 as well", o)
	}
}

func outOfRangeIsRefused(t *testing.T, h Harness) {
	good := split(1, 5)
	h.apply(t, good)
	h.await(t, good)
	for _, bad := range []traffic.Split{
		{Generation: 2, Canary: -1},
		{Generation: 2, Canary: traffic.Full + 1},
	} {
		if err := h.Router.Apply(t.Context(), h.Target, bad); err == nil {
			t.Errorf("canary weight %d was accepted", int(bad.Canary))
		}
		if o := h.observe(t); o.Generation != good.Generation || o.Canary != good.Canary {
			t.Errorf("a refused split left %+v, want generation 1 at 5%%", o)
		}
	}
}

func incapableIsRefused(t *testing.T, h Harness) {
	c, err := h.Router.Capabilities(t.Context(), h.Target)
	if err != nil {
		t.Fatalf("capabilities: %v", err)
	}
	header := traffic.Match{Header: &traffic.Field{Name: "x-a"}}
	for _, w := range []struct {
		what  string
		able  bool
		split traffic.Split
	}{
		{"mirroring", c.Mirror, traffic.Split{Generation: 2, Mirror: traffic.Full}},
		{"sticky users", c.Sticky, traffic.Split{Generation: 2, Sticky: traffic.Sticky{Header: "x-user"}}},
		{"a header match", c.Header, traffic.Split{Generation: 2, Always: []traffic.Match{header}}},
		{"a cookie match", c.Cookie, traffic.Split{Generation: 2, Never: []traffic.Match{{Cookie: &traffic.Field{Name: "a"}}}}},
		{"a country match", c.Country, traffic.Split{Generation: 2, Always: []traffic.Match{{Country: []string{"NL"}}}}},
	} {
		err := h.Router.Apply(t.Context(), h.Target, w.split)
		if w.able && err != nil {
			t.Errorf("the data plane is said to do %s, but Apply refuses it: %v", w.what, err)
		}
		if !w.able && err == nil {
			t.Errorf("the data plane cannot do %s, but Apply accepted it", w.what)
		}
	}
}

func releaseRestores(t *testing.T, h Harness) {
	before := h.snapshot(t)
	for i, p := range []float64{5, 50} {
		s := split(uint64(i+1), p)
		h.apply(t, s)
		h.await(t, s)
	}
	for range 2 { // the second one has nothing left to do
		if err := h.Router.Release(t.Context(), h.Target); err != nil {
			t.Fatalf("release: %v", err)
		}
		if d := cmp.Diff(before, h.snapshot(t)); d != "" {
			t.Fatalf("release did not restore what was there:\n%s", d)
		}
	}
	if o, err := h.Router.Observe(t.Context(), h.Target); err == nil && o.Canary != 0 && o.Level != traffic.Unknown {
		t.Errorf("after release the router reports %+v", o)
	}
}

func releaseWithoutApply(t *testing.T, h Harness) {
	before := h.snapshot(t)
	if err := h.Router.Release(t.Context(), h.Target); err != nil {
		t.Fatalf("release of what was never applied: %v", err)
	}
	if d := cmp.Diff(before, h.snapshot(t)); d != "" {
		t.Errorf("release of what was never applied changed it:\n%s", d)
	}
}

func applyAfterRelease(t *testing.T, h Harness) {
	h.apply(t, split(1, 5))
	if err := h.Router.Release(t.Context(), h.Target); err != nil {
		t.Fatalf("release: %v", err)
	}
	s := split(2, 20)
	h.apply(t, s)
	h.await(t, s)
}

func concurrentUse(t *testing.T, h Harness) {
	const rounds = 20
	h.apply(t, split(1, 0))
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for range rounds {
				o, err := h.Router.Observe(t.Context(), h.Target)
				if err != nil {
					t.Errorf("observe: %v", err)
				}
				if o.Canary < 0 || o.Canary > traffic.Full {
					t.Errorf("observed %+v", o)
				}
			}
		})
	}
	var last traffic.Split
	for i := range rounds {
		last = split(uint64(i+2), float64(i))
		h.apply(t, last)
	}
	wg.Wait()
	h.await(t, last)
}

// endedContext: a call whose context has ended comes back. It may still
// succeed where nothing had to be waited for.
func endedContext(t *testing.T, h Harness) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = h.Router.Apply(ctx, h.Target, split(1, 5))
		_, _ = h.Router.Observe(ctx, h.Target)
	}()
	select {
	case <-done:
	case <-time.After(Patience):
		t.Fatal("calls with an ended context do not return")
	}
	s := split(2, 10)
	h.apply(t, s)
	h.await(t, s)
}

// trafficFollows sends requests at three weights. At 0 and 100 percent the
// answer is exact; at half, 1000 draws stray more than 150 from 500 less than
// once in 10¹⁹ runs.
func trafficFollows(t *testing.T, h Harness) {
	if h.Send == nil {
		return
	}
	const n = 1000
	for i, c := range []struct {
		percent  float64
		min, max int
	}{{0, 0, 0}, {50, n/2 - 150, n/2 + 150}, {100, n, n}} {
		s := split(uint64(i+1), c.percent)
		h.apply(t, s)
		h.await(t, s)
		stable, canary := h.Send(t, n)
		if stable+canary != n {
			t.Errorf("at %s: %d + %d answers for %d requests", s.Canary, stable, canary, n)
		}
		if canary < c.min || canary > c.max {
			t.Errorf("at %s: %d of %d requests reached the canary", s.Canary, canary, n)
		}
	}
}
