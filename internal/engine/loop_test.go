package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/metric/sourcetest"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/router"
	"github.com/haldane-dev/haldane/internal/store/file"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// summary draws the fake ledger: a block's figures by its cursor.
type summary struct {
	labels map[string]Coverage
	mu     sync.Mutex
	before sourcetest.Count
}

func (s *summary) Block(cursor string) map[string]BlockArm {
	now := decodeCount(cursor)
	s.mu.Lock()
	defer s.mu.Unlock()
	past := s.before
	s.before = now
	return map[string]BlockArm{
		"stable": {Requests: now.StableN - past.StableN, Errors: now.StableK - past.StableK},
		"canary": {Requests: now.CanaryN - past.CanaryN, Errors: now.CanaryK - past.CanaryK},
	}
}

func (s *summary) Totals() map[string]Totals {
	s.mu.Lock()
	defer s.mu.Unlock()
	return map[string]Totals{"stable": {Requests: s.before.StableN}, "canary": {Requests: s.before.CanaryN}}
}

func (s *summary) Coverage() map[string]Coverage { return s.labels }

// TestBlocksHoldOneWeight: in every block of the journal the canary's share of
// the requests is the weight the block was counted under.
func TestBlocksHoldOneWeight(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.plan.Steps = []rollout.Step{
			{Weight: traffic.Percent(10)}, {Shadow: traffic.Full, Pause: nil}, {Weight: traffic.Percent(50)}, {Weight: traffic.Full},
		}
		w.config = func(c *Config) { c.Summary = &summary{} }
		r := w.run()
		r.weight(10)
		r.outcome()
		totals := r.Status().Totals
		r.halt()
		seen := map[float64]int64{}
		for _, b := range w.blocks() {
			stable, canary := float64(b.Arms["stable"].Requests), float64(b.Arms["canary"].Requests)
			if stable+canary == 0 {
				continue
			}
			// A fraction of a request is carried over from block to block.
			if math.Abs(canary-b.Weight/100*(stable+canary)) > 1.01 {
				t.Errorf("block %d of %v%% holds %v of %v on the canary", b.Block, b.Weight, canary, stable+canary)
			}
			seen[b.Weight] += int64(canary)
		}
		if seen[10] < 40 || seen[50] < 40 {
			t.Errorf("canary requests by weight: %v", seen)
		}
		at := decodeCount(w.state().Cursor)
		if d := cmp.Diff(map[string]Totals{"stable": {Requests: at.StableN}, "canary": {Requests: at.CanaryN}}, totals); d != "" {
			t.Errorf("totals:\n%s", d)
		}
	})
}

// TestSlowRouter: until the router carries a step's weight, blocks are evidence
// for the step before, whose weight it is.
func TestSlowRouter(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		var shown, newest traffic.Observed
		var since time.Time
		w.router.OnObserve = func(_ context.Context, o *traffic.Observed) error {
			if *o != newest {
				newest, since = *o, time.Now()
			}
			if time.Since(since) >= 3*time.Second {
				shown = newest
			}
			*o = shown
			return nil
		}
		r := w.run()
		r.outcome()
		r.halt()
		judged := 0
		for _, b := range w.blocks() {
			if b.Phase != rollout.Progressing {
				continue
			}
			judged++
			if want := 100 * w.plan.Steps[b.Step].Weight.Share(); b.Weight != want && b.Weight != 0 {
				t.Errorf("block %d of %v%% is evidence for the step of %v%%", b.Block, b.Weight, want)
			}
		}
		if judged < 10 {
			t.Errorf("%d blocks", judged)
		}
	})
}

// TestRestartAppliesFirst: traffic is as decided before anything is observed.
func TestRestartAppliesFirst(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		r := w.run()
		r.weight(25)
		r.halt()
		if err := w.router.Release(context.Background(), router.Target{}); err != nil { // the gateway died with the process
			t.Fatal(err)
		}
		var first atomic.Value
		w.router.OnApply = func(s traffic.Split) error {
			first.CompareAndSwap(nil, "apply "+s.Canary.String())
			return nil
		}
		w.router.OnObserve = func(context.Context, *traffic.Observed) error {
			first.CompareAndSwap(nil, "observe")
			return nil
		}
		r = w.run()
		r.outcome()
		r.halt()
		if first.Load() != "apply 25%" {
			t.Errorf("the first thing after the restart was %q", first.Load())
		}
		w.exact()
		checkBlocks(t, w.blocks(), false)
	})
}

// TestFileStore goes through a promotion on the file that ships, closed and
// opened again at every weight.
func TestFileStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "haldane.db")
	in(t, func(t *testing.T, w *world) {
		reopen := func() *file.Store {
			s, err := file.Open(path, file.Options{})
			if err != nil {
				t.Fatal(err)
			}
			w.store = s
			return s
		}
		for _, weight := range []float64{5, 25, 50} {
			s := reopen()
			r := w.run()
			r.weight(weight)
			r.halt()
			w.exact()
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		s := reopen()
		defer s.Close()
		r := w.run()
		if o := r.outcome(); o.Phase != rollout.Promoted {
			t.Errorf("outcome %+v", o)
		}
		r.halt()
		w.exact()
		checkBlocks(t, w.blocks(), false)
		if d := cmp.Diff([]float64{0, 5, 25, 50, 100}, w.weights()); d != "" {
			t.Errorf("weights:\n%s", d)
		}
	})
}

