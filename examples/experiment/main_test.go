package main

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/app"
	"github.com/haldane-dev/haldane/internal/cli"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// TestTheExample runs rollout.yaml with servers of the test's own and shorter
// times: the broken arm is closed, and the popular one wins.
func TestTheExample(t *testing.T) {
	text, err := os.ReadFile("rollout.yaml")
	if err != nil {
		t.Fatal(err)
	}
	changes := []string{
		"127.0.0.1:8080", "127.0.0.1:0", "warmup: 2s", "interval: 100ms\n    warmup: 200ms", "maturity: 2s", "maturity: 400ms",
		"minDuration: 10s", "minDuration: 5s\n      scaleDownDelay: 100ms", "allocateEvery: 5s", "allocateEvery: 1s", "5pp", "20pp",
	}
	for _, v := range []string{"v1", "v2", "v3", "v4"} {
		s := httptest.NewServer(shop(v))
		defer s.Close()
		changes = append(changes, `command: [go, run, ., --variant, `+v+`, --listen, "{address}"]`, `url: "`+s.URL+`"`)
	}
	for i := 0; i < len(changes); i += 2 {
		if !strings.Contains(string(text), changes[i]) {
			t.Fatalf("rollout.yaml has no %q", changes[i])
		}
	}
	m, err := v1alpha1.Load("rollout.yaml", strings.NewReader(strings.NewReplacer(changes...).Replace(string(text))))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	load, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	var last engine.Status
	end, err := app.Run(ctx, cli.RunOptions{
		Rollout: m, Dir: t.TempDir(), State: filepath.Join(t.TempDir(), "state.db"), API: "127.0.0.1:0",
		Logger: slog.New(slog.DiscardHandler),
		Ready:  func(a cli.Addresses) { wg.Go(func() { crowd(load, a.Gateway, 2*time.Millisecond) }) },
		Update: func(u engine.Update) {
			if u.Status != nil {
				last = *u.Status
			}
		},
	})
	if err != nil || end.Phase != rollout.Completed || !strings.HasPrefix(end.Reason, "popular wins") {
		t.Fatalf("ended %+v, %v", end, err)
	}
	if x := last.Experiment; x == nil || !strings.Contains(x.Arms[3].Closed, "errors") {
		t.Errorf("the broken arm is still open: %+v", x)
	}
}
