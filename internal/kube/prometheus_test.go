package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/metric/prometheus"
	"github.com/haldane-dev/haldane/internal/metric/prometheus/prometheustest"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// scraped is a Prometheus that scrapes the world every fifteen seconds, some of
// its processes a little later than others.
type scraped struct {
	prometheustest.Server
	mu   sync.Mutex
	away bool
}

// RoundTrip answers without a network, so that it can be asked in a bubble.
func (s *scraped) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return nil, errors.New("connection refused")
	}
	out := httptest.NewRecorder()
	s.ServeHTTP(out, r)
	return out.Result(), nil
}

func (s *scraped) set(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

// scrape keeps what the world has counted, until ctx ends.
func (s *scraped) scrape(ctx context.Context, w *world) {
	told := func(arm string, n, k int64) {
		s.Scrape(w.t, time.Now(), map[string]string{"arm": arm}, fmt.Sprintf("requests_total{code=\"200\"} %d\nrequests_total{code=\"500\"} %d\n", n-k, k))
	}
	for {
		c := w.source.total()
		told("stable", c.StableN, c.StableK)
		pause(ctx, 7*time.Second)
		if c = w.source.total(); c.CanaryN > 0 { // it has answered something
			told("canary", c.CanaryN, c.CanaryK)
		}
		if pause(ctx, 8*time.Second); ctx.Err() != nil {
			return
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// total is everything that ever happened.
func (h *history) total() (sum count) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.what {
		sum = count{sum.StableN + c.StableN, sum.StableK + c.StableK, sum.CanaryN + c.CanaryN, sum.CanaryK + c.CanaryK}
	}
	return sum
}

// TestByPrometheus runs rollouts on what a Prometheus has scraped: a good candidate
// is promoted, through an outage and another controller, and a bad one taken back.
func TestByPrometheus(t *testing.T) {
	for _, c := range []struct {
		bad  int64
		want rollout.Phase
	}{{1, rollout.Promoted}, {8, rollout.RolledBack}} {
		t.Run(string(c.want), func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				server := &scraped{}
				w.cfg.Adapters.Source = func(cluster.Rollout) (metric.Source, error) {
					arms, err := prometheus.ByLabel("arm", "stable", "canary")
					if err != nil {
						return nil, err
					}
					return prometheus.New(prometheus.Config{
						Address: "http://prometheus:9090", Transport: server, Arms: arms,
						Metrics: map[string]analysis.Metric{"errors": {Name: "errors", Kind: analysis.ErrorRate}},
						Series:  map[string]prometheus.Series{"errors": {"total": "requests_total", "bad": `requests_total{code="500"}`}},
					})
				}
				w.cfg.Spec = func(m *v1alpha1.ModelRollout, stable, canary rollout.Revision) (engine.Spec, error) {
					spec, err := planOf(m, stable, canary)
					spec.Plan.Analysis.SRM = 0.001 // an arm that is silent makes the comparison invalid
					return spec, err
				}
				ctx, stop := context.WithCancel(context.Background())
				defer stop()
				go server.scrape(ctx, w)
				w.worse(c.bad)
				w.create(document())
				r := w.run()
				w.settle(r)
				time.Sleep(time.Minute)
				w.offer(r, "b")
				w.until("at 10%", weight("10%"))
				if c.want == rollout.Promoted {
					server.set(true)
					w.until("blind", func(s v1alpha1.ModelRolloutStatus) bool {
						return !holds(s, v1alpha1.ConditionSourceAvailable) && s.Waiting != ""
					})
					r.halt()
					w.run()
					time.Sleep(3 * time.Minute)
					server.set(false)
				}
				s := w.until("at its end", func(s v1alpha1.ModelRolloutStatus) bool { return rollout.Phase(s.Phase).Terminal() })
				if s.Phase != string(c.want) {
					t.Errorf("phase %s: %s", s.Phase, s.Reason)
				}
				for _, e := range w.events() {
					if e == string(rollout.EventInvalid) {
						t.Error("the comparison was called invalid on the way")
					}
				}
			})
		})
	}
}