func TestHandEditIsUndone(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.plan.Steps = []rollout.Step{{Weight: traffic.Percent(5)}, {Pause: &rollout.Pause{}}, {Weight: traffic.Full}}
		r := w.run()
		r.until("paused", func(s Status) bool { return s.Phase == rollout.Paused })
		if err := w.router.Apply(context.Background(), router.Target{}, traffic.Split{Generation: 99, Canary: traffic.Full}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		if s, _ := w.router.Current(); s.Canary != traffic.Percent(5) {
			t.Errorf("a hand edit stays: %s", s.Canary)
		}
		r.halt()
		w.exact()
	})
}

// TestClockJumps: a pause of a minute takes a minute whatever the machine's
// clock does meanwhile.
func TestClockJumps(t *testing.T) {
	for _, jump := range []time.Duration{24 * time.Hour, -24 * time.Hour} {
		t.Run(jump.String(), func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				w.plan.Steps = []rollout.Step{{Weight: traffic.Percent(5)}, {Pause: &rollout.Pause{For: time.Minute}}, {Weight: traffic.Full}}
				var shift atomic.Int64
				w.config = func(c *Config) {
					c.Wall = func() time.Time { return time.Now().Add(time.Duration(shift.Load())) }
				}
				r := w.run()
				r.until("paused", func(s Status) bool { return s.Phase == rollout.Paused })
				began := time.Now()
				shift.Store(int64(jump))
				s := r.until("no longer paused", func(s Status) bool { return s.Phase != rollout.Paused })
				if d := time.Since(began); d < 55*time.Second || d > 65*time.Second {
					t.Errorf("the pause of a minute took %s", d)
				}
				if len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "clock was set") {
					t.Errorf("warnings %q", s.Warnings)
				}
				r.outcome()
				r.halt()
				r = w.run() // starts by the new clock
				r.outcome()
				r.halt()
			})
		})
	}
}

func TestHeldOutcome(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.plan.MaxDuration = time.Minute
		w.plan.Steps = []rollout.Step{{Weight: traffic.Percent(0.01)}, {Weight: traffic.Full}} // no request in a minute
		r := w.run()
		if o := r.outcome(); !o.Held || o.Phase != rollout.Paused {
			t.Errorf("outcome %+v", o)
		}
		r.halt()
	})
}

func TestReload(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		r := w.run()
		r.outcome()
		other := w.plan
		other.Name = "other"
		if err := r.Reload(Spec{Plan: other}); err == nil || !strings.Contains(err.Error(), `"other"`) {
			t.Errorf("a rename: %v", err)
		}
		next := w.plan
		next.Stable, next.Canary = w.plan.Canary, rollout.Revision{Version: "v3", Hash: "c"}
		if err := r.Reload(Spec{Plan: next, Metrics: []metric.Metric{{Name: "errors", Kind: "errorRate"}}}); err != nil {
			t.Fatal(err)
		}
		r.until("at the next revision", func(s Status) bool { return s.Canary.Version == "v3" })
		r.halt()
	})
}

func TestSubmitToNobody(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		e, err := New(w.configuration())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if _, err := e.Submit(ctx, rollout.Command{Verb: rollout.Hold}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("before Run: %v", err)
		}
		r := w.run()
		r.weight(5)
		r.halt()
		if _, err := r.Submit(context.Background(), rollout.Command{Verb: rollout.Hold}); !errors.Is(err, ErrStopped) {
			t.Errorf("after Run: %v", err)
		}
		if updates, end := r.Subscribe(); true {
			end()
			if _, open := <-updates; open {
				t.Error("a subscription to a stopped engine receives something")
			}
		}
	})
}

// TestManyCommandsAtOnce: every sender gets the answer to its own command.
func TestManyCommandsAtOnce(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		r := w.run()
		r.weight(5)
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				id := fmt.Sprint("c", i)
				verb := rollout.Hold
				if i%2 == 0 {
					verb = rollout.Resume
				}
				reply, err := r.Submit(context.Background(), rollout.Command{ID: id, Verb: verb})
				if err != nil || reply.ID != id || reply.Message == "" {
					t.Errorf("%s: %+v, %v", id, reply, err)
				}
			})
		}
		wg.Wait()
		r.halt()
	})
}

func TestBadConfig(t *testing.T) {
	for name, c := range map[string]Config{
		"nothing":  {},
		"no ports": {Spec: Spec{Plan: rollout.Plan{Name: "churn"}}},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestAnAnswerIsNotLost: a promotion ends the rollout, and with it, at once, the
// API through which it was asked for.
func TestAnAnswerIsNotLost(t *testing.T) {
	for range 1000 {
		e := &Engine{requests: make(chan *request), stopped: make(chan struct{})}
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			r := <-e.requests
			r.answer <- answer{reply: rollout.Reply{ID: r.command.ID, Accepted: true}}
			cancel()
		}()
		if reply, err := e.Submit(ctx, rollout.Command{Verb: rollout.Promote}); err != nil || !reply.Accepted {
			t.Fatalf("%+v, %v", reply, err)
		}
	}
}
