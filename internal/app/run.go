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
	"github.com/haldane-dev/haldane/internal/web"
	"github.com/haldane-dev/haldane/internal/workload"
	"github.com/haldane-dev/haldane/internal/workload/process"
)

// DefaultAPI is where the API and the dashboard answer unless told otherwise.
const DefaultAPI = "127.0.0.1:7600"

// local is one rollout on this machine, wired but not running.
type local struct {
	options cli.RunOptions
	plan    rollout.Plan

	store    *file.Store
	ledger   *feedback.Ledger
	gateway  *gateway.Gateway
	workload *process.Workload
	engine   *engine.Engine
	web      *web.Server

	data, api net.Listener
	links     map[string]string
}

// Run carries out the rollout of o in this process and returns how it ended. It
// returns when the rollout has ended or ctx ends; with o.Hold only when ctx
// ends. Everything it started has stopped when it returns.
func Run(ctx context.Context, o cli.RunOptions) (engine.Outcome, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	gateway.TuneCollector()
	l := &local{options: o}
	err := l.open()
	if err == nil {
		err = l.run(ctx)
	}
	err = errors.Join(err, l.close())
	if l.engine == nil {
		return engine.Outcome{}, err
	}
	outcome, _ := l.engine.Outcome()
	return outcome, err
}

// open takes the addresses and the file, and builds everything on them.
func (l *local) open() error {
	o := &l.options
	m := o.Rollout
	var err error
	if l.plan, err = Plan(m); err != nil {
		return err
	}
	if err := l.listen(); err != nil {
		return err
	}
	path := cmp.Or(o.State, filepath.Join(o.Dir, ".haldane", m.Metadata.Name+".db"))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make the folder of the state file: %w", err)
	}
	if l.store, err = file.Open(path, file.Options{}); err != nil {
		return err
	}
	key, err := l.store.Secret("prediction-ids", 32)
	if err != nil {
		return err
	}
	codec, err := predictionid.New(key)
	if err != nil {
		return err
	}
	if l.ledger, err = feedback.Open(l.store.DB(), codec, ledgerOptions(m, l.plan, *o)); err != nil {
		return err
	}
	recorder := newRecorder(m)
	if l.gateway, err = newGateway(m, *o, recorder, codec, l.ledger); err != nil {
		return err
	}
	if err := l.build(recorder); err != nil {
		return err
	}
	l.web, err = web.New(rollouts{string(l.plan.Name), l.engine, l.store}, web.Options{Token: o.Token, Logger: o.Logger})
	return err
}

// build makes the workload and the engine over it.
func (l *local) build(recorder *telemetry.Recorder) error {
	o := &l.options
	m := o.Rollout
	e := m.Spec.Endpoints
	var err error
	l.workload, err = process.New(map[rollout.Role]process.Endpoint{
		0: endpoint(e.Stable, l.plan.Stable.Hash, o.Dir),
		1: endpoint(e.Canary, l.plan.Canary.Hash, o.Dir),
	}, process.Options{Logger: o.Logger, Output: o.Output})
	if err != nil {
		return err
	}
	cohorts, err := Cohorts(m.Spec.Routing.Cohorts, o.Dir)
	if err != nil {
		return err
	}
	ledger := l.ledger
	if !hasOutcome(l.plan.Analysis) {
		if _, ok := valueBounds(m, "feedback"); !ok {
			ledger = nil
		}
	}
	source := embedded.New(recorder, ledger)
	l.engine, err = engine.New(engine.Config{
		Spec:     engine.Spec{Plan: l.plan, Metrics: query(m, l.plan).Metrics},
		Workload: l.workload,
		Router: gatewayrouter.New(gatewayrouter.Config{
			Gateway: l.gateway, Rollout: string(l.plan.Name), Cohorts: cohorts,
			Upstream: upstream(l.workload, l.plan),
			Revision: func() string { return l.plan.Canary.Hash },
		}),
		Source: source, Store: l.store, Journal: l.store, Summary: summary{source, ledger},
		Links: l.links, Logger: o.Logger, Changed: l.workload.Changed(),
	})
	return err
}

// listen takes both addresses, so that one in use is known before anything starts.
func (l *local) listen() error {
	o := &l.options
	api := cmp.Or(o.API, DefaultAPI)
	if err := web.CheckListen(api, o.Token); err != nil {
		return err
	}
	var err error
	if l.data, err = net.Listen("tcp", o.Rollout.Spec.Routing.Gateway.Listen); err != nil {
		return fmt.Errorf("spec.routing.gateway.listen: %w: choose another address, or end what listens there", err)
	}
	if l.api, err = net.Listen("tcp", api); err != nil {
		return fmt.Errorf("the API's address: %w: choose another with --api, or end what listens there", err)
	}
	l.links = map[string]string{"gateway": address(l.data), "dashboard": address(l.api)}
	return nil
}

// address is what a person on this machine types to reach l.
func address(l net.Listener) string {
	host, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return l.Addr().String()
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// run serves until the rollout has ended, something fails, or ctx ends.
func (l *local) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if l.options.Update != nil {
		updates, cancel := l.engine.Subscribe()
		watched := make(chan struct{})
		go func() {
			defer close(watched)
			for u := range updates {
				l.options.Update(u)
			}
		}()
		defer func() { cancel(); <-watched }()
	}
	g, ctx := errgroup.WithContext(ctx)
	data, api := l.data, l.api
	l.data, l.api = nil, nil // theirs to close from here on
	g.Go(func() error { return l.gateway.Serve(ctx, data) })
	g.Go(func() error { return l.web.Serve(ctx, api) })
	g.Go(func() error { return l.engine.Run(ctx) })
	if l.options.Ready != nil {
		l.options.Ready(cli.Addresses{Gateway: l.links["gateway"], Dashboard: l.links["dashboard"]})
	}
	g.Go(func() error {
		if err := l.retry(ctx); err != nil {
			return err
		}
		select {
		case <-l.engine.Done():
		case <-ctx.Done():
			return nil
		}
		if !l.options.Hold {
			stop()
		}
		return nil
	})
	return g.Wait()
}

// retry asks for another attempt if that was wanted.
func (l *local) retry(ctx context.Context) error {
	if !l.options.Retry {
		return nil
	}
	reply, err := l.engine.Submit(ctx, rollout.Command{Verb: rollout.Retry, By: "haldane run --retry"})
	if err != nil {
		return fmt.Errorf("retry: %w", err)
	}
	if !reply.Accepted {
		return fmt.Errorf("retry: %s", reply.Message)
	}
	return nil
}

// close stops what was opened, in the opposite order.
func (l *local) close() error {
	var errs []error
	for _, ln := range []net.Listener{l.data, l.api} {
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
	if l.ledger != nil {
		errs = append(errs, l.ledger.Close())
	}
	if l.store != nil {
		errs = append(errs, l.store.Close())
	}
	return errors.Join(errs...)
}
