package kube

import (
	"fmt"
	"maps"
	"slices"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// Outside is what has a say, and who is told, beside the evidence of one
// rollout. The zero value is nobody.
type Outside struct {
	Say      []engine.Outside
	Told     engine.Listeners // nil: nobody
	Warnings func() []string  // nil: none
}

// turnTo replaces who has a say and who is told.
func (g *guard) turnTo(o Outside) {
	g.mu.Lock()
	old, wake := g.outside, g.wake
	g.outside = o
	g.mu.Unlock()
	for _, s := range old.Say {
		s.Close()
	}
	if old.Told != nil {
		// Messages that were under way have arrived or not by now.
		far := old.Told.Close()
		g.mu.Lock()
		g.far = far
		g.mu.Unlock()
	}
	if wake != nil {
		bind(o, wake)
	}
}

func bind(o Outside, wake func()) {
	for _, s := range o.Say {
		s.Bind(wake)
	}
	if o.Told != nil {
		o.Told.Bind(wake)
	}
}

// others returns who has a say and who is told now.
func (g *guard) others() Outside {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.outside
}

// warnings are those of who is told.
func (g *guard) warnings() []string {
	if o := g.others(); o.Warnings != nil {
		return o.Warnings()
	}
	return nil
}

type guardedOutside struct{ *guard }

// Bind implements engine.Outside, for listeners too.
func (g guardedOutside) Bind(wake func()) {
	g.mu.Lock()
	first := g.wake == nil
	g.wake = wake
	g.mu.Unlock()
	if first {
		bind(g.others(), wake)
	}
}

// Answers implements engine.Outside.
func (g guardedOutside) Answers(a engine.About, asks []rollout.Gate) (out []rollout.GateResult) {
	for _, s := range g.others().Say {
		out = append(out, s.Answers(a, asks)...)
	}
	return out
}

// Signals implements engine.Outside.
func (g guardedOutside) Signals(a engine.About) (out []rollout.Signal) {
	for _, s := range g.others().Say {
		out = append(out, s.Signals(a)...)
	}
	return out
}

// Watches implements engine.Watcher.
func (g guardedOutside) Watches(a engine.About) (out []engine.Watch) {
	for _, s := range g.others().Say {
		if w, ok := s.(engine.Watcher); ok {
			out = append(out, w.Watches(a)...)
		}
	}
	return out
}

// Close implements engine.Outside.
func (g guardedOutside) Close() {
	for _, s := range g.others().Say {
		s.Close()
	}
}

type guardedListeners struct{ *guard }

// Bind implements engine.Listeners: guardedOutside has done it.
func (guardedListeners) Bind(func()) {}

// Names implements engine.Listeners.
func (g guardedListeners) Names() []string {
	if l := g.others().Told; l != nil {
		return l.Names()
	}
	return nil
}

// Tell implements engine.Listeners.
func (g guardedListeners) Tell(a engine.About) map[string]uint64 {
	g.mu.Lock()
	l, far := g.outside.Told, g.far
	g.far = nil
	g.mu.Unlock()
	if far != nil { // positions first, and messages at the next turn
		g.rouse()
		return far
	}
	if l == nil {
		return nil
	}
	return l.Tell(a)
}

func (g guardedListeners) rouse() {
	g.mu.Lock()
	wake := g.wake
	g.mu.Unlock()
	if wake != nil {
		wake()
	}
}

// Close implements engine.Listeners.
func (g guardedListeners) Close() map[string]uint64 {
	if l := g.others().Told; l != nil {
		return l.Close()
	}
	return nil
}

// refuseURLs says which addresses of hooks, messages, load and readings the operator does not
// want called. Those that are secrets are looked at when they are called.
func (c *Controller) refuseURLs(m *v1alpha1.ModelRollout) (errs []error) {
	for i, h := range m.Spec.Hooks {
		if err := c.cfg.AllowURL(h.URL); err != nil {
			errs = append(errs, fmt.Errorf("spec.hooks[%d].url: %w", i, err))
		}
	}
	for i, n := range m.Spec.Notifications {
		if n.Webhook == nil || n.Webhook.URL == "" {
			continue
		}
		if err := c.cfg.AllowURL(n.Webhook.URL); err != nil {
			errs = append(errs, fmt.Errorf("spec.notifications[%d].webhook.url: %w", i, err))
		}
	}
	if l := m.Spec.Analysis.Load; l != nil && l.Address != "" {
		if err := c.cfg.AllowURL(l.Address); err != nil {
			errs = append(errs, fmt.Errorf("spec.analysis.load.address: %w", err))
		}
	}
	addresses := m.Spec.Analysis.Addresses()
	for _, path := range slices.Sorted(maps.Keys(addresses)) {
		if err := c.cfg.AllowURL(addresses[path]); err != nil {
			errs = append(errs, fmt.Errorf("spec.analysis.%s: %w", path, err))
		}
	}
	return errs
}
