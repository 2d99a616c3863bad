package engine

import (
	"context"
	"sync"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/experiment"
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
	end     moment           // of the closed block
	next    int64            // the first block that begins now or later, 0 if none is open
	gates   []rollout.GateResult
	signals []rollout.Signal
}

// moment is when a block was closed, and what the router reported then.
type moment struct {
	now     time.Time
	traffic traffic.Observed
	lost    bool
}

// gathered is g as of that moment.
func (m moment) gathered(g gathered) gathered {
	g.now, g.traffic, g.lost = m.now, m.traffic, m.lost
	return g
}

// asking is a block that is closed and whose counts are still on their way.
type asking struct {
	end  moment
	then openBlock    // what is counted from then on
	back chan counted // takes one
}

type counted struct {
	sample analysis.Sample
	err    error
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
// g.blind if the source gives none: the block then stays open. With
// Config.Later it asks and does not wait: the block is closed as of now, and
// the tick after the answer has come takes it.
func (e *Engine) collect(ctx context.Context, g *gathered) {
	if e.asked == nil {
		end := moment{g.now, g.traffic, g.lost}
		if len(e.cuts) > 0 {
			end, e.cuts = moment{e.cuts[0].start, e.cuts[0].traffic, false}, e.cuts[1:]
		}
		e.asked = e.ask(ctx, end)
	}
	var c counted
	if e.cfg.Later == nil {
		c = <-e.asked.back
	} else {
		select {
		case c = <-e.asked.back:
		default:
			return // on its way
		}
	}
	g.end, e.asked = e.asked.end, nil
	if ctx.Err() != nil {
		return
	}
	e.trouble.of(e.doors.source.what, c.err)
	if c.err != nil {
		g.blind = sentence(c.err.Error())
		if e.blindFrom.IsZero() {
			e.blindFrom = g.now
		}
		return
	}
	e.blindFrom = time.Time{}
	g.sample = &c.sample
}

// mostCuts bounds how many changes of traffic are kept apart while one block is on
// its way.
const mostCuts = 8

// noteCut remembers when the traffic changed while a closed block is on its way:
// the block behind it ends then, though it can be asked for only later.
func (e *Engine) noteCut(g gathered) {
	if e.asked == nil || g.lost || len(e.cuts) == mostCuts {
		return
	}
	now := e.asked.then
	if n := len(e.cuts); n > 0 {
		now = e.cuts[n-1]
	}
	stage := e.cfg.stageNow(e.state, g.traffic, now.stage)
	if now.ends(g.traffic, stage) {
		e.cuts = append(e.cuts, openBlock{g.now, g.traffic, stage})
	}
}

// ask sends for the counts of the open block until end.
func (e *Engine) ask(ctx context.Context, end moment) *asking {
	q := query(e.id, e.state, e.currentSpec())
	w := metric.Window{
		After: e.state.Cursor, Start: e.block.start, End: end.now, Weight: e.block.traffic.Canary.Share(), Slots: e.block.traffic.Slots,
	}
	if e.anew {
		w.After = ""
	}
	a := &asking{end: end, then: e.block, back: make(chan counted, 1)}
	if !end.lost {
		a.then.traffic = end.traffic
		a.then.stage = e.cfg.stageNow(e.state, end.traffic, e.block.stage)
	}
	limit := e.cfg.Timeout
	if e.cfg.Later != nil {
		limit = e.cfg.LaterWithin
		ctx, e.unask = context.WithCancel(context.WithoutCancel(ctx))
	}
	fetch := func() {
		s, err := call(ctx, &e.doors.source, limit, func(ctx context.Context) (analysis.Sample, error) {
			return e.cfg.Source.Collect(ctx, q, w)
		})
		a.back <- counted{s, err}
	}
	if e.cfg.Later == nil {
		fetch()
		return a
	}
	unask := e.unask
	go func() {
		defer unask()
		fetch()
		e.cfg.Later()
	}()
	return a
}

// query asks for the metrics of the plan the rollout runs by. One that has
// since left the file cannot be asked for: it yields no counts and holds.
func query(id rollout.ID, s rollout.State, spec Spec) metric.Query {
	plan := s.Plan
	if len(plan.Steps) == 0 {
		plan = spec.Plan
	}
	q := metric.Query{
		Rollout: string(id), Revision: plan.Canary.Hash,
		Stable: metric.Arm{Version: plan.Stable.Version, Revision: plan.Stable.Hash},
		Canary: metric.Arm{Version: plan.Canary.Version, Revision: plan.Canary.Hash},
	}
	e := plan.Experiment
	if e != nil && len(e.Arms) > traffic.NumArms {
		q.Slots = e.Slots()
	}
	for _, m := range spec.Metrics {
		if e != nil && m.Name == experiment.GoalMetric {
			q.Metrics = append(q.Metrics, m)
		}
		for _, judged := range plan.Analysis.Metrics {
			if judged.Name == m.Name && judged.Kind == m.Kind {
				q.Metrics = append(q.Metrics, m)
			}
		}
	}
	return q
}
