package kube

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/router"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// errDead is what a controller gets that dies in the middle.
var errDead = errors.New("the process has died")

// dying is a client that dies at its nth write, before or after it.
func dying(c client.WithWatch, n int, after bool, dead *atomic.Bool) client.WithWatch {
	var writes atomic.Int64
	try := func(do func() error) error {
		if dead.Load() {
			return errDead
		}
		if int(writes.Add(1)) != n {
			return do()
		}
		dead.Store(true)
		if after {
			_ = do()
		}
		return errDead
	}
	return interceptor.NewClient(c, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			return try(func() error { return c.Create(ctx, o, opts...) })
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			return try(func() error { return c.Update(ctx, o, opts...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			return try(func() error { return c.Patch(ctx, o, p, opts...) })
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			return try(func() error { return c.SubResource(sub).Patch(ctx, o, p, opts...) })
		},
	})
}

// TestItSurvivesItsDeath kills the controller at its 1st, 2nd, 3rd … write to
// the API server, before it and after it, and starts another: a good candidate
// is promoted and a bad one taken back all the same.
func TestItSurvivesItsDeath(t *testing.T) {
	step := 3
	if testing.Short() {
		step = 9
	}
	for _, bad := range []int64{1, 60} {
		for n := 1; n <= 28; n += step {
			for _, after := range []bool{false, true} {
				t.Run(fmt.Sprintf("bad=%d/write=%d/after=%v", bad, n, after), func(t *testing.T) {
					in(t, func(t *testing.T, w *world) { dieAt(t, w, bad, n, after) })
				})
			}
		}
	}
}

func dieAt(t *testing.T, w *world, bad int64, n int, after bool) {
	w.worse(bad)
	w.create(document())
	var dead atomic.Bool
	alive := w.cfg.Client
	w.cfg.Client = dying(w.server, n, after, &dead)
	w.router.OnApply = func(traffic.Split) error {
		if dead.Load() {
			return errDead
		}
		return nil
	}
	first := w.run()
	defer time.AfterFunc(time.Minute, func() { w.offer(first, "b") }).Stop()
	for range 1800 {
		if dead.Load() {
			break
		}
		time.Sleep(time.Second)
	}
	first.halt()
	dead.Store(false)
	w.cfg.Client = alive
	w.models.edit("b")
	w.run()
	want := rollout.Promoted
	if bad > 10 {
		want = rollout.RolledBack
	}
	w.until("at its end", func(s v1alpha1.ModelRolloutStatus) bool {
		return s.Phase == string(want) && !w.models.Scale().Canary && s.Weight.Observed == "0%"
	})
	if stable := w.models.stable; (stable == "b") != (want == rollout.Promoted) {
		t.Errorf("stable runs %s", stable)
	}
}

// TestConflictsAreHarmless: every third write of a state meets a conflict.
func TestConflictsAreHarmless(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		var writes atomic.Int64
		w.cfg.Client = interceptor.NewClient(w.server, interceptor.Funcs{
			Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
				if writes.Add(1)%3 == 0 {
					return apierrors.NewConflict(schema.GroupResource{Resource: "rolloutstates"}, o.GetName(), errors.New("the object has been modified"))
				}
				return c.Update(ctx, o, opts...)
			},
		})
		w.create(document())
		r := w.run()
		w.settle(r)
		w.offer(r, "b")
		w.until("promoted", phase(rollout.Promoted))
	})
}

// TestAnOutageOfTheAPIServerChangesNothing: traffic stays as it is, and the
// rollout goes on afterwards.
func TestAnOutageOfTheAPIServerChangesNothing(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		var away atomic.Bool
		gone := func() error {
			if away.Load() {
				return apierrors.NewServiceUnavailable("the API server is away")
			}
			return nil
		}
		w.cfg.Client = interceptor.NewClient(w.server, interceptor.Funcs{
			Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
				return errors.Join(gone(), ifNil(gone(), func() error { return c.Update(ctx, o, opts...) }))
			},
		})
		w.create(document())
		r := w.run()
		w.settle(r)
		w.offer(r, "b")
		w.until("at 10%", weight("10%"))
		away.Store(true)
		time.Sleep(time.Hour)
		if s, _ := w.router.Current(); s.Canary != traffic.Percent(10) {
			t.Errorf("during the outage the canary has %s", s.Canary)
		}
		away.Store(false)
		w.until("promoted", phase(rollout.Promoted))
	})
}

