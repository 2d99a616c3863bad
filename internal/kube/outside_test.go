package kube

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/check"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/hook"
	"github.com/haldane-dev/haldane/internal/outbound"
	"github.com/haldane-dev/haldane/internal/outbox"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// receivers are those of all hooks, without a network.
type receivers struct {
	mu     sync.Mutex
	calls  map[string][]uint64 // numbers of events by path, 0 for a question
	status map[string]int      // by path
	down   bool
}

func (r *receivers) RoundTrip(q *http.Request) (*http.Response, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down {
		return nil, errors.New("connection refused")
	}
	var body struct {
		Namespace string
		Haldane   struct{ Event struct{ Number uint64 } }
	}
	if err := json.NewDecoder(q.Body).Decode(&body); err != nil || body.Namespace != ns {
		return nil, errors.New("what is this?")
	}
	r.calls[q.URL.Path] = append(r.calls[q.URL.Path], body.Haldane.Event.Number)
	status := r.status[q.URL.Path]
	if status == 0 {
		status = http.StatusOK
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader("")), Header: http.Header{}}, nil
}

func (r *receivers) set(do func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	do()
}

// receive lets the rollouts of a world have hooks.
func (w *world) receive(hooks ...hook.Hook) *receivers {
	r := &receivers{calls: map[string][]uint64{}, status: map[string]int{}}
	c := outbound.New(outbound.Options{Transport: r})
	w.cfg.Adapters.Outside = func(about cluster.Rollout) (Outside, error) {
		cfg := hook.Config{Name: about.Name, Namespace: about.Namespace, Client: c, Logger: slog.New(slog.DiscardHandler)}
		for _, h := range hooks {
			h.Name, h.URL, h.Timeout, h.Every = string(h.When), "http://hooks.shop/"+string(h.When), 5*time.Second, 15*time.Second
			cfg.Hooks = append(cfg.Hooks, h)
		}
		return Outside{Say: []engine.Outside{hook.New(cfg)}, Told: outbox.New(cfg.Channels(), cfg.Logger)}, nil
	}
	plan := w.cfg.Spec
	w.cfg.Spec = func(m *v1alpha1.ModelRollout, stable, canary rollout.Revision) (engine.Spec, error) {
		s, err := plan(m, stable, canary)
		for i := range hooks {
			hooks[i].Name = string(hooks[i].When)
		}
		s.Plan.Confirm = hook.Confirm(hooks)
		return s, err
	}
	return r
}

func (w *world) waits(text string) {
	w.t.Helper()
	w.until("waiting for "+text, func(s v1alpha1.ModelRolloutStatus) bool { return strings.Contains(s.Waiting, text) })
}

func TestHooksOnACluster(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		r := w.receive(hook.Hook{When: hook.ConfirmRollout}, hook.Hook{When: hook.ConfirmPromotion}, hook.Hook{When: hook.Event})
		r.status["/confirmRollout"], r.status["/confirmPromotion"] = 403, 403
		w.create(document())
		run := w.run()
		w.settle(run)
		w.offer(run, "b")
		w.waits("confirmRollout to confirm the start: 403 Forbidden")
		r.set(func() { delete(r.status, "/confirmRollout") })
		w.until("at 50%", weight("50%"))
		w.waits("confirmPromotion to confirm the promotion: 403 Forbidden")
		time.Sleep(time.Minute) // simulated: what was told is saved as told
		run.halt()              // and the receivers go down while nobody runs
		r.set(func() { r.down = true })
		run = w.run()
		w.waits("confirmPromotion to confirm the promotion: cannot be asked")
		r.set(func() { r.down = false; clear(r.status) })
		w.until("promoted", phase(rollout.Promoted))
		w.toldAll(r)
		run.halt()
	})
}

// toldAll waits until the event hook has every event, and requires each once
// and in order.
func (w *world) toldAll(r *receivers) {
	w.t.Helper()
	var got []uint64
	for range 1000 {
		r.set(func() { got = slices.Clone(r.calls["/event"]) })
		if len(got) == len(w.events()) {
			break
		}
		time.Sleep(time.Second) // simulated
	}
	for i, n := range got {
		if n != uint64(i+1) {
			w.t.Fatalf("events %v were told", got)
		}
	}
	if len(got) < 6 || len(got) != len(w.events()) {
		w.t.Errorf("events %v were told; the API server has %v", got, w.events())
	}
}

