package engine

import (
	"context"
	"sync"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/router"
	"github.com/haldane-dev/haldane/internal/traffic"
	"github.com/haldane-dev/haldane/internal/workload"
)

// gathered is what the ports said in one tick.
type gathered struct {
	now     time.Time
	health  map[rollout.Role]rollout.Health
	traffic traffic.Observed
	lost    bool             // the router could not be asked: traffic is Unknown
	sample  *analysis.Sample // nil unless a block was closed
	blind   string           // why no sample could be had
}

// observe asks workloads and router side by side.
func (e *Engine) observe(ctx context.Context) gathered {
	g := gathered{now: e.clock.now()}
	var wg sync.WaitGroup
	var herr, terr error
	wg.Go(func() {
		g.health, herr = call(ctx, &e.doors.workload, e.cfg.Timeout, func(ctx context.Context) (map[rollout.Role]rollout.Health, error) {
			return e.cfg.Workload.Observe(ctx, workload.Target{Rollout: string(e.id)})
		})
	})
	wg.Go(func() {
		g.traffic, terr = call(ctx, &e.doors.router, e.cfg.Timeout, func(ctx context.Context) (traffic.Observed, error) {
			return e.cfg.Router.Observe(ctx, router.Target{Rollout: string(e.id)})
		})
	})
	wg.Wait()
	if ctx.Err() != nil {
		return g // on the way out: what failed failed for that reason
	}
	e.trouble.of(e.doors.workload.what, herr)
	e.trouble.of(e.doors.router.what, terr)
	if terr != nil {
		g.lost, g.traffic = true, traffic.Observed{Level: traffic.Unknown}
	}
	return g
}

// collect closes the open block. It leaves g.sample nil and says why in
// g.blind if the source gives none: the block then stays open.
func (e *Engine) collect(ctx context.Context, g *gathered) {
	spec := e.currentSpec()
	q := query(e.id, e.state, spec)
	w := metric.Window{After: e.state.Cursor, Start: e.block.start, End: g.now}
	s, err := call(ctx, &e.doors.source, e.cfg.Timeout, func(ctx context.Context) (analysis.Sample, error) {
		return e.cfg.Source.Collect(ctx, q, w)
	})
	if ctx.Err() != nil {
		return
	}
	e.trouble.of(e.doors.source.what, err)
	if err != nil {
		g.blind = sentence(err.Error())
		return
	}
	g.sample = &s
}

// query asks for the metrics of the plan the rollout runs by. One that has
// since left the file cannot be asked for: it yields no counts and holds.
func query(id rollout.ID, s rollout.State, spec Spec) metric.Query {
	plan := s.Plan
	if len(plan.Steps) == 0 {
		plan = spec.Plan
	}
	q := metric.Query{Rollout: string(id), Revision: plan.Canary.Hash}
	for _, m := range spec.Metrics {
		for _, judged := range plan.Analysis.Metrics {
			if judged.Name == m.Name && judged.Kind == m.Kind {
				q.Metrics = append(q.Metrics, m)
			}
		}
	}
	return q
}
