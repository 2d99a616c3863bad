package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/haldane-dev/haldane/internal/cli"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
	"github.com/haldane-dev/haldane/internal/workload"
	"github.com/haldane-dev/haldane/internal/workload/process"
)

// Check sends the checks of a rollout once, to both versions, and returns what
// became of each, in the order of the file, stable before the candidate. What it
// started has ended when it returns.
func Check(ctx context.Context, o cli.CheckOptions) ([]cli.CheckResult, error) {
	p, err := Plan(o.Rollout)
	if err != nil {
		return nil, cli.Usage(err)
	}
	e := o.Rollout.Spec.Endpoints
	w, err := process.New(map[rollout.Role]process.Endpoint{
		traffic.Stable: endpoint(e.Stable, p.Stable.Hash, o.Dir), traffic.Canary: endpoint(e.Canary, p.Canary.Hash, o.Dir),
	}, process.Options{Logger: o.Logger, Output: o.Output})
	if err != nil {
		return nil, cli.Usage(err)
	}
	by := localArms(w, o.Dir)
	all, err := checks(o.Rollout, by)
	if err != nil {
		return nil, cli.Usage(err)
	}
	about := workload.Target{Rollout: o.Rollout.Name}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWithin)
		defer cancel()
		if err := w.Release(ctx, about); err != nil {
			o.Logger.Warn("the models have not ended", "error", err)
		}
	}()
	if err := w.Apply(ctx, about, rollout.Scale{Stable: true, Canary: true}); err != nil {
		return nil, err
	}
	if err := bothReady(ctx, w, o.Wait); err != nil {
		return nil, err
	}
	out := make([]cli.CheckResult, traffic.NumArms*len(all))
	var wg sync.WaitGroup
	for i, c := range all {
		for arm, version := range []string{p.Stable.Version, p.Canary.Version} {
			wg.Go(func() {
				begun := time.Now()
				err := c.One(ctx, traffic.Arm(arm), by.address)
				r := cli.CheckResult{Check: c.Name, Arm: traffic.Arm(arm).String(), Version: version, Passed: err == nil, Seconds: time.Since(begun).Seconds()}
				if err != nil {
					r.Message = err.Error()
				}
				out[traffic.NumArms*i+arm] = r
			})
		}
	}
	wg.Wait()
	return out, ctx.Err()
}

// bothReady waits until both versions are ready.
func bothReady(ctx context.Context, w *process.Workload, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	changed := w.Changed()
	for {
		health, err := w.Observe(ctx, workload.Target{})
		if err != nil {
			return fmt.Errorf("wait for both versions: %w", context.Cause(ctx))
		}
		missing := ""
		for _, arm := range []traffic.Arm{traffic.Stable, traffic.Canary} {
			h := health[arm]
			if h.Failed {
				return fmt.Errorf("%s cannot be asked: %s", arm, h.Message)
			}
			if !h.Ready && missing == "" {
				missing = fmt.Sprintf("%s is not ready within %s: %s", arm, limit, h.Message)
			}
		}
		if missing == "" {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return ctx.Err()
			}
			return errors.New(missing)
		}
	}
}
