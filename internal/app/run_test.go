package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/cli"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/web/client"
)

// model is a server that knows nothing of Haldane and answers plain JSON. It
// fails the given share of its requests, in percent.
func model(t *testing.T, failing int) string {
	t.Helper()
	var mu sync.Mutex
	n := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		n++
		fail := n*37%100 < failing
		mu.Unlock()
		_, _ = io.Copy(io.Discard, r.Body)
		if fail && r.Method == http.MethodPost {
			http.Error(w, "no", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"label":"yes","score":0.9}`)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func strangers(stable, canary string) string {
	return fmt.Sprintf(`apiVersion: haldane.dev/v1alpha1
kind: ModelRollout
metadata: {name: strangers}
spec:
  endpoints:
    stable: {version: v1, url: %q, readiness: {interval: 100ms}}
    canary: {version: v2, url: %q, readiness: {interval: 100ms}}
  strategy: {canary: {scaleDownDelay: 100ms, steps: [{weight: 20}, {weight: 50}, {weight: 100}]}}
  routing: {gateway: {listen: "127.0.0.1:0"}}
  analysis:
    interval: 100ms
    warmup: 200ms
    maxDuration: 90s
    onDeadline: Rollback
    metrics: [{name: errors, errorRate: {maxIncrease: 20pp}}]
`, stable, canary)
}

// drive sends requests, a few at a time, until ctx ends.
func drive(ctx context.Context, t *testing.T, gateway string) {
	t.Helper()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, gateway+"/score", strings.NewReader(`{"x":1}`))
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("Content-Type", "application/json")
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					continue // the gateway has drained
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
		})
	}
	t.Cleanup(wg.Wait)
}

func play(t *testing.T, stable, canary, state string) engine.Outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	load, stop := context.WithCancel(ctx)
	defer stop()
	out, err := Run(ctx, cli.RunOptions{
		Rollout: parse(t, strangers(stable, canary)), Dir: t.TempDir(), State: state, API: "127.0.0.1:0",
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Ready: func(a cli.Addresses) {
			drive(load, t, a.Gateway)
			c, err := client.New(a.Dashboard, "")
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := c.Status(ctx, "strangers"); err != nil {
				t.Errorf("the API: %v", err)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestStrangersArePromoted(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state.db")
	stable, canary := model(t, 0), model(t, 0)
	if out := play(t, stable, canary, state); out.Phase != rollout.Promoted {
		t.Fatalf("ended %+v, want Promoted", out)
	}
	// The same file again: it has ended, and stays so.
	if out := play(t, stable, canary, state); out.Phase != rollout.Promoted {
		t.Errorf("run again it ended %+v, want Promoted", out)
	}
}

func TestAFailingStrangerIsTakenBack(t *testing.T) {
	out := play(t, model(t, 0), model(t, 60), filepath.Join(t.TempDir(), "state.db"))
	if out.Phase != rollout.RolledBack || !strings.Contains(out.Reason, "errors") {
		t.Errorf("ended %+v, want RolledBack because of errors", out)
	}
}

func TestAPortInUseIsSaid(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	_, err = Run(t.Context(), cli.RunOptions{
		Rollout: parse(t, strangers(model(t, 0), model(t, 0))), Dir: t.TempDir(), API: taken.Addr().String(),
	})
	if err == nil || !strings.Contains(err.Error(), "--api") {
		t.Errorf("error %v, want one that names --api", err)
	}
}
