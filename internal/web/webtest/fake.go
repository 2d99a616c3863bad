package webtest

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/web"
)

// Fake is a web.Rollouts over replays.
type Fake struct {
	mu        sync.Mutex
	order     []string
	replays   map[string]*replay
	listeners map[string]map[chan web.Update]struct{}
	commands  []rollout.Command
	failure   error
}

var _ web.Rollouts = (*Fake)(nil)

// NewFake returns a Fake whose scenarios begin at now. With none it serves no
// rollout at all.
func NewFake(now time.Time, scenarios ...Scenario) *Fake {
	f := &Fake{replays: map[string]*replay{}, listeners: map[string]map[chan web.Update]struct{}{}}
	for _, s := range scenarios {
		f.order = append(f.order, s.Name)
		f.replays[s.Name] = newReplay(s, now)
	}
	return f
}

// Advance lets the given number of blocks pass in every rollout and tells the
// subscribers.
func (f *Fake) Advance(blocks int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range blocks {
		for _, name := range f.order {
			r := f.replays[name]
			b, e := len(r.blocks), len(r.events)
			r.advance()
			f.publish(name, b, e)
		}
	}
}

// Play advances one block every interval until ctx ends.
func (f *Fake) Play(ctx context.Context, interval time.Duration) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			f.Advance(1)
		}
	}
}

// Commands returns everything that was submitted so far.
func (f *Fake) Commands() []rollout.Command {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.commands)
}

// Break makes every call fail with err until it is called with nil.
func (f *Fake) Break(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failure = err
}

// Hang up on every subscriber, as an engine does that stops.
func (f *Fake) HangUp() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, all := range f.listeners {
		for ch := range all {
			delete(all, ch)
			close(ch)
		}
	}
}

// publish sends what came since the counts given. A listener that is behind
// loses it, as with the engine. f.mu is held.
func (f *Fake) publish(name string, blocks, events int) {
	r := f.replays[name]
	var all []web.Update
	for _, b := range r.blocks[blocks:] {
		all = append(all, web.Update{Block: &b})
	}
	for _, e := range r.events[events:] {
		all = append(all, web.Update{Event: &e})
	}
	s := r.snapshot()
	all = append(all, web.Update{Status: &s})
	for ch := range f.listeners[name] {
		for _, u := range all {
			select {
			case ch <- u:
			default:
			}
		}
	}
}

// snapshot copies the status so that later blocks do not change it.
func (r *replay) snapshot() engine.Status {
	s := r.status
	s.Totals, s.Workloads, s.Links = maps.Clone(s.Totals), maps.Clone(s.Workloads), maps.Clone(s.Links)
	s.Labels = maps.Clone(s.Labels)
	if r.scenario.Show != nil {
		r.scenario.Show(&s)
	}
	return s
}

func (f *Fake) find(name string) (*replay, error) {
	if f.failure != nil {
		return nil, f.failure
	}
	if r, ok := f.replays[name]; ok {
		return r, nil
	}
	return nil, web.ErrNotFound
}

// List implements web.Rollouts.
func (f *Fake) List(context.Context) ([]engine.Status, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failure != nil {
		return nil, f.failure
	}
	var out []engine.Status
	for _, name := range f.order {
		out = append(out, f.replays[name].snapshot())
	}
	return out, nil
}

// Status implements web.Rollouts.
func (f *Fake) Status(_ context.Context, name string) (engine.Status, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, err := f.find(name)
	if err != nil {
		return engine.Status{}, err
	}
	return r.snapshot(), nil
}

// Blocks implements web.Rollouts.
func (f *Fake) Blocks(_ context.Context, name string, limit int) ([]engine.Block, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, err := f.find(name)
	if err != nil {
		return nil, err
	}
	return newest(r.blocks, limit), nil
}

// Events implements web.Rollouts.
func (f *Fake) Events(_ context.Context, name string, limit int) ([]rollout.Event, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, err := f.find(name)
	if err != nil {
		return nil, err
	}
	return newest(r.events, limit), nil
}

func newest[T any](all []T, limit int) []T {
	return slices.Clone(all[max(0, len(all)-limit):])
}

// Subscribe implements web.Rollouts.
func (f *Fake) Subscribe(ctx context.Context, name string) (<-chan web.Update, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.find(name); err != nil {
		return nil, err
	}
	ch := make(chan web.Update, 256)
	if f.listeners[name] == nil {
		f.listeners[name] = map[chan web.Update]struct{}{}
	}
	f.listeners[name][ch] = struct{}{}
	context.AfterFunc(ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if _, open := f.listeners[name][ch]; open {
			delete(f.listeners[name], ch)
			close(ch)
		}
	})
	return ch, nil
}
