package engine

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/store"
)

const (
	// retryPause is how soon the loop looks again while something that it
	// wants is not so yet.
	retryPause = time.Second
	// shortestPause keeps a Wake that has passed from spinning the loop.
	shortestPause = 100 * time.Millisecond
	// restInterval is how often a lazy engine looks while nothing is compared.
	restInterval = 5 * time.Minute
)

// Run drives the rollout until ctx ends and then returns nil; traffic stays as
// decided. It returns an error only if the saved state cannot be read. It may
// be called once.
func (e *Engine) Run(ctx context.Context) error {
	defer e.lastWords(ctx)
	if err := e.Open(ctx); err != nil {
		return err
	}
	var requests []*request
	changed := e.cfg.Changed
	for ctx.Err() == nil {
		wake := e.tick(ctx, requests)
		requests, e.back = e.back, nil
		pause := time.NewTimer(wake.Sub(e.clock.now()))
		select {
		case <-ctx.Done():
		case r := <-e.requests:
			requests = e.drain(r)
		case <-e.reloaded:
		case _, open := <-changed:
			if !open {
				changed = nil
			}
		case <-pause.C:
		}
		pause.Stop()
	}
	return nil
}

// drain returns r and whatever else waits behind it.
func (e *Engine) drain(r *request) []*request {
	all := []*request{r}
	for {
		select {
		case r := <-e.requests:
			all = append(all, r)
		default:
			return all
		}
	}
}

// tick goes round once and returns when to go round again.
func (e *Engine) tick(ctx context.Context, requests []*request) time.Time {
	e.tellJump()
	if e.unsaved {
		if again, ok := e.saveAgain(ctx, requests); !ok {
			return again
		}
	}
	g := e.gather(ctx, requests)
	if ctx.Err() != nil {
		return g.now
	}
	before := e.withoutDelivered()
	plan := e.currentSpec().Plan
	e.heed(&g)
	g.next = e.nextBlock(g)
	o := e.cfg.observation(before, plan, g, commandsOf(requests))
	d := e.cfg.Next(before, o)
	err := e.save(ctx, d)
	if errors.Is(err, store.ErrConflict) {
		return e.reload(ctx, requests, err)
	}
	if err != nil && !e.unsaved {
		g.sample = nil // nothing holds it: it will be collected again
	}
	e.seen = g
	moved := e.apply(ctx, e.unsaved)
	answerAll(requests, d.Replies, err, e.unsaved)
	if ctx.Err() != nil {
		return g.now // the next run goes on from what was saved
	}
	e.record(ctx, before, g, o)
	if err == nil {
		e.put(g, d.Asks)
	}
	e.countUntold()
	e.show() // before conclude: who was waiting for the end reads the status of the end
	e.conclude()
	return e.wake(g, d.Wake, moved)
}

// gather asks the ports and closes the block if it is due.
func (e *Engine) gather(ctx context.Context, requests []*request) gathered {
	g := e.observe(ctx)
	g.blind = e.seen.blind
	if e.cfg.Lazy && !judged(e.state.Phase) {
		e.rest(g.now)
		return g
	}
	if e.block.start.IsZero() {
		e.open(g.now, g)
		e.due = g.now.Add(e.interval())
	}
	stage := e.cfg.stageNow(e.state, g.traffic, e.block.stage)
	e.noteCut(g)
	changed := len(e.cuts) > 0 || !g.lost && e.block.ends(g.traffic, stage)
	if e.asked == nil && (!changed && g.now.Before(e.due) || urgent(requests)) {
		return g
	}
	if e.asked == nil {
		e.due = g.now.Add(e.interval())
	}
	e.collect(ctx, &g)
	if g.sample != nil {
		s := e.block.stamp(*g.sample, e.number+1, g.end.now)
		g.sample, g.blind = &s, ""
	}
	return g
}

// rest is the open block of a phase that nothing is compared in: none. What is
// counted meanwhile belongs to nobody, so the next block begins anew, without
// the cursor of the one before.
func (e *Engine) rest(now time.Time) {
	e.block, e.asked, e.cuts, e.anew, e.blindFrom = openBlock{}, nil, nil, true, time.Time{}
	e.due = now.Add(restInterval)
}

// open begins a block under the traffic just observed, or, where that could
// not be, under the traffic of the block before.
func (e *Engine) open(start time.Time, g gathered) {
	if e.block.start.IsZero() && len(e.state.Plan.Steps) > 0 {
		e.block.stage = e.cfg.StageOf(e.state)
	}
	e.block.start = start
	if !g.lost {
		e.block.traffic = g.traffic
	}
	e.block.stage = e.cfg.stageNow(e.state, g.traffic, e.block.stage)
}

// nextBlock returns the number of the first block that begins at g.now or later,
// 0 if none is open. The open block has the number after the newest one taken in.
// Once it is closed, another begins where it ends, which may be before now if its
// counts were long on their way, or still are.
func (e *Engine) nextBlock(g gathered) int64 {
	number, start := e.number+1, e.block.start
	switch {
	case start.IsZero():
		return 0
	case g.sample != nil:
		number, start = number+1, g.end.now
	case e.asked != nil:
		number, start = number+1, e.asked.end.now
	}
	if n := len(e.cuts); n > 0 {
		number, start = number+int64(n), e.cuts[n-1].start
	}
	if start.Before(g.now) {
		number++
	}
	return number
}

// wake returns when the loop must go round again at the latest.
func (e *Engine) wake(g gathered, asked time.Time, moved bool) time.Time {
	now := e.clock.now()
	if moved || len(e.cuts) > 0 && g.sample != nil {
		return now // the change of weight closes the block: at once
	}
	at := e.due
	if !asked.IsZero() && asked.Before(at) {
		at = asked
	}
	settled := g.traffic.Carries(e.want.Split) && !e.trouble.has(e.doors.applyRouter.what, e.doors.applyWorkload.what, e.doors.workload.what)
	if soon := now.Add(retryPause); (e.unsaved || e.wanted && !settled) && soon.Before(at) {
		at = soon
	}
	if earliest := now.Add(shortestPause); at.Before(earliest) {
		at = earliest
	}
	return at
}

// interval is the nominal length of a block.
func (e *Engine) interval() time.Duration {
	return cmp.Or(e.state.Plan.Analysis.Interval, e.currentSpec().Plan.Analysis.Interval, DefaultInterval)
}

func commandsOf(requests []*request) []rollout.Command {
	var out []rollout.Command
	for _, r := range requests {
		out = append(out, r.command)
	}
	return out
}

// urgent reports whether somebody wants the canary off: no source is waited
// for then.
func urgent(requests []*request) bool {
	for _, r := range requests {
		if r.command.Verb == rollout.Abort {
			return true
		}
	}
	return false
}

// conclude tells whoever waits that the rollout has ended: once it is saved
// and its last target is in place.
func (e *Engine) conclude() {
	o, ok := outcomeOf(e.state)
	if !ok || e.unsaved || e.trouble.has(e.doors.applyRouter.what, e.doors.applyWorkload.what) {
		return
	}
	if e.outcome.Swap(&o) == nil {
		close(e.ended)
	}
}
