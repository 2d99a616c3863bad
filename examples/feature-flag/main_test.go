package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/app"
	"github.com/haldane-dev/haldane/internal/cli"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// TestTheExample runs rollout.yaml with shorter times, and the application beside
// it.
func TestTheExample(t *testing.T) {
	text, err := os.ReadFile("rollout.yaml")
	if err != nil {
		t.Fatal(err)
	}
	changed := string(text)
	for from, to := range map[string]string{
		"127.0.0.1:8016": "127.0.0.1:0", "warmup: 1s": "warmup: 200ms", "maturity: 2s": "maturity: 1s",
		"interval: 250ms": "interval: 100ms", "scaleDownDelay: 1s": "scaleDownDelay: 100ms",
	} {
		if !strings.Contains(changed, from) {
			t.Fatalf("rollout.yaml has no %q", from)
		}
		changed = strings.ReplaceAll(changed, from, to)
	}
	m, err := v1alpha1.Load("rollout.yaml", strings.NewReader(changed))
	if err != nil {
		t.Fatal(err)
	}
	for variant, want := range map[string]rollout.Phase{
		"good": rollout.Promoted, "worse": rollout.RolledBack, "broken": rollout.RolledBack,
	} {
		if testing.Short() && variant != "worse" {
			continue
		}
		t.Run(variant, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			load, stop := context.WithCancel(ctx)
			served := make(chan struct{})
			out, err := app.Run(ctx, cli.RunOptions{
				Rollout: m, State: filepath.Join(t.TempDir(), "state.db"), Dir: t.TempDir(), API: "127.0.0.1:0",
				Logger: slog.New(slog.DiscardHandler),
				Ready: func(at cli.Addresses) {
					go func() {
						defer close(served)
						a := &application{flag: at.Flag, models: map[string]model{"v1": variants["v1"], "v2": variants[variant]}}
						a.run(load, time.Second/300)
					}()
				},
			})
			stop()
			if err != nil {
				t.Fatal(err)
			}
			<-served
			if out.Phase != want {
				t.Errorf("ended %+v, want %s", out, want)
			}
		})
	}
}

// TestTheClusterFile: an API server and the controller would take it, and the
// documentation shows it as it is.
func TestTheClusterFile(t *testing.T) {
	text, err := os.ReadFile("cluster.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v1alpha1.LoadCluster("cluster.yaml", strings.NewReader(string(text))); err != nil {
		t.Error(err)
	}
	doc, err := os.ReadFile("../../docs/flags.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(doc), string(text)) {
		t.Error("docs/flags.md shows another file")
	}
}
