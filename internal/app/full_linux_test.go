package app

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/cli"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
	"github.com/haldane-dev/haldane/internal/web/client"
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
	t       *testing.T
	ctx     context.Context
	gateway string
	stop    context.CancelFunc
	done    chan struct{}
	outcome engine.Outcome
}

func start(t *testing.T, text, state string) *started {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	s := &started{t: t, ctx: ctx, stop: cancel, done: make(chan struct{})}
	t.Cleanup(func() { cancel(); <-s.done })
	ready := make(chan cli.Addresses, 1)
	go func() {
		defer close(s.done)
		var err error
		s.outcome, err = Run(ctx, cli.RunOptions{
			Rollout: parse(t, text), Dir: t.TempDir(), State: state, API: "127.0.0.1:0",
			Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Ready: func(a cli.Addresses) { ready <- a },
		})
		if err != nil && !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("run: %v", err)
		}
	}()
	select {
	case a := <-ready:
		s.gateway = a.Gateway
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
