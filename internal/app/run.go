package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/haldane-dev/haldane/internal/cli"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/feedback"
	"github.com/haldane-dev/haldane/internal/gateway"
	"github.com/haldane-dev/haldane/internal/metric/embedded"
	"github.com/haldane-dev/haldane/internal/predictionid"
	"github.com/haldane-dev/haldane/internal/rollout"
	gatewayrouter "github.com/haldane-dev/haldane/internal/router/gateway"
	"github.com/haldane-dev/haldane/internal/store/file"
	"github.com/haldane-dev/haldane/internal/telemetry"
	"github.com/haldane-dev/haldane/internal/traffic"
	"github.com/haldane-dev/haldane/internal/web"
	"github.com/haldane-dev/haldane/internal/workload"
	"github.com/haldane-dev/haldane/internal/workload/elsewhere"
	"github.com/haldane-dev/haldane/internal/workload/process"
)

// local is one rollout on this machine, wired but not running.
type local struct {
	options cli.RunOptions
	plan    rollout.Plan

	store    *file.Store
	ledger   *feedback.Ledger
	gateway  *gateway.Gateway
	traces   traces
	workload models
	engine   *engine.Engine
	outside  outsiders
	web      *web.Server
	tails    *tails
	decided  traffic.Split // by an earlier run; the zero value gives the candidate nothing

	data, api net.Listener
	preview   net.Listener // of the candidate alone; nil without one
	links     map[string]string
}

// Run carries out the rollout of o in this process and returns how it ended. It
// returns when the rollout has ended or ctx ends; with o.Hold only when ctx
// ends. A rollout that had ended before is not begun again unless o.Hold or
// o.Retry asks for it. Everything it started has stopped when it returns.
func Run(ctx context.Context, o cli.RunOptions) (engine.Outcome, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	gateway.TuneCollector()
	l := &local{options: o}
	outcome, over, err := l.open(ctx)
	if err == nil && !over {
		err = l.run(ctx)
	}
	l.report(ctx)
	err = errors.Join(err, l.close())
	if l.engine != nil {
		outcome, _ = l.engine.Outcome()
	}
	return outcome, err
}

// open takes the addresses and the file, and builds everything on them, unless
// the rollout is over.
func (l *local) open(ctx context.Context) (o engine.Outcome, over bool, err error) {
	if l.plan, err = Plan(l.options.Rollout); err != nil {
		return o, false, cli.Usage(err)
	}
	if err := l.listen(); err != nil {
		return o, false, err
	}
	if err := l.remember(); err != nil {
		return o, false, err
	}
	if o, over, err = l.found(ctx); over || err != nil {
		return o, over, err
	}
	return o, false, l.assemble()
}

// remember opens the state file.
func (l *local) remember() error {
	o := &l.options
	path := cmp.Or(o.State, filepath.Join(o.Dir, ".haldane", o.Rollout.Name+".db"))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make the folder of the state file: %w: choose another with --state", err)
	}
	var err error
	l.store, err = file.Open(path, file.Options{})
	return err
}

// assemble builds the gateway, the engine and the API.
func (l *local) assemble() error {
	o := &l.options
	m := o.Rollout
	key, err := l.store.Secret("prediction-ids", 32)
	if err != nil {
		return err
	}
	codec, err := predictionid.New(key)
	if err != nil {
		return err
	}
	if l.ledger, err = feedback.Open(l.store.DB(), codec, ledgerOptions(m, l.plan.Name, l.plan.Canary.Hash, o.Logger)); err != nil {
		return err
	}
	recorder := newRecorder(m)
	if err := l.traces.open(o.Traces, o.Logger); err != nil {
		return cli.Usage(err)
	}
	to := counting{recorder: recorder, codec: codec, ledger: l.ledger, feedback: l.ledger, tracer: l.traces.tracer()}
	if events(m) != nil {
		to.events = l.ledger.Events()
	}
	if f := m.Spec.Routing.Flag; f != nil && f.TokenFrom != nil {
		token, err := localSecrets(o.Dir)(context.Background(), *f.TokenFrom)
		if err != nil {
			return cli.Usage(fmt.Errorf("spec.routing.flag.tokenFrom: %w", err))
		}
		to.token = func() string { return string(token) }
	}
	if l.gateway, err = newGateway(m, to, o.Dir, o.Logger); err != nil {
		return cli.Usage(err) // all that can be wrong with it stands in the file
	}
	if err := l.build(recorder); err != nil {
		return err
	}
	l.tails = &tails{Rollouts: rollouts{string(l.plan.Name), l.engine, l.store}}
	metrics, err := l.metrics(recorder)
	if err != nil {
		return err
	}
	l.web, err = web.New(l.tails, web.Options{Token: o.Token, Metrics: metrics, Logger: o.Logger})
	return err
}

