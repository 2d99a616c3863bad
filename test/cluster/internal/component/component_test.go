package component

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// script returns a component that is ready once it has made a file.
func script(t *testing.T, text string) (*Component, string) {
	dir := t.TempDir()
	ready := filepath.Join(dir, "ready")
	c := New(Spec{
		Name: "script", Path: "/bin/sh", Args: []string{"-c", text}, Env: []string{"READY=" + ready},
		Log:   filepath.Join(dir, "log"),
		Ready: func(context.Context) error { _, err := os.Stat(ready); return err },
	})
	t.Cleanup(func() { c.Stop(true) })
	return c, ready
}

func TestStartStopStart(t *testing.T) {
	c, ready := script(t, `trap 'rm "$READY"; exit 0' TERM; touch "$READY"; while :; do sleep 0.05; done`)
	for range 2 {
		if err := c.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !c.Running() {
			t.Error("it was started and is not running")
		}
		c.Stop(false)
		if _, err := os.Stat(ready); c.Running() || !errors.Is(err, os.ErrNotExist) {
			t.Errorf("running=%t after a stop, its end was in good order: %v", c.Running(), err)
		}
	}
}

func TestKillAsksNobody(t *testing.T) {
	c, ready := script(t, `trap 'rm "$READY"' TERM; touch "$READY"; while :; do sleep 0.05; done`)
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.Stop(true)
	if _, err := os.Stat(ready); c.Running() || err != nil {
		t.Errorf("running=%t; the program was asked (%v)", c.Running(), err)
	}
}

func TestStartTellsWhyNot(t *testing.T) {
	c, _ := script(t, "exit 3")
	if err := c.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("it ended at once: %v, want the exit status", err)
	}
	c, _ = script(t, "sleep 60")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Start(ctx); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("nobody waits for it: %v", err)
	}
}
