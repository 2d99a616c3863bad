package app

import (
	"context"
	"time"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/report"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/store"
)

// report hands the journal to whoever asked for it. The engine has stopped, and
// the store is still open. A journal that cannot be read makes a report without
// it: how the rollout ended is known all the same.
func (l *local) report(ctx context.Context) {
	if l.options.Report == nil || l.store == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWithin)
	defer cancel()
	s := report.Source{}
	if l.engine != nil {
		s.Status = l.engine.Status()
	} else if state, _, err := l.load(ctx); err == nil {
		s.Status = engine.Saved(state)
		s.Status.Mode, s.Status.Now = "local", time.Now()
	}
	s.Status.Name = string(l.plan.Name)
	var err error
	if s.Blocks, err = read[engine.Block](ctx, l.store, l.plan.Name, store.BlockRecord, reportLimit); err == nil {
		s.Events, err = read[rollout.Event](ctx, l.store, l.plan.Name, store.EventRecord, reportLimit)
	}
	if err != nil {
		l.options.Logger.WarnContext(ctx, "the report is made without the journal", "error", err)
	}
	l.options.Report(s)
}

// reportLimit is how many of the newest blocks and events a report is made of.
const reportLimit = 100_000
