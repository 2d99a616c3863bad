package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/exporter"
	"github.com/haldane-dev/haldane/internal/feedback"
	"github.com/haldane-dev/haldane/internal/gateway/fleet"
)

// run serves until ctx ends. Told to end it is not ready any more, but serves on
// for a while: it takes time until nobody is sent to it.
func (r *replica) run(ctx context.Context) error {
	o := &r.options
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	serving, drain := context.WithCancel(life)
	defer drain()
	data, ops := r.data, r.ops
	r.data, r.ops = nil, nil // theirs to close from here on
	g, broken := errgroup.WithContext(life)
	g.Go(func() error { r.follower.run(broken); return nil })
	g.Go(func() error { r.peers.Run(broken, o.Logger); return nil })
	g.Go(func() error {
		defer end() // the rest outlives the last request
		return r.gateway.Serve(serving, data)
	})
	server := &http.Server{Handler: r.handler, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10}
	g.Go(func() error {
		if err := server.Serve(ops); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve on %s: %w", ops.Addr(), err)
		}
		return nil
	})
	g.Go(func() error {
		<-broken.Done()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeGateway)
		defer cancel()
		return server.Shutdown(ctx)
	})
	o.Logger.Info("the gateway serves", "clients", data.Addr().String(), "ops", ops.Addr().String(), "table", r.follower.key.String())
	select {
	case <-broken.Done():
	case <-ctx.Done():
		close(r.leaving)
		select {
		case <-time.After(o.Linger):
		case <-broken.Done():
		}
	}
	drain()
	return g.Wait()
}

// answer makes the handler of metrics, health and the other replicas.
func (r *replica) answer(m *v1alpha1.ModelRollout) error {
	value, _ := valueBounds(m, "value")
	serving := func() exporter.Serving {
		d := r.recorders.Serving()
		out := exporter.Serving{Rollout: d.Rollout, Versions: d.Versions()}
		for i, v := range d.Variants {
			out.Variants = append(out.Variants, exporter.Variant{Name: d.Split.Variants[i].Name, Version: v.Version})
		}
		return out
	}
	metrics, err := exporter.Handler(
		steadily{r.recorders, exporter.Gateway(serving, r.recorders.Snapshot, value)},
		steadily{r.recorders, exporter.OfFeedback(serving, func() (exporter.Feedback, error) {
			return r.outcomes.of(r.recorders.Serving())
		})},
	)
	if err != nil {
		return fmt.Errorf("make the metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", r.ready)
	mux.HandleFunc("GET "+fleet.AckPath, func(w http.ResponseWriter, req *http.Request) {
		// Whoever asks for a table that is not here knows of a newer one, or an
		// older: the API server will say.
		if want := req.URL.Query().Get(fleet.AckWant); want != "" && want != r.carrier.Ack().Digest {
			r.follower.nudge()
		}
		r.carrier.ServeHTTP(w, req)
	})
	mux.Handle(feedback.PeerPath, r.relay.Peer())
	r.handler = mux
	return nil
}

func (r *replica) ready(w http.ResponseWriter, _ *http.Request) {
	select {
	case <-r.leaving:
		http.Error(w, "the gateway is shutting down", http.StatusServiceUnavailable)
		return
	default:
	}
	if r.carrier.Ack().Digest == "" {
		http.Error(w, "the gateway has no routing table yet", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

// steadily collects while nothing that is counted changes its name.
type steadily struct {
	recorders *fleet.Recorders
	from      prometheus.Collector
}

// Describe implements prometheus.Collector.
func (s steadily) Describe(ch chan<- *prometheus.Desc) { s.from.Describe(ch) }

// Collect implements prometheus.Collector.
func (s steadily) Collect(ch chan<- prometheus.Metric) {
	s.recorders.Read(func() {
		if s.recorders.Serving().Rollout != "" {
			s.from.Collect(ch)
		}
	})
}
