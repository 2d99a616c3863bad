package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"
)

const defaultGrace = 10 * time.Second

// once runs the command until it ends or ctx does. It returns for how long it
// was ready, and why it ended.
func (u *unit) once(ctx context.Context) (ready time.Duration, err error) {
	at, host, port, err := u.place()
	if err != nil {
		return 0, err
	}
	tail := &lastLine{}
	c := u.command(host, port, tail)
	ended, err := launch(c)
	if err != nil {
		return 0, fmt.Errorf("start %s: %w", u.endpoint.Command[0], err)
	}
	u.mu.Lock()
	u.url = at
	u.mu.Unlock()
	u.changed()
	u.log.Info("started", "pid", c.Process.Pid, "url", at)

	v := u.probe(ctx, at)
	select {
	case err = <-ended:
		err = tail.explain(err)
		_ = signalGroup(c.Process, os.Kill) // what it left behind in its group
	case <-v.watching.Done():
		err = context.Cause(v.watching)
		u.end(c, ended)
	}
	return v.stop(), err
}

// vitals are the probes of one run of a command.
type vitals struct {
	watching context.Context // ends with the run's, or when the command must be ended
	cancel   context.CancelCauseFunc
	probes   sync.WaitGroup

	// Owned by the readiness probe until probes has been waited for.
	since time.Time
	total time.Duration
}

// stop ends the probes and returns for how long the command was ready.
func (v *vitals) stop() time.Duration {
	v.cancel(nil)
	v.probes.Wait()
	if !v.since.IsZero() {
		v.total += time.Since(v.since)
	}
	return v.total
}

// probe begins to probe the command that is to listen at an address.
func (u *unit) probe(ctx context.Context, at string) *vitals {
	v := &vitals{}
	v.watching, v.cancel = context.WithCancelCause(ctx)
	begun := make(chan struct{}) // closed when it has first been ready
	first := sync.OnceFunc(func() { close(begun) })
	v.probes.Go(func() {
		u.endpoint.Readiness.run(v.watching, at, func(ok bool, err error) bool {
			switch {
			case ok && v.since.IsZero():
				v.since = time.Now()
				first()
			case !ok && !v.since.IsZero():
				v.total, v.since = v.total+time.Since(v.since), time.Time{}
			}
			u.report(v.watching, ok, err)
			return true
		})
	})
	if u.endpoint.Liveness == (Probe{}) {
		return v
	}
	v.probes.Go(func() {
		select { // loading a model takes its time: that is no failure
		case <-begun:
		case <-v.watching.Done():
		}
		u.endpoint.Liveness.run(v.watching, at, func(ok bool, err error) bool {
			if !ok {
				v.cancel(fmt.Errorf("its liveness probe failed: %w", err))
			}
			return ok
		})
	})
	return v
}

// place returns where the command is to listen.
func (u *unit) place() (at, host, port string, err error) {
	if u.endpoint.URL != "" {
		p, err := url.Parse(u.endpoint.URL)
		if err != nil {
			return "", "", "", err
		}
		_, port, err := net.SplitHostPort(hostPort(p))
		return u.endpoint.URL, p.Hostname(), port, err
	}
	// The port is free now and may be taken before the command listens. It
	// then ends, and is started again with another.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", "", fmt.Errorf("find a free port: %w", err)
	}
	host, port, err = net.SplitHostPort(l.Addr().String())
	if err := errors.Join(err, l.Close()); err != nil {
		return "", "", "", fmt.Errorf("find a free port: %w", err)
	}
	return "http://" + net.JoinHostPort(host, port), host, port, nil
}

// command builds the process to start.
func (u *unit) command(host, port string, tail *lastLine) *exec.Cmd {
	fill := strings.NewReplacer("{port}", port, "{host}", host, "{address}", net.JoinHostPort(host, port))
	args := make([]string, len(u.endpoint.Command))
	for i, a := range u.endpoint.Command {
		args[i] = fill.Replace(a)
	}
	c := exec.Command(args[0], args[1:]...)
	c.Dir = u.endpoint.Dir
	c.Env = append(os.Environ(), "PORT="+port, "HOST="+host, "ADDRESS="+net.JoinHostPort(host, port))
	for k, v := range u.endpoint.Env {
		c.Env = append(c.Env, k+"="+fill.Replace(v))
	}
	// One writer for both, so that lines are never mixed and one goroutine copies.
	out := u.output.of(u.role.String(), tail)
	c.Stdout, c.Stderr = out, out
	c.WaitDelay = time.Second // a grandchild may hold the pipe after the command has ended
	c.SysProcAttr = attributes()
	return c
}

// launch starts c and returns a channel that receives how it ended, once.
//
// The kernel ties a child's death signal to the thread that started it, not to
// the process: the thread is kept until the child has ended.
func launch(c *exec.Cmd) (<-chan error, error) {
	started, ended := make(chan error, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := c.Start()
		started <- err
		if err == nil {
			ended <- c.Wait()
		}
	}()
	return ended, <-started
}

// end asks the command's group to end, and makes it after the grace period.
func (u *unit) end(c *exec.Cmd, ended <-chan error) {
	grace := cmp.Or(u.endpoint.StopGrace, defaultGrace)
	_ = signalGroup(c.Process, terminate) // it may have ended meanwhile
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
		u.log.Warn("the command does not end when asked: it is killed", "pid", c.Process.Pid, "after", grace)
		_ = signalGroup(c.Process, os.Kill)
		<-ended
	}
	_ = signalGroup(c.Process, os.Kill) // what it left behind in its group
	u.log.Info("stopped", "pid", c.Process.Pid)
}

// isNoProgram reports whether trying again cannot help.
func isNoProgram(err error) bool {
	return errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)
}
