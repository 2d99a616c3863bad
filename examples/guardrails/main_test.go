package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/app"
	"github.com/haldane-dev/haldane/internal/cli"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// TestTheExample runs rollout.yaml against the monitoring system, with servers and
// ports of the test's own and shorter times: the good candidate, one whose queue
// grows, and one that earns less.
func TestTheExample(t *testing.T) {
	for name, c := range map[string]struct {
		candidate, depth string
		want             rollout.Phase
		why              string
	}{
		"good":  {"good", "20", rollout.Promoted, ""},
		"queue": {"good", "200", rollout.RolledBack, "guardrail queue: is at 200, above its max of 100"},
		"cheap": {"cheap", "20", rollout.RolledBack, "revenue of the canary at "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			monitoring := httptest.NewServer(monitor())
			defer monitoring.Close()
			resp, err := http.PostForm(monitoring.URL+"/queue", url.Values{"depth": {c.depth}})
			if err != nil || resp.StatusCode != http.StatusOK {
				t.Fatalf("%v, %v", resp, err)
			}
			_ = resp.Body.Close()
			if end := play(t, monitoring.URL, c.candidate); end.Phase != c.want || !strings.Contains(end.Reason, c.why) {
				t.Errorf("ended %+v", end)
			}
		})
	}
}

// outcome is how a rollout ended.
type outcome struct {
	Phase  rollout.Phase
	Reason string
}

// play runs the example's file.
func play(t *testing.T, monitoring, candidate string) outcome {
	t.Helper()
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"label":"yes","score":0.9}`)
	})
	stable, canary := httptest.NewServer(answer), httptest.NewServer(answer)
	defer stable.Close()
	defer canary.Close()
	text, err := os.ReadFile("rollout.yaml")
	if err != nil {
		t.Fatal(err)
	}
	m, err := v1alpha1.Load("rollout.yaml", strings.NewReader(strings.NewReplacer(
		"http://127.0.0.1:9100", monitoring, "http://127.0.0.1:9001", stable.URL, "http://127.0.0.1:9002", canary.URL,
		"version: good", "version: "+candidate, `":8080"`, `"127.0.0.1:0"`, "warmup: 5s", "interval: 100ms\n    warmup: 200ms",
		"2pp", "20pp", "every: 2s", "every: 100ms",
	).Replace(string(text))))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	load, stop := context.WithCancel(ctx)
	defer stop()
	end, err := app.Run(ctx, cli.RunOptions{
		Rollout: m, Dir: t.TempDir(), State: filepath.Join(t.TempDir(), "state.db"), API: "127.0.0.1:0",
		Logger: slog.New(slog.DiscardHandler),
		Ready: func(a cli.Addresses) {
			for range 4 {
				wg.Go(func() { users(load, a.Gateway) })
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return outcome{end.Phase, end.Reason}
}

// users send requests until ctx ends.
func users(ctx context.Context, gateway string) {
	for ctx.Err() == nil {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, gateway+"/score", strings.NewReader(`{"x":1}`))
		if err != nil {
			return
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	}
}