func TestARollbackHookOnACluster(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		r := w.receive(hook.Hook{When: hook.Rollback, FailOpen: true}, hook.Hook{When: hook.Event})
		r.status["/rollback"] = 403
		w.create(document())
		run := w.run()
		w.settle(run)
		w.offer(run, "b")
		w.until("at 10%", weight("10%"))
		r.set(func() { r.status["/event"] = 503; delete(r.status, "/rollback") })
		s := w.until("taken back", phase(rollout.RolledBack))
		if !strings.Contains(s.Reason, "hook rollback: calls it back") {
			t.Errorf("reason %q", s.Reason)
		}
		// The messages come when their receiver does, to another controller too.
		run.halt()
		r.set(func() { clear(r.status); clear(r.calls) })
		run = w.run()
		for range 1000 {
			time.Sleep(time.Second)
			if len(run.Statuses()) > 0 && len(r.seen("/event")) >= 2 {
				break
			}
		}
		if got := r.seen("/event"); len(got) < 2 || got[len(got)-1] != uint64(len(w.events())) {
			t.Errorf("events %v were told after the restart; the API server has %v", got, w.events())
		}
		run.halt()
	})
}

func (r *receivers) seen(path string) (out []uint64) {
	r.set(func() { out = slices.Clone(r.calls[path]) })
	return out
}

// checks lets the rollouts of a world have a check. The candidate fails it while
// wrong says so, and stable while both do.
func (w *world) checks(wrong *[2]atomic.Bool) {
	c := check.Check{Name: "golden", Every: 2 * time.Second, Timeout: 5 * time.Second, Failures: 3,
		Effect: rollout.SignalRollback, Start: true, Running: true, Both: true}
	c.Probe = func(_ context.Context, address string) error {
		if arm := slices.Index([]string{"stable", "canary"}, address); wrong[arm].Load() {
			return errors.New("says score is 0.2, where 0.9 was expected")
		}
		return nil
	}
	w.cfg.Adapters.Outside = func(about cluster.Rollout) (Outside, error) {
		return Outside{Say: []engine.Outside{check.New(check.Config{
			Checks: []check.Check{c}, Name: about.Name, Logger: slog.New(slog.DiscardHandler),
			Addresses: func(_ context.Context, arm traffic.Arm, _ check.Check) (string, error) { return arm.String(), nil },
		})}}, nil
	}
	plan := w.cfg.Spec
	w.cfg.Spec = func(m *v1alpha1.ModelRollout, stable, canary rollout.Revision) (engine.Spec, error) {
		s, err := plan(m, stable, canary)
		s.Plan.Confirm = check.Confirm([]check.Check{c})
		return s, err
	}
}

func TestChecksOnACluster(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		var wrong [2]atomic.Bool
		wrong[traffic.Canary].Store(true)
		w.checks(&wrong)
		w.create(document())
		run := w.run()
		w.settle(run)
		w.offer(run, "b")
		s := w.until("taken back", phase(rollout.RolledBack))
		if !strings.Contains(s.Reason, "check golden: failed 3 times in a row: the candidate says score is 0.2, where 0.9 was expected; stable passes") {
			t.Errorf("reason %q", s.Reason)
		}
		for _, split := range w.router.Applied() {
			if split.Canary > 0 {
				t.Fatalf("the candidate was given %s of the traffic", split.Canary)
			}
		}
		// The next passes, becomes wrong at 10% together with stable, which
		// holds it, and then alone, which another controller finds too.
		wrong[traffic.Canary].Store(false)
		w.offer(run, "c")
		w.until("at 10%", weight("10%"))
		wrong[traffic.Stable].Store(true)
		wrong[traffic.Canary].Store(true)
		w.until("held", func(s v1alpha1.ModelRolloutStatus) bool { return strings.Contains(s.Waiting, "fails on both versions") })
		run.halt()
		wrong[traffic.Stable].Store(false)
		run = w.run()
		s = w.until("taken back", phase(rollout.RolledBack))
		if !strings.Contains(s.Reason, "check golden: failed 3 times in a row") {
			t.Errorf("reason %q", s.Reason)
		}
		run.halt()
	})
}

// TestAddressesThatAreNotAllowed are refused before anything is called.
func TestAddressesThatAreNotAllowed(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.cfg.AllowURL = func(address string) error {
			if strings.HasPrefix(address, "http://inside/") {
				return nil
			}
			return errors.New("is not allowed")
		}
		m := document()
		m.Spec.Hooks = []v1alpha1.Hook{{When: "event", URL: "http://inside/a"}, {When: "rollback", URL: "http://169.254.169.254/latest"}}
		w.create(m)
		run := w.run()
		w.until("refused", func(s v1alpha1.ModelRolloutStatus) bool {
			for _, c := range s.Conditions {
				if strings.Contains(c.Message, "spec.hooks[1].url: is not allowed") {
					return true
				}
			}
			return false
		})
		run.halt()
	})
}
