package sourcetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// Harness is one source in a world of its own.
type Harness struct {
	Source metric.Source
	// Query asks at least for one metric of kind ErrorRate, named Errors.
	Query  metric.Query
	Errors string
	// Serve makes n requests happen on an arm, bad of them failing, and
	// returns when the source can see them. It is safe for concurrent use.
	Serve func(t *testing.T, arm traffic.Arm, n, bad int)
	// Reopen returns a new source, as a restarted Haldane would build it.
	Reopen func(t *testing.T) metric.Source
	// Lasting says that what was served outlives a restart of Haldane, so that
	// the reopened source must still count what no saved block holds. Without
	// it those requests may be lost, but never counted twice.
	Lasting bool
	// Break makes the source unable to answer until mend is called. Nil for a
	// source that can always answer.
	Break func(t *testing.T) (mend func())
}

// Run checks one adapter. open builds a fresh harness for every test.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Harness)
	}{
		{"NothingHappened", nothingHappened},
		{"CountsOneBlock", countsOneBlock},
		{"SameCursorAgain", sameCursorAgain},
		{"BlocksAddUp", blocksAddUp},
		{"SavesThatFail", savesThatFail},
		{"Restart", restart},
		{"RestartBeforeAnySave", restartBeforeAnySave},
		{"StrangeCursor", strangeCursor},
		{"BetweenTheArms", betweenTheArms},
		{"ConcurrentUse", concurrentUse},
		{"Outage", outage},
		{"EndedContext", endedContext},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

// Count is trials and hits of both arms.
type Count struct{ StableN, StableK, CanaryN, CanaryK int64 }

func (c *Count) add(d Count) {
	c.StableN += d.StableN
	c.StableK += d.StableK
	c.CanaryN += d.CanaryN
	c.CanaryK += d.CanaryK
}

func (h Harness) serve(t *testing.T, stable, stableBad, canary, canaryBad int) Count {
	t.Helper()
	h.Serve(t, traffic.Stable, stable, stableBad)
	h.Serve(t, traffic.Canary, canary, canaryBad)
	return Count{int64(stable), int64(stableBad), int64(canary), int64(canaryBad)}
}

func (h Harness) collect(t *testing.T, cursor string) (Count, string) {
	t.Helper()
	now := time.Now()
	s, err := h.Source.Collect(t.Context(), h.Query, metric.Window{After: cursor, Start: now.Add(-time.Second), End: now})
	if err != nil {
		t.Fatalf("collect after %q: %v", cursor, err)
	}
	return h.check(t, s), s.Cursor
}

// check tests what holds of every sample and returns the counts of the errors.
func (h Harness) check(t *testing.T, s analysis.Sample) Count {
	t.Helper()
	if s.Cursor == "" {
		t.Error("the sample has no cursor: the next block would start over")
	}
	if s.End.Before(s.Start) {
		t.Errorf("the block ends %s before it starts", s.Start.Sub(s.End))
	}
	for name, m := range s.Metrics {
		for arm, c := range map[string]analysis.Counts{"stable": m.Stable, "canary": m.Canary} {
			if c.N < 0 || c.K < 0 || c.K > c.N && len(c.Counts) == 0 && c.Sum == 0 {
				t.Errorf("%s of %s: %d hits in %d trials", name, arm, c.K, c.N)
			}
			for i, n := range c.Counts {
				if n < 0 {
					t.Errorf("%s of %s: count %d is %d", name, arm, i, n)
				}
			}
			if len(m.Edges) > 0 && len(c.Counts) != len(m.Edges)+1 {
				t.Errorf("%s of %s: %d counts for %d edges", name, arm, len(c.Counts), len(m.Edges))
			}
		}
	}
	m := s.Metrics[h.Errors]
	return Count{m.Stable.N, m.Stable.K, m.Canary.N, m.Canary.K}
}

func want(t *testing.T, what string, got, want Count) {
	t.Helper()
	if got != want {
		t.Errorf("%s: counted %+v, want %+v", what, got, want)
	}
}

func nothingHappened(t *testing.T, h Harness) {
	got, cursor := h.collect(t, "")
	want(t, "first block", got, Count{})
	got, _ = h.collect(t, cursor)
	want(t, "second block", got, Count{})
}

func countsOneBlock(t *testing.T, h Harness) {
	_, cursor := h.collect(t, "")
	served := h.serve(t, 20, 3, 7, 2)
	got, cursor := h.collect(t, cursor)
	want(t, "block", got, served)
	got, _ = h.collect(t, cursor)
	want(t, "the block after it", got, Count{})
}

func sameCursorAgain(t *testing.T, h Harness) {
	_, cursor := h.collect(t, "")
	served := h.serve(t, 10, 1, 5, 0)
	first, _ := h.collect(t, cursor)
	want(t, "first time", first, served)
	again, _ := h.collect(t, cursor)
	want(t, "same cursor again", again, served)
	served.add(h.serve(t, 4, 4, 3, 0))
	grown, last := h.collect(t, cursor)
	want(t, "same cursor after more traffic", grown, served)
	rest, _ := h.collect(t, last)
	want(t, "the block after it", rest, Count{})
}

func blocksAddUp(t *testing.T, h Harness) {
	var total, sum Count
	got, cursor := h.collect(t, "")
	sum.add(got)
	for i := range 6 {
		total.add(h.serve(t, 5+i, i, 2*i, i))
		got, cursor = h.collect(t, cursor)
		sum.add(got)
	}
	want(t, "sum of the blocks", sum, total)
}

// savesThatFail throws away every other collection, as an engine does whose
// save failed, and goes on from the last one that it kept.
func savesThatFail(t *testing.T, h Harness) {
	var total, sum Count
	got, cursor := h.collect(t, "")
	sum.add(got)
	for i := range 8 {
		total.add(h.serve(t, 3, 1, 2, 1))
		got, next := h.collect(t, cursor)
		if i%2 == 1 {
			sum.add(got)
			cursor = next
		}
	}
	want(t, "sum of the saved blocks", sum, total)
}

func restart(t *testing.T, h Harness) {
	_, cursor := h.collect(t, "")
	h.serve(t, 10, 1, 5, 1)
	_, saved := h.collect(t, cursor)
	unsaved := h.serve(t, 6, 2, 3, 0)
	h.Source = h.Reopen(t)
	served := h.serve(t, 4, 0, 2, 2)
	got, next := h.collect(t, saved)
	h.afterRestart(t, got, unsaved, served)
	later := h.serve(t, 1, 1, 1, 0)
	got, _ = h.collect(t, next)
	want(t, "a block later", got, later)
}

// afterRestart: what no saved block holds is there if it lasts, and may be
// missing in part if it does not. What a saved block holds is never there.
func (h Harness) afterRestart(t *testing.T, got, unsaved, served Count) {
	t.Helper()
	all := unsaved
	all.add(served)
	if h.Lasting {
		want(t, "after the restart", got, all)
		return
	}
	if got.StableN > all.StableN || got.CanaryN > all.CanaryN || got.StableK > all.StableK || got.CanaryK > all.CanaryK {
		t.Errorf("after the restart: counted %+v, but only %+v is not in a saved block", got, all)
	}
}

func restartBeforeAnySave(t *testing.T, h Harness) {
	unsaved := h.serve(t, 5, 1, 5, 1)
	h.collect(t, "")
	h.Source = h.Reopen(t)
	got, cursor := h.collect(t, "")
	h.afterRestart(t, got, unsaved, Count{})
	served := h.serve(t, 3, 0, 3, 1)
	got, _ = h.collect(t, cursor)
	want(t, "a block later", got, served)
}

// strangeCursor: a cursor that the source cannot make sense of (another
// version's, a damaged one) gives an error or a fresh start, never a wrong
// count or a panic.
func strangeCursor(t *testing.T, h Harness) {
	served := h.serve(t, 5, 1, 5, 1)
	for _, cursor := range []string{"?", "{}", "\x00\xff", "999999999999999999999", `{"a":-1}`} {
		s, err := h.Source.Collect(t.Context(), h.Query, metric.Window{After: cursor, End: time.Now()})
		if err != nil {
			continue
		}
		got := h.check(t, s)
		if got.StableN > served.StableN || got.CanaryN > served.CanaryN {
			t.Errorf("cursor %q: counted %+v of %+v", cursor, got, served)
		}
	}
}

func betweenTheArms(t *testing.T, h Harness) {
	_, cursor := h.collect(t, "")
	h.Serve(t, traffic.Canary, 9, 9)
	got, cursor := h.collect(t, cursor)
	want(t, "canary alone", got, Count{CanaryN: 9, CanaryK: 9})
	h.Serve(t, traffic.Stable, 9, 0)
	got, _ = h.collect(t, cursor)
	want(t, "stable alone", got, Count{StableN: 9})
}

func concurrentUse(t *testing.T, h Harness) {
	const workers, rounds = 4, 10
	first, cursor := h.collect(t, "")
	sum := first
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range rounds {
				h.Serve(t, traffic.Stable, 3, 1)
				h.Serve(t, traffic.Canary, 2, 1)
			}
		})
	}
	for range rounds {
		var got Count
		got, cursor = h.collect(t, cursor)
		sum.add(got)
	}
	wg.Wait()
	got, _ := h.collect(t, cursor)
	sum.add(got)
	const n = workers * rounds
	want(t, "sum over everything", sum, Count{3 * n, n, 2 * n, n})
}

func outage(t *testing.T, h Harness) {
	if h.Break == nil {
		return
	}
	_, cursor := h.collect(t, "")
	served := h.serve(t, 4, 1, 4, 1)
	mend := h.Break(t)
	_, err := h.Source.Collect(t.Context(), h.Query, metric.Window{After: cursor, End: time.Now()})
	if !errors.Is(err, metric.ErrUnavailable) {
		t.Errorf("during an outage: error %v, want one that wraps metric.ErrUnavailable", err)
	}
	mend()
	got, _ := h.collect(t, cursor)
	want(t, "after the outage", got, served)
}

func endedContext(t *testing.T, h Harness) {
	_, cursor := h.collect(t, "")
	served := h.serve(t, 2, 0, 2, 0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	// It may succeed where nothing has to be waited for; it must come back.
	_, _ = h.Source.Collect(ctx, h.Query, metric.Window{After: cursor, End: time.Now()})
	got, _ := h.collect(t, cursor)
	want(t, "after a call with an ended context", got, served)
}
