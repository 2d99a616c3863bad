package engine

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/store"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// in runs a test in simulated time, in a world of its own.
func in(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.end()
		f(t, w)
	})
}

func TestGoodCandidateIsPromoted(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.bad.Store(1)
		r := w.run()
		if o := r.outcome(); o.Phase != rollout.Promoted {
			t.Errorf("outcome %+v", o)
		}
		r.halt()
		if d := cmp.Diff([]float64{0, 5, 25, 50, 100}, w.weights()); d != "" {
			t.Errorf("weights:\n%s", d)
		}
		w.exact()
		checkBlocks(t, w.blocks(), true)
		var kinds []rollout.EventKind
		for _, e := range w.events() {
			kinds = append(kinds, e.Kind)
		}
		if len(kinds) == 0 || kinds[0] != rollout.EventStarted || kinds[len(kinds)-1] != rollout.EventPromoted {
			t.Errorf("events %v", kinds)
		}
		if left := w.state().Events; len(left) > 2 {
			t.Errorf("%d delivered events are still in the state", len(left))
		}
	})
}

// checkBlocks tests that numbers and times ascend, in one run without a gap.
func checkBlocks(t *testing.T, bs []Block, oneRun bool) {
	t.Helper()
	if len(bs) < 3 {
		t.Fatalf("%d blocks in the journal", len(bs))
	}
	for i := 1; i < len(bs); i++ {
		if bs[i].Block != bs[i-1].Block+1 {
			t.Errorf("block %d follows block %d", bs[i].Block, bs[i-1].Block)
		}
		if gap := bs[i].Start.Sub(bs[i-1].End); gap < 0 || oneRun && gap > 0 {
			t.Errorf("block %d begins %s after the end of the one before", bs[i].Block, gap)
		}
	}
}

func TestBadCandidateIsTakenBack(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.bad.Store(50)
		r := w.run()
		if o := r.outcome(); o.Phase != rollout.RolledBack {
			t.Errorf("outcome %+v", o)
		}
		r.halt()
		if s, _ := w.router.Current(); s.Canary != 0 || s.Mirror != 0 {
			t.Errorf("afterwards the router carries %+v", s)
		}
		w.exact()
		if max := slices.Max(w.weights()); max > 25 {
			t.Errorf("it reached %v%%", max)
		}
	})
}

// TestRealCore runs the real analysis: the same loop that ships.
func TestRealCore(t *testing.T) {
	for _, c := range []struct {
		name string
		bad  int64
		want rollout.Phase
	}{{"good", 1, rollout.Promoted}, {"bad", 30, rollout.RolledBack}} {
		t.Run(c.name, func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				w.judge = analysis.Step
				w.bad.Store(c.bad)
				r := w.run()
				if o := r.outcome(); o.Phase != c.want {
					t.Errorf("outcome %+v", o)
				}
				r.halt()
			})
		})
	}
}

func TestPauseAndApprove(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.plan.Steps = slices.Insert(w.plan.Steps, 1, rollout.Step{Pause: &rollout.Pause{}})
		r := w.run()
		s := r.until("paused", func(s Status) bool { return s.Phase == rollout.Paused })
		time.Sleep(time.Minute)
		if now := r.Status(); now.Phase != rollout.Paused || now.Observed.Canary != traffic.Percent(5) {
			t.Errorf("a minute later %s at %s", now.Phase, now.Observed.Canary)
		}
		if s.Waiting == "" {
			t.Error("it does not say what it waits for")
		}
		reply, err := r.Submit(context.Background(), rollout.Command{Verb: rollout.Promote, By: "ann"})
		if err != nil || !reply.Accepted || reply.ID == "" {
			t.Fatalf("promote: %+v, %v", reply, err)
		}
		if o := r.outcome(); o.Phase != rollout.Promoted {
			t.Errorf("outcome %+v", o)
		}
		r.halt()
		w.exact()
	})
}

