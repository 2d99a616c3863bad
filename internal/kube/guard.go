package kube

import (
	"context"
	"fmt"
	"sync"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/router"
	"github.com/haldane-dev/haldane/internal/traffic"
	"github.com/haldane-dev/haldane/internal/workload"
)

// guard stands between the engine and the adapters of one rollout. It adds the
// epoch to sequences, lets adapters be replaced, and bounds the questions to
// each metric server.
type guard struct {
	epoch func() uint64
	slots *slots

	mu       sync.Mutex
	workload cluster.Workload
	router   router.Router
	source   metric.Source
	address  string // of what the source asks
	wanted   traffic.Split
	carried  traffic.Observed
	outside  Outside
	wake     func()
	far      map[string]uint64 // how far those were who are told no more
}

func (g *guard) set(w cluster.Workload, r router.Router, s metric.Source, address string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.workload, g.router, g.source, g.address = w, r, s, address
	g.carried = traffic.Observed{Level: traffic.Unknown}
}

// parts returns the adapters.
func (g *guard) parts() (cluster.Workload, router.Router, metric.Source) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.workload, g.router, g.source
}

// settled reports whether the router is known to carry what was applied last.
func (g *guard) settled() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.carried.Carries(g.wanted)
}

// conditions are those of all three adapters.
func (g *guard) conditions() []cluster.Condition {
	w, r, s := g.parts()
	var out []cluster.Condition
	for _, x := range []any{w, r, s} {
		if c, ok := x.(cluster.Conditioner); ok {
			out = append(out, c.Conditions()...)
		}
	}
	return out
}

type guardedRouter struct{ *guard }

// Capabilities implements router.Router.
func (g guardedRouter) Capabilities(ctx context.Context, t router.Target) (traffic.Capabilities, error) {
	_, r, _ := g.parts()
	return r.Capabilities(ctx, t)
}

// Apply implements router.Router.
func (g guardedRouter) Apply(ctx context.Context, t router.Target, s traffic.Split) error {
	_, r, _ := g.parts()
	t.Sequence += g.epoch()
	g.mu.Lock()
	g.wanted = s
	g.mu.Unlock()
	return r.Apply(ctx, t, s)
}

// Observe implements router.Router.
func (g guardedRouter) Observe(ctx context.Context, t router.Target) (traffic.Observed, error) {
	_, r, _ := g.parts()
	o, err := r.Observe(ctx, t)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.carried = o; err != nil {
		g.carried = traffic.Observed{Level: traffic.Unknown}
	}
	return o, err
}

// Release implements router.Router.
func (g guardedRouter) Release(ctx context.Context, t router.Target) error {
	_, r, _ := g.parts()
	return r.Release(ctx, t)
}

type guardedWorkload struct{ *guard }

// Observe implements workload.Workload.
func (g guardedWorkload) Observe(ctx context.Context, t workload.Target) (map[rollout.Role]rollout.Health, error) {
	w, _, _ := g.parts()
	return w.Observe(ctx, t)
}

// Apply implements workload.Workload.
func (g guardedWorkload) Apply(ctx context.Context, t workload.Target, s rollout.Scale) error {
	w, _, _ := g.parts()
	t.Sequence += g.epoch()
	return w.Apply(ctx, t, s)
}

// Release implements workload.Workload.
func (g guardedWorkload) Release(ctx context.Context, t workload.Target) error {
	w, _, _ := g.parts()
	return w.Release(ctx, t)
}

type guardedSource struct{ *guard }

// Collect implements metric.Source.
func (g guardedSource) Collect(ctx context.Context, q metric.Query, w metric.Window) (analysis.Sample, error) {
	g.mu.Lock()
	s, address := g.source, g.address
	g.mu.Unlock()
	back, err := g.slots.take(ctx, address)
	if err != nil {
		return analysis.Sample{}, fmt.Errorf("%w: %s is busy with other questions: %w", metric.ErrUnavailable, address, err)
	}
	defer back()
	return s.Collect(ctx, q, w)
}
