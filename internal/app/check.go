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

// Check sends the checks of a rollout once, to all versions, and returns what
// became of each, in the order of the file, stable first. What it
// started has ended when it returns.
func Check(ctx context.Context, o cli.CheckOptions) ([]cli.CheckResult, error) {
	p, err := Plan(o.Rollout)
	if err != nil {
		return nil, cli.Usage(err)
	}
	w, err := process.New(endpoints(o.Rollout, p, o.Dir), process.Options{Logger: o.Logger, Output: o.Output})
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
	arms := []cli.CheckResult{{Arm: "stable", Version: p.Stable.Version}, {Arm: "canary", Version: p.Canary.Version}}
	for _, v := range variants(p) {
		arms = append(arms, cli.CheckResult{Arm: v.Name, Version: v.Version})
	}
	if err := allReady(ctx, w, arms, o.Wait); err != nil {
		return nil, err
	}
	out := make([]cli.CheckResult, len(arms)*len(all))
	var wg sync.WaitGroup
	for i, c := range all {
		for arm, r := range arms {
			wg.Go(func() {
				begun := time.Now()
				err := c.One(ctx, traffic.Arm(arm), by.address)
				r.Check, r.Passed, r.Seconds = c.Name, err == nil, time.Since(begun).Seconds()
				if err != nil {
					r.Message = err.Error()
				}
				out[len(arms)*i+arm] = r
			})
		}
	}
	wg.Wait()
	return out, ctx.Err()
}

// allReady waits until all versions are ready.
func allReady(ctx context.Context, w *process.Workload, arms []cli.CheckResult, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	changed := w.Changed()
	for {
		health, err := w.Observe(ctx, workload.Target{})
		if err != nil {
			return fmt.Errorf("wait for the versions: %w", context.Cause(ctx))
		}
		missing := ""
		for arm, r := range arms {
			h := health[traffic.Arm(arm)]
			if h.Failed {
				return fmt.Errorf("%s cannot be asked: %s", r.Arm, h.Message)
			}
			if !h.Ready && missing == "" {
				missing = fmt.Sprintf("%s is not ready within %s: %s", r.Arm, limit, h.Message)
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