func TestAbortIsObeyedOnce(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		r := w.run()
		r.weight(5)
		c := rollout.Command{ID: "c1", Verb: rollout.Abort, By: "ann", Reason: "told so"}
		reply, err := r.Submit(context.Background(), c)
		if err != nil || !reply.Accepted {
			t.Fatalf("abort: %+v, %v", reply, err)
		}
		if w.state().Phase != rollout.RollingBack && w.state().Phase != rollout.RolledBack {
			t.Errorf("the reply came before the save: phase %s", w.state().Phase)
		}
		if o := r.outcome(); o.Phase != rollout.RolledBack {
			t.Errorf("outcome %+v", o)
		}
		if _, err := r.Submit(context.Background(), rollout.Command{ID: "r1", Verb: rollout.Retry, By: "ann"}); err != nil {
			t.Fatal(err)
		}
		r.weight(5)
		if _, err := r.Submit(context.Background(), c); err != nil { // the same command again
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if s := r.Status(); s.Phase == rollout.RollingBack || s.Phase == rollout.RolledBack || s.Attempt != 2 {
			t.Errorf("a command sent twice was obeyed twice: %s, attempt %d", s.Phase, s.Attempt)
		}
		r.halt()
	})
}

func TestSourceOutageHolds(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		r := w.run()
		r.weight(5)
		w.ledger.Fail(errors.New("connection refused"))
		time.Sleep(10 * time.Minute)
		s := r.Status()
		if s.Observed.Canary != traffic.Percent(5) || s.Phase != rollout.Progressing {
			t.Errorf("during the outage %s at %s", s.Phase, s.Observed.Canary)
		}
		if len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "connection refused") {
			t.Errorf("warnings %q", s.Warnings)
		}
		w.ledger.Fail(nil)
		if o := r.outcome(); o.Phase != rollout.Promoted {
			t.Errorf("outcome %+v", o)
		}
		if s := r.Status(); len(s.Warnings) != 0 {
			t.Errorf("afterwards warnings %q", s.Warnings)
		}
		r.halt()
		w.exact()
	})
}

// TestSaveComesBeforeApply looks into the store at every Apply: what is applied
// must be what is saved.
func TestSaveComesBeforeApply(t *testing.T) {
	for name, bad := range map[string]int64{"promotion": 1, "rollback": 40} {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				w.bad.Store(bad)
				applied := 0
				w.router.OnApply = func(s traffic.Split) error {
					applied++
					if d := cmp.Diff(w.state().Want.Split, s); d != "" {
						t.Errorf("applied something else than was saved:\n%s", d)
					}
					return nil
				}
				w.models.OnApply = func(s rollout.Scale) error {
					if d := cmp.Diff(w.state().Want.Scale, s); d != "" {
						t.Errorf("applied something else than was saved:\n%s", d)
					}
					return nil
				}
				r := w.run()
				r.outcome()
				r.halt()
				if applied < 5 {
					t.Errorf("only %d splits were applied", applied)
				}
			})
		})
	}
}

// TestConflict: what somebody else saved in between is taken over.
func TestConflict(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		r := w.run()
		r.weight(5)
		s, v, err := w.store.Load(context.Background(), "churn")
		if err != nil {
			t.Fatal(err)
		}
		s.Seen = append(s.Seen, "theirs")
		if _, err := w.store.Save(context.Background(), "churn", s, v); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Submit(context.Background(), rollout.Command{ID: "mine", Verb: rollout.Hold, By: "ann"}); err != nil {
			t.Fatal(err)
		}
		seen := w.state().Seen
		if !slices.Contains(seen, "theirs") || !slices.Contains(seen, "mine") {
			t.Errorf("commands seen %q, want theirs and mine", seen)
		}
		if _, err := r.Submit(context.Background(), rollout.Command{Verb: rollout.Resume, By: "ann"}); err != nil {
			t.Fatal(err)
		}
		r.outcome()
		r.halt()
		w.exact()
	})
}

func TestUnreadableState(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		for _, c := range []struct {
			state rollout.State
			want  error
		}{
			{rollout.State{Version: rollout.StateVersion + 1, Phase: rollout.Idle}, store.ErrNewer},
			{rollout.State{Version: 1, Phase: rollout.Progressing, Step: 9}, store.ErrCorrupt},
			{rollout.State{Version: 1, Phase: "Dreaming"}, store.ErrCorrupt},
		} {
			_, v, err := w.store.Load(context.Background(), "churn")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.store.Save(context.Background(), "churn", c.state, v); err != nil {
				t.Fatal(err)
			}
			r := w.run()
			select {
			case err := <-r.ended:
				if !errors.Is(err, c.want) || !strings.Contains(err.Error(), "churn") {
					t.Errorf("error %v, want %v", err, c.want)
				}
			case <-time.After(time.Hour):
				t.Errorf("it runs with a state that should be %v", c.want)
			}
			r.cancel()
			if n := len(w.router.Applied()); n != 0 {
				t.Errorf("%d splits were applied from a state that cannot be read", n)
			}
		}
	})
}
