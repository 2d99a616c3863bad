package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/haldane-dev/haldane/api/v1alpha1"
)

// result is what was measured with so many rollouts.
type result struct {
	rollouts  int
	begin     used            // from nothing until all rest
	rest      used            // nothing is on its way
	release   used            // from an edit of every Deployment until all are in progress
	progress  used            // all are
	few       used            // some candidates turn bad, one after another, while the others go on
	end       used            // all the others turn bad at once, until all are at rest again
	one       []time.Duration // from the verdict to the route, of the few
	latencies []time.Duration // and of those that turned bad at once
	peak      int64           // memory, in bytes
}

// used is what the controller used in a time.
type used struct {
	wall, cpu time.Duration
	rss       int64
	calls     float64            // to the API server
	served    map[string]float64 // by the API server, for anybody, by verb and resource
}

// cores is how many cores were busy.
func (u used) cores() float64 { return u.cpu.Seconds() / u.wall.Seconds() }

// perMinute is calls for each of n rollouts in a minute.
func (u used) perMinute(n int) float64 { return u.calls / float64(n) / u.wall.Minutes() }

// run measures each number of rollouts in a cluster of its own.
func run(ctx context.Context, o options) error {
	program := o.haldane
	if program == "" {
		dir, err := os.MkdirTemp("", "bench-haldane")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		if program, err = build(ctx, dir); err != nil {
			return err
		}
	}
	var all []result
	for _, n := range o.sizes {
		r, err := measure(ctx, program, n, o)
		if err != nil {
			return fmt.Errorf("%d rollouts: %w", n, err)
		}
		all = append(all, r)
		fmt.Println(table(all[len(all)-1:]))
	}
	if len(all) > 1 {
		fmt.Println(table(all))
	}
	return nil
}

// trial is a number of rollouts under one controller.
type trial struct {
	*world
	c *controller
	n int
	o options
}

func measure(ctx context.Context, program string, n int, o options) (result, error) {
	w, stop, err := newWorld(ctx, o)
	if err != nil {
		return result{}, err
	}
	defer stop()
	c, err := startController(ctx, program, w.cluster, o)
	if err != nil {
		return result{}, err
	}
	defer c.stop()
	r := trial{w, c, n, o}
	out := result{rollouts: n}
	for _, part := range []struct {
		name string
		into *used
		do   func(context.Context) error
	}{
		{"begin", &out.begin, func(ctx context.Context) error { return w.begin(ctx, n, o) }},
		{"", nil, r.settle},
		{"rest", &out.rest, r.watch},
		{"release", &out.release, func(ctx context.Context) error { return w.release(ctx, n) }},
		{"", nil, r.settle},
		{"progress", &out.progress, r.watch},
		{"few", &out.few, r.spoilFew},
		{"end", &out.end, r.spoil},
	} {
		if part.into == nil {
			if err := part.do(ctx); err != nil {
				return out, err
			}
			continue
		}
		fmt.Fprintf(os.Stderr, "%s %d rollouts: %s\n", time.Now().UTC().Format(time.TimeOnly), n, part.name)
		if *part.into, err = r.during(ctx, part.name, part.do); err != nil {
			return out, fmt.Errorf("%s: %w", part.name, err)
		}
		fmt.Print(part.into.detail(n, part.name))
	}
	if out.one, err = r.latencies(0, r.few()); err != nil {
		return out, err
	}
	out.latencies, err = r.latencies(r.few(), r.n)
	if u, fail := c.usage(); fail == nil {
		out.peak = u.peak
	}
	return out, err
}

// settle lets pass what a phase leaves behind: the end of a warm-up, a first
// block.
func (r trial) settle(ctx context.Context) error {
	return pause(ctx, r.o.warmup+2*r.o.scrape)
}

// watch only waits.
func (r trial) watch(ctx context.Context) error { return pause(ctx, r.o.window) }

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// few is how many candidates turn bad one after another.
func (r trial) few() int { return min(20, r.n/2) }

// apart is the time between two of them.
const apart = 2 * time.Second

// spoilFew makes some candidates bad, one after another.
func (r trial) spoilFew(ctx context.Context) error {
	for i := range r.few() {
		r.counts.spoil(rolloutName(i))
		if err := pause(ctx, apart); err != nil {
			return err
		}
	}
	return r.takenBack(ctx, r.few())
}

// spoil makes all the others bad at once, and waits until each was taken back.
func (r trial) spoil(ctx context.Context) error {
	for i := r.few(); i < r.n; i++ {
		r.counts.spoil(rolloutName(i))
	}
	return r.takenBack(ctx, r.n)
}

