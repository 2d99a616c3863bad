package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"

	"github.com/haldane-dev/haldane/examples/churn"
	"github.com/haldane-dev/haldane/internal/app"
	"github.com/haldane-dev/haldane/internal/cli"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// Model serves a variant of the churn model on listen until ctx ends.
func Model(ctx context.Context, variant, listen string) error {
	return churn.Serve(ctx, variant, listen, nil)
}

// Run plays a scenario: it rolls out the candidate under traffic, reports to
// o.Out, and tells whether it ended as the scenario should. With o.Hold it goes
// on after the report until ctx ends. Nothing is left behind.
func Run(ctx context.Context, o cli.DemoOptions) (expected bool, err error) {
	s, err := find(o.Scenario)
	if err != nil {
		return false, err
	}
	m, err := s.own()
	if err != nil {
		return false, err
	}
	dir, err := os.MkdirTemp("", "haldane-demo-")
	if err != nil {
		return false, fmt.Errorf("make a place for the state: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	ctx, cancel := context.WithCancel(ctx)
	p := &play{scenario: s, options: o, cancel: cancel}
	defer p.traffic.Wait()
	defer cancel()
	outcome, err := app.Run(ctx, cli.RunOptions{
		Rollout: m,
		Dir:     dir,
		State:   filepath.Join(dir, "demo.db"),
		API:     dashboard(o.API),
		Hold:    true, // it ends when its traffic has: no request meets a gateway that is closing
		Logger:  o.Logger,
		Output:  o.Output,
		Ready:   func(a cli.Addresses) { p.start(ctx, a) },
		Update:  p.update,
	})
	if err := errors.Join(err, p.failure()); err != nil {
		return false, err
	}
	return p.finish(outcome), nil
}

// dashboard is the address to take for it: the one asked for, or the usual one
// if it is free, or any.
func dashboard(asked string) string {
	if asked != "" {
		return asked
	}
	l, err := net.Listen("tcp", app.DefaultAPI)
	if err != nil {
		return "127.0.0.1:0"
	}
	_ = l.Close()
	return app.DefaultAPI
}

// play is a scenario under way.
type play struct {
	scenario scenario
	options  cli.DemoOptions
	cancel   context.CancelFunc
	traffic  sync.WaitGroup

	mu       sync.Mutex
	load     *load  // nil until everything listens
	err      error  // why there is no traffic
	begin    func() // begins the traffic, once
	stop     func() // ends it
	story    story
	reported bool
}

// start says where to look and prepares the traffic, which begins when the models
// are ready.
func (p *play) start(ctx context.Context, a cli.Addresses) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.options.Out, "Scenario %s: %s.\nDashboard: %s\n\n", p.scenario.name, p.scenario.about, a.Dashboard)
	if p.load, p.err = newLoad(a.Gateway); p.err != nil {
		p.cancel()
		return
	}
	ctx, p.stop = context.WithCancel(ctx)
	l := p.load
	p.begin = sync.OnceFunc(func() { p.traffic.Go(func() { l.run(ctx) }) })
}

// failure is why the play could not go on.
func (p *play) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// end stops the traffic, and everything else once the last request is answered.
func (p *play) end() {
	p.stop()
	p.stop = nil
	go func() {
		p.traffic.Wait()
		p.cancel()
	}()
}

// update keeps what the report needs and passes everything on. With Hold, where
// the rollout outlives its end, it is the end that brings the report.
func (p *play) update(u engine.Update) {
	if p.options.Update != nil {
		p.options.Update(u)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.story.add(u)
	if s := u.Status; s != nil && p.begin != nil && s.Phase == rollout.Progressing {
		p.begin()
	}
	switch o, ended := p.story.outcome(); {
	case !ended || u.Status == nil:
	case p.options.Hold:
		p.report(o)
	case p.stop != nil:
		p.end()
	}
}

// finish reports, unless that was done, and tells whether the end is the one
// that was expected.
func (p *play) finish(o engine.Outcome) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.report(o)
	return p.scenario.expected(o, p.story.culprits)
}

// report writes the report once. The caller holds mu.
func (p *play) report(o engine.Outcome) {
	if p.reported {
		return
	}
	p.reported = true
	var seen counts
	if p.load != nil {
		seen = p.load.seen()
	}
	o.Phase = cmp.Or(o.Phase, p.story.phase)
	write(p.options.Out, p.scenario, p.story, seen, o)
}
