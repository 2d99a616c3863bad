package kube

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/guardrail"
	"github.com/haldane-dev/haldane/internal/outbound"
	"github.com/haldane-dev/haldane/internal/reading/provider"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// stock is a server that tells how deep a queue is, without a network.
type stock struct {
	mu    sync.Mutex
	depth float64
	down  bool
}

func (s *stock) set(depth float64, down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.depth, s.down = depth, down
}

func (s *stock) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return nil, errors.New("connection refused")
	}
	if got := r.URL.Query().Get("of"); got != ns+"/"+name {
		return nil, fmt.Errorf("what is %q?", got)
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(fmt.Sprintf(`{"depth":%v}`, s.depth)))}, nil
}

// limit lets the rollouts of a world have a guardrail.
func (w *world) limit(s *stock) {
	c := outbound.New(outbound.Options{Transport: s})
	w.cfg.Adapters.Outside = func(about cluster.Rollout) (Outside, error) {
		r, err := provider.JSON(provider.JSONConfig{URL: "http://queue.shop/?of={{namespace}}/{{name}}", Path: "$.depth", HTTP: c.HTTP()})
		if err != nil {
			return Outside{}, err
		}
		most := 100.
		return Outside{Say: []engine.Outside{guardrail.New(guardrail.Config{
			Name: about.Name, Namespace: about.Namespace, Logger: slog.New(slog.DiscardHandler),
			Limits: []guardrail.Limit{{Name: "queue", Reader: r, Max: &most, Failures: 3, Of: 3, Every: 10 * time.Second,
				Effect: rollout.SignalRollback, OnMissing: guardrail.Hold}},
		})}}, nil
	}
}

// TestGuardrailsOnACluster: what cannot be read holds, another controller goes on
// from there, and three readings outside the limit take the candidate back.
func TestGuardrailsOnACluster(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		s := &stock{depth: 20}
		w.limit(s)
		w.create(document())
		run := w.run()
		w.settle(run)
		w.offer(run, "b")
		w.until("at 10%", weight("10%"))
		s.set(20, true)
		w.waits("guardrail queue: cannot be read: ask queue.shop: connection refused")
		run.halt()
		run = w.run()
		w.waits("guardrail queue: cannot be read")
		s.set(200, false)
		st := w.until("taken back", phase(rollout.RolledBack))
		if !strings.Contains(st.Reason, "guardrail queue: is at 200, above its max of 100; outside its limits in 3 of 3 readings") {
			t.Errorf("reason %q", st.Reason)
		}
		run.halt()
	})
}

// TestAGuardrailThatIsKept does not keep a good candidate.
func TestAGuardrailThatIsKept(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.limit(&stock{depth: 20})
		w.create(document())
		run := w.run()
		w.settle(run)
		w.offer(run, "b")
		w.until("promoted", phase(rollout.Promoted))
		// How it stands is told by the controller's own metrics.
		all := run.Statuses()
		if len(all) != 1 || len(all[0].Watches) != 1 || all[0].Watches[0].State != engine.WatchPassing || *all[0].Watches[0].Value != 20 {
			t.Errorf("statuses %+v", all)
		}
		run.halt()
	})
}

// TestReadingsThatAreNotAllowed are refused before anybody is asked.
func TestReadingsThatAreNotAllowed(t *testing.T) {
	for path, change := range map[string]func(*v1alpha1.Analysis){
		"spec.analysis.guardrails[0].from.json.url": func(a *v1alpha1.Analysis) {
			a.Guardrails = []v1alpha1.Guardrail{{Name: "a", Max: new(float64), Reading: v1alpha1.Reading{
				From: &v1alpha1.Provider{JSON: &v1alpha1.JSONQuery{URL: "http://169.254.169.254/latest", Path: "$.a"}}}}}
		},
		"spec.analysis.anomalies[0].from.prometheus.address": func(a *v1alpha1.Analysis) {
			a.Anomalies = []v1alpha1.Anomaly{{Name: "a", Reading: v1alpha1.Reading{
				From: &v1alpha1.Provider{Prometheus: &v1alpha1.PrometheusQuery{Address: "http://elsewhere:9090", Query: "x"}}}}}
		},
	} {
		t.Run(path, func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				w.cfg.AllowURL = func(address string) error {
					if strings.HasPrefix(address, "http://inside/") {
						return nil
					}
					return errors.New("is not allowed")
				}
				m := document()
				change(&m.Spec.Analysis)
				w.create(m)
				run := w.run()
				w.until("refused", func(s v1alpha1.ModelRolloutStatus) bool {
					for _, c := range s.Conditions {
						if strings.Contains(c.Message, path+": is not allowed") {
							return true
						}
					}
					return false
				})
				run.halt()
			})
		})
	}
}