// build makes the workload and the engine over it.
func (l *local) build(recorder *telemetry.Recorder) error {
	o := &l.options
	m := o.Rollout
	var names []string
	for _, a := range variants(l.plan) {
		names = append(names, a.Name)
	}
	if err := l.serveModels(); err != nil {
		return cli.Usage(err)
	}
	cohorts, err := Cohorts(m.Spec.Routing.Cohorts, o.Dir)
	if err != nil {
		return cli.Usage(err)
	}
	ledger := l.ledger
	if !hasOutcome(l.plan) {
		if _, ok := valueBounds(m, "feedback"); !ok && events(m) == nil {
			ledger = nil
		}
	}
	counts := embedded.New(recorder, ledger, names...)
	labels := ledger
	if !hasOutcome(l.plan) {
		labels = nil // only values and events come back
	}
	mark := newMark()
	source, err := l.others(counts, mark)
	if err != nil {
		return cli.Usage(err)
	}
	edits := watchEdits(o.File)
	l.engine, err = engine.New(engine.Config{
		Spec:     engine.Spec{Plan: l.plan, Metrics: query(m, l.plan).Metrics},
		Workload: l.workload,
		Router: gatewayrouter.New(gatewayrouter.Config{
			Gateway: l.gateway, Rollout: string(l.plan.Name), Cohorts: cohorts,
			Upstream: l.upstream(), Load: told(m.Spec.Analysis.Load, mark),
			Revision: func() string { return l.plan.Canary.Hash },
		}),
		Source: source, Store: l.store, Journal: l.store, Summary: summary{counts, labels, l.plan.ArmName},
		Links: l.links, Logger: o.Logger, Changed: l.workload.Changed(),
		Outside: l.outside.say, Listeners: l.outside.listeners(),
		Warnings: func() []string {
			return slices.Concat(edits.warnings(), l.outside.warnings(), warningsOf(source))
		},
	})
	return err
}

// upstream returns where an arm is served now or, by flag, what it is worth.
func (l *local) upstream() func(traffic.Arm) gateway.Upstream {
	of := upstream(l.workload, l.plan)
	if l.options.Rollout.Spec.Routing.Flag == nil {
		return of
	}
	worth := elsewhere.ArmsOf(&l.options.Rollout.Spec)
	return func(a traffic.Arm) gateway.Upstream {
		u := of(a)
		u.Value = string(worth[a].Value)
		return u
	}
}

// front is the gateway as load reaches it.
func (l *local) front(mark string) front {
	return front{
		address: func(context.Context) (string, error) { return l.links["gateway"], nil },
		mark:    mark, users: l.gateway.UserRequests,
	}
}

// models are what all arms run on.
type models interface {
	workload.Workload
	URL(rollout.Role) string  // where an arm is served, "" if it is nowhere or elsewhere
	Changed() <-chan struct{} // tells that health may have changed
}

// serveModels makes the workload.
func (l *local) serveModels() error {
	o := &l.options
	if o.Rollout.Spec.Routing.Flag != nil {
		l.workload = elsewhere.New(l.plan.Stable, l.plan.Canary)
		return nil
	}
	w, err := process.New(endpoints(o.Rollout, l.plan, o.Dir), process.Options{Logger: o.Logger, Output: o.Output})
	if err != nil {
		return err
	}
	l.workload = w
	return nil
}

// run serves until the rollout has ended, something fails, or ctx ends.
func (l *local) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if l.options.Update != nil {
		updates, cancel := l.engine.Subscribe()
		shown := make(chan struct{})
		go func() {
			defer close(shown)
			for u := range updates {
				l.options.Update(u)
			}
		}()
		defer func() { cancel(); <-shown }()
	}
	g, ctx := errgroup.WithContext(ctx)
	data, preview, api := l.data, l.preview, l.api
	l.data, l.preview, l.api = nil, nil, nil // theirs to close from here on
	// The API outlives the engine, so that whoever watches sees the end.
	watched, unwatch := context.WithCancel(context.WithoutCancel(ctx))
	g.Go(func() error {
		l.await(ctx)
		return l.gateway.Serve(ctx, data)
	})
	if preview != nil {
		g.Go(func() error { return l.gateway.ServePreview(ctx, preview) })
	}
	g.Go(func() error { return l.web.Serve(watched, api) })
	g.Go(func() error {
		defer unwatch()
		err := l.engine.Run(ctx)
		l.tails.wait(tailWithin)
		return err
	})
	if l.options.Ready != nil {
		l.options.Ready(cli.Addresses{
			Gateway: l.links["gateway"], Flag: l.links["flag"], Dashboard: l.links["dashboard"], Preview: l.links["preview"],
		})
	}
	g.Go(func() error {
		select {
		case <-l.engine.Done():
		case <-ctx.Done():
			return nil
		}
		if !l.options.Hold {
			l.told(ctx)
			stop()
		}
		return nil
	})
	return g.Wait()
}

// close stops what was opened, in the opposite order.
func (l *local) close() error {
	var errs []error
	for _, ln := range []net.Listener{l.data, l.preview, l.api} {
		if ln != nil {
			errs = append(errs, ln.Close())
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	if l.workload != nil {
		errs = append(errs, l.workload.Release(ctx, workload.Target{Rollout: string(l.plan.Name)}))
	}
	if l.gateway != nil {
		errs = append(errs, l.gateway.Close())
	}
	l.traces.close(ctx, l.options.Logger)
	if l.ledger != nil {
		errs = append(errs, l.ledger.Close())
	}
	if l.store != nil {
		errs = append(errs, l.store.Close())
	}
	return errors.Join(errs...)
}
