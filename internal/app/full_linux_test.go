package app

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// inside names the folder to mount a small disk on, in the process that has a
// mount namespace of its own.
const inside = "HALDANE_APP_TEST_DISK"

// TestAFullDisk runs a rollout whose state file is on a real disk of one
// megabyte, which is then filled.
func TestAFullDisk(t *testing.T) {
	if dir := os.Getenv(inside); dir != "" {
		onASmallDisk(t, dir)
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), self, "-test.run=^TestAFullDisk$", "-test.v")
	c.Env = append(os.Environ(), inside+"="+t.TempDir())
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	out, err := c.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
	case errors.As(err, &exit):
		t.Fatalf("%v\n%s", err, out)
	default:
		t.Skipf("this machine gives an ordinary user no disk of their own (user namespaces): %v", err)
	}
	if bytes.Contains(out, []byte("--- SKIP")) {
		t.Skipf("%s", out)
	}
}

func onASmallDisk(t *testing.T, dir string) {
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("mount a disk of a megabyte: %v", err)
	}
	state := filepath.Join(dir, "state.db")
	text := small(t, model(t, 0), model(t, 0))
	s := start(t, text, state)
	load, calm := context.WithCancel(s.ctx)
	defer calm()
	drive(load, t, s.gateway)
	paused := func(st engine.Status) bool {
		return st.Hold != nil && st.Hold.Kind == engine.HeldByStep && st.Observed.Canary == traffic.Percent(20)
	}
	s.until("at its pause", paused)
	ballast := filepath.Join(dir, "ballast")
	fill(t, ballast)
	full := s.until("full", func(st engine.Status) bool {
		return strings.Contains(strings.Join(st.Warnings, "\n"), "no space left on device. Make room on the disk")
	})
	if !paused(full) {
		t.Errorf("on a full disk it is %s, %s on the canary", full.Phase, full.Observed.Canary)
	}
	// The state may still find room in the file where the journal does not. What
	// is answered as done is saved, and what is not was not done.
	held, err := s.Submit(s.ctx, "strangers", rollout.Command{Verb: rollout.Hold, By: "ann"})
	if err != nil && !strings.Contains(err.Error(), "nothing was done") {
		t.Errorf("a command that cannot be saved: %v", err)
	}
	served := s.until("served", func(st engine.Status) bool {
		return st.Totals["canary"].Requests > full.Totals["canary"].Requests+20 && st.Totals["stable"].Requests > full.Totals["stable"].Requests+50
	})
	if served.Totals["canary"].Errors+served.Totals["stable"].Errors > 0 {
		t.Errorf("requests failed: %+v", served.Totals)
	}
	calm()
	s.stop() // as a restart does, while the disk is full
	<-s.done
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	s = start(t, text, state)
	again := s.until("at its pause again", func(st engine.Status) bool {
		return st.Hold != nil && st.Observed.Canary == traffic.Percent(20)
	})
	if len(again.Warnings) > 0 || again.Attempt != 1 || (again.Hold.Kind == engine.HeldByPerson) != (err == nil && held.Accepted) {
		t.Errorf("with room again: attempt %d, held by %+v after %+v, %q", again.Attempt, again.Hold, held, again.Warnings)
	}
	if r, err := s.Submit(s.ctx, "strangers", rollout.Command{Verb: rollout.Promote}); err != nil || !r.Accepted {
		t.Fatalf("promote: %+v, %v", r, err)
	}
	<-s.done
	if s.outcome.Phase != rollout.Promoted {
		t.Errorf("ended %+v, want Promoted", s.outcome)
	}
}

// fill leaves no room on the disk of file.
func fill(t *testing.T, file string) {
	t.Helper()
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	end := func() { once.Do(func() { _ = f.Close() }) }
	defer end()
	for err = error(nil); err == nil; {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("fill the disk: %v", err)
	}
}