func (r trial) takenBack(ctx context.Context, n int) error {
	return r.await(ctx, n, "roll back", func(s v1alpha1.ModelRolloutStatus) bool { return s.Phase == "RolledBack" })
}

// latencies are the times from verdicts to routes of some rollouts, sorted.
func (r trial) latencies(from, to int) ([]time.Duration, error) {
	var out []time.Duration
	for i := from; i < to; i++ {
		name := rolloutName(i)
		verdict, ok1 := r.counts.verdict(name)
		off, ok2 := r.takenOff(name)
		if !ok1 || !ok2 || off.Before(verdict) {
			return nil, fmt.Errorf("%s: its route was taken back at %s, and its last counts were sent at %s", name, off, verdict)
		}
		out = append(out, off.Sub(verdict))
	}
	slices.Sort(out)
	return out, nil
}

// during measures what the controller uses while f runs.
func (r trial) during(ctx context.Context, name string, f func(context.Context) error) (used, error) {
	from, err := r.c.usage()
	if err != nil {
		return used{}, err
	}
	before, err := r.served(ctx)
	if err != nil {
		return used{}, err
	}
	group, within := errgroup.WithContext(ctx)
	group.Go(func() error { return f(within) })
	if r.o.profiles != "" && (name == "rest" || name == "progress") {
		group.Go(func() error {
			file := filepath.Join(r.o.profiles, fmt.Sprintf("%s-%d.", name, r.n))
			if err := r.c.profile(within, fmt.Sprintf("profile?seconds=%d", int(r.o.window.Seconds())-1), file+"cpu"); err != nil {
				return err
			}
			return r.c.profile(within, "heap", file+"heap")
		})
	}
	if err := group.Wait(); err != nil {
		return used{}, err
	}
	to, err := r.c.usage()
	if err != nil {
		return used{}, err
	}
	after, err := r.served(ctx)
	if err != nil {
		return used{}, err
	}
	return used{
		wall: to.at.Sub(from.at), cpu: to.cpu - from.cpu, rss: to.rss,
		calls: total(to.calls) - total(from.calls), served: less(after, before),
	}, nil
}

func total(m map[string]float64) (sum float64) {
	for _, v := range m {
		sum += v
	}
	return sum
}

// less is what has been added since before.
func less(after, before map[string]float64) map[string]float64 {
	out := maps.Clone(after)
	for k, v := range before {
		out[k] -= v
	}
	maps.DeleteFunc(out, func(_ string, v float64) bool { return v == 0 })
	return out
}

// of returns the value below which a part of the sorted values lies.
func of(sorted []time.Duration, part float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(part*float64(len(sorted))), len(sorted)-1)]
}

func build(ctx context.Context, dir string) (string, error) {
	program := filepath.Join(dir, "haldane")
	_, err := output(exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, "./cmd/haldane"))
	return program, err
}

// detail says what n rollouts took in a phase, and what the API server was asked
// most.
func (u used) detail(n int, phase string) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%d rollouts, %s: %.0f s, %.2f s of CPU, %.3f cores, %.0f MB, %.2f calls per rollout, %.2f per rollout and minute\n",
		n, phase, u.wall.Seconds(), u.cpu.Seconds(), u.cores(), float64(u.rss)/1e6, u.calls/float64(n), u.perMinute(n))
	names := slices.SortedFunc(maps.Keys(u.served), func(a, b string) int { return cmp.Compare(u.served[b], u.served[a]) })
	for _, name := range names[:min(len(names), 14)] {
		fmt.Fprintf(&out, "    %8.0f %s\n", u.served[name], name)
	}
	return out.String()
}

// table is all results as the page has them.
func table(all []result) string {
	var out strings.Builder
	out.WriteString("| rollouts | at rest: cores | calls a minute and rollout | in progress: cores | calls a minute and rollout | memory | most | verdict to route, one at a time: p50 | max | all at once: p50 | p99 | max |\n|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, r := range all {
		fmt.Fprintf(&out, "| %d | %.4f | %.2f | %.4f | %.2f | %.0f MB | %.0f MB | %s | %s | %s | %s | %s |\n", r.rollouts,
			r.rest.cores(), r.rest.perMinute(r.rollouts), r.progress.cores(), r.progress.perMinute(r.rollouts),
			float64(r.progress.rss)/1e6, float64(r.peak)/1e6,
			of(r.one, .5).Round(time.Millisecond), of(r.one, 1).Round(time.Millisecond),
			of(r.latencies, .5).Round(time.Millisecond), of(r.latencies, .99).Round(time.Millisecond), of(r.latencies, 1).Round(time.Millisecond))
	}
	return out.String()
}
