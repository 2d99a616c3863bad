package app

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/cli"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/web/client"
)

// small is a rollout of strangers that waits for a person at 20%.
func small(t *testing.T, stable, canary string) string {
	t.Helper()
	const steps = "{weight: 20}, {weight: 50}"
	text := strangers(stable, canary)
	if !strings.Contains(text, steps) {
		t.Fatal("the steps are others now")
	}
	return strings.Replace(text, steps, "{weight: 20}, {pause: {}}", 1)
}

// started is a rollout under way in this process.
type started struct {
	*client.Client
	t         *testing.T
	ctx       context.Context
	gateway   string
	preview   string
	flag      string
	dashboard string
	file      string // that it was started with
	stop      context.CancelFunc
	done      chan struct{}
	outcome   engine.Outcome
}

// start runs a rollout in this process, by a file of its own.
func start(t *testing.T, text, state string) *started {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	s := &started{t: t, ctx: ctx, stop: cancel, done: make(chan struct{}), file: filepath.Join(t.TempDir(), "rollout.yaml")}
	if err := os.WriteFile(s.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); <-s.done })
	ready := make(chan cli.Addresses, 1)
	go func() {
		defer close(s.done)
		var err error
		s.outcome, err = Run(ctx, cli.RunOptions{
			Rollout: parse(t, text), File: s.file, Dir: t.TempDir(), State: state, API: "127.0.0.1:0",
			Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Ready: func(a cli.Addresses) { ready <- a },
		})
		if err != nil && !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("run: %v", err)
		}
	}()
	select {
	case a := <-ready:
		s.gateway, s.flag, s.preview, s.dashboard = a.Gateway, a.Flag, a.Preview, a.Dashboard
		var err error
		if s.Client, err = client.New(a.Dashboard, ""); err != nil {
			t.Fatal(err)
		}
	case <-s.done:
		t.Fatal("it ended before it began")
	}
	return s
}

func (s *started) until(what string, is func(engine.Status) bool) engine.Status {
	s.t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end) && s.ctx.Err() == nil; {
		if st, err := s.Status(s.ctx, "strangers"); err == nil && is(st) {
			return st
		}
		time.Sleep(20 * time.Millisecond)
	}
	st, _ := s.Status(context.Background(), "strangers")
	s.t.Fatalf("never %s: %+v", what, st)
	return st
}
