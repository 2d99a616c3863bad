package component

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// stopGrace is how long a component may take to end by itself before it is
// killed.
const stopGrace = 15 * time.Second

// Spec says what to run and how to tell that it answers.
type Spec struct {
	Name string
	Path string
	Args []string
	Env  []string // added to the supervisor's own
	Log  string
	// Ready returns nil once the component answers. It is asked again and
	// again until it does.
	Ready func(context.Context) error
}

// Component is one program of the cluster.
type Component struct {
	Spec Spec

	mu      sync.Mutex // serialises Start and Stop
	state   sync.Mutex // guards cmd, exited
	cmd     *exec.Cmd
	exited  chan struct{}
	exitErr error
}

// New returns a component that is not running.
func New(spec Spec) *Component { return &Component{Spec: spec} }

// Start runs the program and waits until it answers. A component that runs
// already is only waited for. It fails if the program ends first or ctx does.
func (c *Component) Start(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.Running() {
		if err := c.spawn(); err != nil {
			return err
		}
	}
	return c.wait(ctx)
}

// Stop ends the program, with SIGTERM and patience, or at once if kill is
// set. It returns when the process is gone.
func (c *Component) Stop(kill bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cmd, exited := c.process()
	if cmd == nil {
		return
	}
	if !kill {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-exited:
			return
		case <-time.After(stopGrace):
		}
	}
	_ = cmd.Process.Kill()
	<-exited
}

// Running reports whether the process exists.
func (c *Component) Running() bool {
	cmd, exited := c.process()
	if cmd == nil {
		return false
	}
	select {
	case <-exited:
		return false
	default:
		return true
	}
}

func (c *Component) process() (*exec.Cmd, chan struct{}) {
	c.state.Lock()
	defer c.state.Unlock()
	return c.cmd, c.exited
}

func (c *Component) spawn() error {
	log, err := os.OpenFile(c.Spec.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("open the log of %s: %w", c.Spec.Name, err)
	}
	defer log.Close()
	cmd := exec.Command(c.Spec.Path, c.Spec.Args...)
	cmd.Env = append(os.Environ(), c.Spec.Env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", c.Spec.Name, err)
	}
	exited := make(chan struct{})
	c.state.Lock()
	c.cmd, c.exited = cmd, exited
	c.state.Unlock()
	go func() {
		err := cmd.Wait()
		c.state.Lock()
		c.exitErr = err
		c.state.Unlock()
		close(exited)
	}()
	return nil
}

func (c *Component) wait(ctx context.Context) error {
	_, exited := c.process()
	var last error
	for {
		attempt, cancel := context.WithTimeout(ctx, 2*time.Second)
		err := c.Spec.Ready(attempt)
		cancel()
		if err == nil {
			return nil
		}
		if !errors.Is(err, context.Canceled) {
			last = err
		}
		select {
		case <-exited:
			return fmt.Errorf("%s ended while it was starting (%v); its log is %s", c.Spec.Name, c.exitError(), c.Spec.Log)
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer (%v); its log is %s", c.Spec.Name, last, c.Spec.Log)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (c *Component) exitError() error {
	c.state.Lock()
	defer c.state.Unlock()
	return c.exitErr
}
