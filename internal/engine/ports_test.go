package engine

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// TestRouterErrorsAreRetried: they show, are logged ever more rarely, and no
// arm that may still carry traffic is ended.
func TestRouterErrorsAreRetried(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		var broken atomic.Bool
		w.router.OnApply = func(traffic.Split) error {
			if broken.Load() {
				return errors.New("the API server is away")
			}
			return nil
		}
		var log bytes.Buffer
		w.config = func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) }
		r := w.run()
		r.weight(5)
		broken.Store(true)
		reply, err := r.Submit(context.Background(), rollout.Command{Verb: rollout.Abort})
		if err != nil || !reply.Accepted {
			t.Fatalf("abort: %+v, %v", reply, err)
		}
		time.Sleep(10 * time.Minute)
		s := r.Status()
		if len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "the API server is away") {
			t.Errorf("warnings %q", s.Warnings)
		}
		if !w.models.Scale().Canary {
			t.Error("the canary was ended while it carries traffic")
		}
		if _, ended := r.Outcome(); ended {
			t.Error("it is said to have ended")
		}
		broken.Store(false)
		if o := r.outcome(); o.Phase != rollout.RolledBack {
			t.Errorf("outcome %+v", o)
		}
		r.halt()
		// 600 failures: at 1, 2, 4 … 512.
		if n := strings.Count(log.String(), "the API server is away"); n < 5 || n > 12 {
			t.Errorf("%d lines about it in the log", n)
		}
		if !strings.Contains(log.String(), "works again: apply the split") {
			t.Error("the log does not say that it works again")
		}
	})
}

// TestHungPorts: a port that never comes back, whatever its context says, does
// not keep an abort waiting.
func TestHungPorts(t *testing.T) {
	for _, port := range []string{"router", "workload", "source"} {
		t.Run(port, func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				var hung atomic.Bool
				release := make(chan struct{})
				defer close(release)
				hang := func() {
					if hung.Load() {
						<-release
					}
				}
				switch port {
				case "router":
					w.router.OnObserve = func(context.Context, *traffic.Observed) error { hang(); return nil }
				case "workload":
					w.models.OnObserve = func(context.Context, map[rollout.Role]rollout.Health) error { hang(); return nil }
				case "source":
					w.source.OnCollect = func(context.Context) error { hang(); return nil }
				}
				r := w.run()
				defer r.cancel()
				r.weight(25)
				hung.Store(true)
				time.Sleep(10 * time.Second)
				if len(r.Status().Warnings) == 0 {
					t.Error("nothing is said about a port that does not answer")
				}
				began := time.Now()
				if _, err := r.Submit(context.Background(), rollout.Command{Verb: rollout.Abort}); err != nil {
					t.Fatal(err)
				}
				if s, _ := w.router.Current(); s.Canary != 0 {
					t.Errorf("after the abort the canary has %s", s.Canary)
				}
				if d := time.Since(began); d > DefaultTimeout+time.Second {
					t.Errorf("the abort took %s", d)
				}
			})
		})
	}
}

// TestEvidenceRollsBackPastAHungWorkload: what is hung delays a rollback by one
// timeout, not for ever.
func TestEvidenceRollsBackPastAHungWorkload(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		var hung atomic.Bool
		release := make(chan struct{})
		defer close(release)
		w.models.OnObserve = func(context.Context, map[rollout.Role]rollout.Health) error {
			if hung.Load() {
				<-release
			}
			return nil
		}
		r := w.run()
		defer r.cancel()
		r.weight(25)
		hung.Store(true)
		w.bad.Store(100)
		began := time.Now()
		r.until("off the canary", func(s Status) bool { return s.Wanted.Canary == 0 && s.Phase != rollout.Initializing })
		if d := time.Since(began); d > 15*time.Second {
			t.Errorf("the rollback took %s", d)
		}
	})
}