func ifNil(err error, f func() error) error {
	if err != nil {
		return nil
	}
	return f()
}

// TestAFormerLeaderWritesNothing: two controllers believe to be the one. The
// state tells them apart, and nothing is decided twice.
func TestAFormerLeaderWritesNothing(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.create(document())
		first := w.run()
		w.settle(first)
		w.offer(first, "b")
		w.until("at 10%", weight("10%"))
		for range 3 {
			w.run()
		}
		w.until("promoted", phase(rollout.Promoted))
		seen := map[string]int{}
		for _, e := range w.events() {
			seen[e]++
		}
		if seen[string(rollout.EventPromoted)] != 1 || seen[string(rollout.EventStarted)] != 1 {
			t.Errorf("events %v", seen)
		}
	})
}

// TestEditsWait: a rollout on its way keeps the spec it began with, across a
// restart, and the next takes the new one. The former route is released.
func TestEditsWait(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		var asked atomic.Pointer[string]
		var released sync.Map
		freed := func(kind string) bool { _, ok := released.Load(kind); return ok }
		w.cfg.Adapters.Router = func(r cluster.Rollout) (router.Router, error) {
			kind := "replicas"
			if r.Spec.Routing.Nginx != nil {
				kind = "nginx"
			}
			asked.Store(&kind)
			return &naming{Router: w.router, kind: kind, released: &released}, nil
		}
		w.create(document())
		r := w.run()
		w.settle(r)
		w.offer(r, "b")
		w.until("at 10%", weight("10%"))
		w.edit(r, func(m *v1alpha1.ModelRollout) {
			m.Spec.Routing = v1alpha1.Routing{Nginx: &v1alpha1.Nginx{Ingress: "churn"}}
		})
		time.Sleep(15 * time.Second)
		if *asked.Load() != "replicas" {
			t.Error("the edit took effect at once")
		}
		r.halt()
		w.run()
		time.Sleep(15 * time.Second)
		if s := w.get().Status; *asked.Load() != "replicas" || s.Phase == string(rollout.Idle) {
			t.Errorf("after a restart: %s, %s", *asked.Load(), s.Phase)
		}
		w.until("promoted", phase(rollout.Promoted))
		w.until("edited", func(v1alpha1.ModelRolloutStatus) bool { return *asked.Load() == "nginx" || freed("replicas") })
		w.until("released", func(v1alpha1.ModelRolloutStatus) bool { return freed("replicas") })
		if freed("nginx") {
			t.Error("the new route was released")
		}
	})
}

type naming struct {
	router.Router
	kind     string
	released *sync.Map
}

func (n *naming) Release(context.Context, router.Target) error {
	n.released.Store(n.kind, true)
	return nil
}

// TestABadEditStopsNothing: what is on its way goes on, and the status says
// what is wrong with the edit.
func TestABadEditStopsNothing(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.create(document())
		r := w.run()
		w.settle(r)
		w.offer(r, "b")
		w.until("at 10%", weight("10%"))
		w.edit(r, func(m *v1alpha1.ModelRollout) { m.Spec.Workload.StableName = m.Spec.Workload.Name })
		s := w.until("promoted", phase(rollout.Promoted))
		if holds(s, v1alpha1.ConditionReady) || s.ObservedGeneration != 2 {
			t.Errorf("generation %d, conditions %v", s.ObservedGeneration, s.Conditions)
		}
		w.offer(r, "c")
		time.Sleep(time.Minute)
		w.until("on its way", func(s v1alpha1.ModelRolloutStatus) bool { return strings.HasSuffix(s.Canary.Version, "c") })
	})
}
