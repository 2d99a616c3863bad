package kube

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/store"
	statestore "github.com/haldane-dev/haldane/internal/store/kube"
	"github.com/haldane-dev/haldane/internal/store/memory"
)

// transcript is what a shell has saved, times and counts aside.
type transcript struct {
	mu    sync.Mutex
	lines []string
}

func (x *transcript) add(s rollout.State) {
	x.mu.Lock()
	defer x.mu.Unlock()
	line := fmt.Sprintf("%s step=%d attempt=%d split=%s/%s/%v scale=%+v verdict=%s serving=%s", s.Phase, s.Step, s.Attempt,
		s.Want.Split.Canary, s.Want.Split.Mirror, s.Want.Split.Open, s.Want.Scale, s.Verdict.Decision, s.Serving)
	if n := len(x.lines); n == 0 || x.lines[n-1] != line {
		x.lines = append(x.lines, line)
	}
}

func (x *transcript) has(part string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.ContainsFunc(x.lines, func(l string) bool { return strings.HasPrefix(l, part) })
}

type noting struct {
	store.Store
	*transcript
}

func (n noting) Save(ctx context.Context, id rollout.ID, s rollout.State, v store.Version) (store.Version, error) {
	v, err := n.Store.Save(ctx, id, s, v)
	if err == nil {
		n.add(s)
	}
	return v, err
}

type notingStates struct {
	*statestore.Store
	noting
}

func (n notingStates) Save(ctx context.Context, id rollout.ID, s rollout.State, v store.Version) (store.Version, error) {
	return n.noting.Save(ctx, id, s, v)
}

func (n notingStates) Load(ctx context.Context, id rollout.ID) (rollout.State, store.Version, error) {
	return n.Store.Load(ctx, id)
}

// script is what people do in both shells.
type script func(t *testing.T, x *transcript, offer func(string), order func(rollout.Command))

// await waits for a line of the transcript.
func await(t *testing.T, x *transcript, part string) {
	t.Helper()
	for range 20_000 {
		if x.has(part) {
			return
		}
		time.Sleep(time.Second)
	}
	t.Fatalf("never %q:\n%s", part, strings.Join(x.lines, "\n"))
}

// story is what happens in both shells.
type story struct {
	of   func() *v1alpha1.ModelRollout // document if nil
	bad  int64                         // answers of a hundred of the candidate's that are errors
	play script
}

func (s story) document() *v1alpha1.ModelRollout {
	if s.of == nil {
		return document()
	}
	return s.of()
}

// onCluster plays a story through Reconcile.
func onCluster(t *testing.T, of story) []string {
	x := &transcript{}
	in(t, func(t *testing.T, w *world) {
		w.worse(of.bad)
		w.create(of.document())
		s := statestore.New(w.server, w.server)
		r := w.runWith(notingStates{s, noting{s, x}})
		time.Sleep(time.Minute)
		n := 0
		of.play(t, x, func(revision string) { w.offer(r, revision) }, func(c rollout.Command) {
			n++
			w.command(r, fmt.Sprintf("c%d", n), c.Verb, func(s *v1alpha1.RolloutCommandSpec) { s.Full = c.Full })
		})
		r.halt()
	})
	return x.lines
}

// locally plays it through the engine's own loop.
func locally(t *testing.T, of story) []string {
	x := &transcript{}
	in(t, func(t *testing.T, w *world) {
		w.worse(of.bad)
		spec := func() engine.Spec {
			stable, canary, _ := w.models.Revisions(t.Context(), w.workloadTarget())
			s, err := planOf(of.document(), stable, canary)
			if err != nil {
				t.Fatal(err)
			}
			s.Plan.Name = id
			return s
		}
		m, came := memory.New(0), make(chan struct{}, 1)
		e, err := engine.New(engine.Config{
			Spec: spec(), Workload: w.models, Router: w.router, Source: w.source, Store: noting{m, x}, Journal: m,
			Logger: slog.New(slog.DiscardHandler), Lazy: true, Changed: came,
			Later: func() {
				select {
				case came <- struct{}{}:
				default:
				}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- e.Run(ctx) }()
		read := time.NewTicker(time.Second) // the file, as it is now
		defer read.Stop()
		go func() {
			for {
				select {
				case <-ctx.Done():
					return
				case <-read.C:
					if err := e.Reload(spec()); err != nil {
						t.Error(err)
					}
				}
			}
		}()
		time.Sleep(time.Minute)
		of.play(t, x, w.models.edit, func(c rollout.Command) {
			if _, err := e.Submit(ctx, c); err != nil {
				t.Error(err)
			}
		})
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return x.lines
}

// TestBothShellsDecideAlike: the same happens, and the same is saved, in the
// same order.
func TestBothShellsDecideAlike(t *testing.T) {
	for name, tc := range map[string]story{
		"promoted": {nil, 1, func(t *testing.T, x *transcript, offer func(string), _ func(rollout.Command)) {
			offer("b")
			await(t, x, "Promoted step=2 attempt=1 split=100%/0%/false scale={Stable:false")
			time.Sleep(10 * time.Minute)
		}},
		"taken back": {nil, 60, func(t *testing.T, x *transcript, offer func(string), _ func(rollout.Command)) {
			offer("b")
			await(t, x, "RolledBack")
			time.Sleep(10 * time.Minute)
		}},
		"aborted, then retried": {nil, 1, func(t *testing.T, x *transcript, offer func(string), order func(rollout.Command)) {
			offer("b")
			await(t, x, "Progressing step=1")
			order(rollout.Command{Verb: rollout.Abort})
			await(t, x, "RolledBack")
			time.Sleep(5 * time.Minute)
			order(rollout.Command{Verb: rollout.Retry})
			await(t, x, "Promoted step=2 attempt=2 split=100%/0%/false scale={Stable:false")
			time.Sleep(10 * time.Minute)
		}},
		"another in mid-rollout": {nil, 1, func(t *testing.T, x *transcript, offer func(string), order func(rollout.Command)) {
			offer("b")
			await(t, x, "Progressing step=0")
			offer("c")
			await(t, x, "RollingBack")
			order(rollout.Command{Verb: rollout.Hold}) // refused by both, or obeyed by both
			time.Sleep(3 * time.Hour)
		}},
		"blue-green, promoted": {blueGreen, 1, func(t *testing.T, x *transcript, offer func(string), order func(rollout.Command)) {
			offer("b")
			await(t, x, "Paused step=1")
			time.Sleep(5 * time.Minute)
			order(rollout.Command{Verb: rollout.Promote})
			await(t, x, "Promoted step=3 attempt=1 split=100%/0%/false scale={Stable:false")
			time.Sleep(10 * time.Minute)
		}},
		"blue-green, taken back from the bake": {blueGreen, 60, func(t *testing.T, x *transcript, offer func(string), order func(rollout.Command)) {
			offer("b")
			await(t, x, "Paused step=1")
			order(rollout.Command{Verb: rollout.Promote})
			await(t, x, "RolledBack")
			time.Sleep(10 * time.Minute)
		}},
		"shadow": {shadowed, 1, func(t *testing.T, x *transcript, offer func(string), _ func(rollout.Command)) {
			offer("b")
			await(t, x, "Completed")
			time.Sleep(10 * time.Minute)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			local, kube := locally(t, tc), onCluster(t, tc)
			if d := cmp.Diff(local, kube); d != "" {
				t.Errorf("locally (-) and on a cluster (+):\n%s", d)
			}
			if len(local) < 5 {
				t.Errorf("only %d saves: %v", len(local), local)
			}
		})
	}
}
