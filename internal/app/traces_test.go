package app

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/cli"
	"github.com/haldane-dev/haldane/internal/engine"
)

func TestNobodyTraces(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "")
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "")
	var x traces
	if err := x.open("", slog.Default()); err != nil || x.tracer() != nil {
		t.Errorf("error %v, tracer %v: want none of either", err, x.tracer())
	}
	x.close(t.Context(), slog.Default())
	if err := x.open("collector:4318", slog.Default()); err == nil {
		t.Error("an address without a scheme is taken")
	}
}

// TestTracesOfARun: a server of traces gets spans with the arm, and one that is
// away holds nothing up.
func TestTracesOfARun(t *testing.T) {
	got := make(chan string, 1000)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- r.URL.Path + " " + string(body)
	}))
	defer collector.Close()
	for name, endpoint := range map[string]string{"there": collector.URL, "away": "http://127.0.0.1:1"} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			log := io.Discard
			_, err := Run(ctx, cli.RunOptions{
				Rollout: parse(t, strangers(model(t, 0), model(t, 0))), Dir: t.TempDir(), State: filepath.Join(t.TempDir(), "state.db"),
				API: "127.0.0.1:0", Traces: endpoint, Logger: slog.New(slog.NewTextHandler(log, nil)),
				Ready: func(a cli.Addresses) { drive(ctx, t, a.Gateway) },
				Update: func(u engine.Update) {
					if u.Status != nil && u.Status.Totals["stable"].Requests > 10 {
						cancel() // as an interrupt does
					}
				},
			})
			if err != nil {
				t.Errorf("run: %v", err)
			}
		})
	}
	if len(got) == 0 {
		t.Fatal("no spans arrived")
	}
	if first := <-got; !strings.HasPrefix(first, "/v1/traces ") || !strings.Contains(first, "haldane.arm") || !strings.Contains(first, "strangers") {
		t.Errorf("what arrived is %.200q", first)
	}
}
