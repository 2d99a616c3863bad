package engine

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/router"
	"github.com/haldane-dev/haldane/internal/store"
	"github.com/haldane-dev/haldane/internal/traffic"
	"github.com/haldane-dev/haldane/internal/workload"
)

var errDead = errors.New("the process is dead")

// fate ends one engine at its n-th Save or Apply, before or after that takes
// effect. From then on nothing it does reaches the world.
type fate struct {
	at, count int
	after     bool
	dead      bool
	kill      context.CancelFunc
}

// meet runs one Save or Apply.
func (f *fate) meet(do func() error) error {
	if f.dead {
		return errDead
	}
	f.count++
	if f.count != f.at {
		return do()
	}
	if f.after {
		_ = do() // it took effect; nobody learns of it
	}
	f.dead = true
	f.kill()
	return errDead
}

type mortalStore struct {
	store.Store
	store.Journal
	f *fate
}

func (m mortalStore) Save(ctx context.Context, id rollout.ID, s rollout.State, v store.Version) (next store.Version, err error) {
	err = m.f.meet(func() (err error) { next, err = m.Store.Save(ctx, id, s, v); return err })
	return next, err
}

func (m mortalStore) Append(ctx context.Context, id rollout.ID, rs ...store.Record) error {
	if m.f.dead {
		return errDead
	}
	return m.Journal.Append(ctx, id, rs...)
}

type mortalRouter struct {
	router.Router
	f *fate
}

func (m mortalRouter) Apply(ctx context.Context, t router.Target, s traffic.Split) error {
	return m.f.meet(func() error { return m.Router.Apply(ctx, t, s) })
}

type mortalWorkload struct {
	workload.Workload
	f *fate
}

func (m mortalWorkload) Apply(ctx context.Context, t workload.Target, s rollout.Scale) error {
	return m.f.meet(func() error { return m.Workload.Apply(ctx, t, s) })
}

type mortalSource struct {
	metric.Source
	f *fate
}

func (m mortalSource) Collect(ctx context.Context, q metric.Query, w metric.Window) (analysis.Sample, error) {
	if m.f.dead {
		return analysis.Sample{}, errDead
	}
	return m.Source.Collect(ctx, q, w)
}

// ending is what must be the same however often the engine crashed.
type ending struct {
	Phase     rollout.Phase
	Canary    traffic.Weight
	Mirror    traffic.Weight
	Scale     rollout.Scale
	LastEvent rollout.EventKind
}

// live runs an engine that meets its fate, then one that does not, until the
// rollout has ended. It returns how many Saves and Applies the first one met.
func (w *world) live(f *fate) (int, ending) {
	w.t.Helper()
	w.config = func(c *Config) {
		c.Store, c.Journal = mortalStore{c.Store, c.Journal, f}, mortalStore{c.Store, c.Journal, f}
		c.Router, c.Workload, c.Source = mortalRouter{c.Router, f}, mortalWorkload{c.Workload, f}, mortalSource{c.Source, f}
	}
	e, err := New(w.configuration())
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	f.kill = cancel
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	select {
	case <-e.Done():
		cancel()
		<-ended
	case err := <-ended:
		if err != nil {
			w.t.Fatal(err)
		}
		w.config = nil
		time.Sleep(300 * time.Millisecond) // users go on meanwhile
		r := w.run()
		r.outcome()
		r.halt()
	}
	s, _ := w.router.Current()
	evs := w.events()
	return f.count, ending{w.state().Phase, s.Canary, s.Mirror, w.models.Scale(), evs[len(evs)-1].Kind}
}

// TestCrashAnywhereConverges kills the engine at every Save and every Apply of
// a promotion and of a rollback, before and after each takes effect. A new one
// must come to the same end, with every request in the evidence exactly once.
func TestCrashAnywhereConverges(t *testing.T) {
	for _, c := range []struct {
		name   string
		bad    int64
		counts time.Duration
	}{{"promotion", 1, 0}, {"rollback", 40, 0}, {"promotion, counts saved by the minute", 1, time.Minute}, {"rollback, counts saved by the minute", 40, time.Minute}} {
		t.Run(c.name, func(t *testing.T) {
			var total int
			var want ending
			in(t, func(t *testing.T, w *world) {
				w.bad.Store(c.bad)
				w.counts = c.counts
				total, want = w.live(&fate{})
				w.exact()
			})
			if total < 20 {
				t.Fatalf("only %d Saves and Applies", total)
			}
			for at := 1; at <= total; at++ {
				for _, after := range []bool{false, true} {
					t.Run(fmt.Sprintf("at %d after %v", at, after), func(t *testing.T) {
						in(t, func(t *testing.T, w *world) {
							w.bad.Store(c.bad)
							w.counts = c.counts
							_, got := w.live(&fate{at: at, after: after})
							if d := cmp.Diff(want, got); d != "" {
								t.Errorf("another end than without the crash:\n%s", d)
							}
							w.exact()
						})
					})
				}
			}
		})
	}
}
