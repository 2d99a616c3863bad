package node

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/haldane-dev/haldane/test/cluster/internal/sandbox"
)

// container runs one container of a pod again and again, as its pod's restart
// policy says.
type container struct {
	w    *worker
	spec *corev1.Container
	init bool
	// kill asks a running container to end; the text says why. One request is
	// kept, later ones for the same run are dropped.
	kill chan killRequest

	// Guarded by w.mu.
	state    corev1.ContainerState
	last     corev1.ContainerState
	restarts int32
	started  bool         // its startup probe, if any, has passed
	ready    bool         // its readiness probe, if any, passes
	view     sandbox.Spec // the last run's
	pid      int          // of the running process; 0 if there is none
}

type killRequest struct {
	reason string
	grace  time.Duration
}

func newContainer(w *worker, spec *corev1.Container, init bool) *container {
	waiting := "ContainerCreating"
	if len(w.pod.Spec.InitContainers) > 0 {
		waiting = "PodInitializing"
	}
	return &container{
		w: w, spec: spec, init: init, kill: make(chan killRequest, 1),
		state: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: waiting}},
	}
}

// run returns when the container has ended for good: by itself with a restart
// policy that leaves it at that, or with its pod.
func (c *container) run() {
	delay := backOff{base: c.w.agent.BackOff}
	for !c.w.isStopping() {
		process, err := c.prepare()
		if err != nil {
			c.cannotStart(err, &delay)
			continue
		}
		began := time.Now()
		c.runOnce(process)
		if c.w.isStopping() || !c.again() {
			return
		}
		if wait := delay.next(time.Since(began)); wait > 0 {
			c.crashLoop(wait)
		}
		c.w.mu.Lock()
		c.restarts++
		c.w.mu.Unlock()
	}
}

// cannotStart records why and waits.
func (c *container) cannotStart(err error, delay *backOff) {
	reason, message := "CreateContainerConfigError", err.Error()
	if noImage, ok := err.(imageError); ok {
		reason, message = noImage.reason(), noImage.Error()
		c.w.event(corev1.EventTypeWarning, "Failed", message)
	} else {
		c.w.event(corev1.EventTypeWarning, "Failed", "Error: "+message)
	}
	c.setState(corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}})
	wait := max(delay.next(0), delay.base)
	if _, ok := err.(imageError); ok {
		c.setState(corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "Back-off pulling image \"" + c.spec.Image + "\": " + message}})
	}
	c.w.pause(wait)
}

// crashLoop waits for the back-off, visibly.
func (c *container) crashLoop(wait time.Duration) {
	pod := c.w.pod
	message := fmt.Sprintf("back-off %s restarting failed container=%s pod=%s_%s(%s)", wait, c.spec.Name, pod.Name, pod.Namespace, pod.UID)
	c.w.mu.Lock()
	c.last = c.state
	c.state = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: message}}
	c.w.mu.Unlock()
	c.w.mark()
	c.w.event(corev1.EventTypeWarning, "BackOff", fmt.Sprintf("Back-off restarting failed container %s in pod %s", c.spec.Name, pod.Name))
	c.w.pause(wait)
	if c.w.isStopping() {
		// What it ended with is what there is to say, not what it waited for.
		c.w.mu.Lock()
		c.state = c.last
		c.w.mu.Unlock()
	}
}

// again tells whether the container is to be started once more.
func (c *container) again() bool {
	switch c.w.pod.Spec.RestartPolicy {
	case corev1.RestartPolicyNever:
		return false
	case corev1.RestartPolicyOnFailure:
		return !c.succeeded()
	default:
		return !c.init || !c.succeeded()
	}
}

func (c *container) succeeded() bool {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	return c.state.Terminated != nil && c.state.Terminated.ExitCode == 0
}

// runOnce starts the process and returns when it has ended and is recorded.
func (c *container) runOnce(p *process) {
	defer p.cleanUp()
	select {
	case <-c.kill: // meant for an earlier run
	default:
	}
	if err := p.cmd.Launch(c.w.inNetwork); err != nil {
		c.record(p, time.Now(), err)
		return
	}
	began := time.Now()
	c.w.mu.Lock()
	if c.state.Terminated != nil {
		c.last = c.state
	}
	c.state = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(began)}}
	c.started, c.ready, c.pid = c.spec.StartupProbe == nil, false, p.cmd.Process.Pid
	c.w.mu.Unlock()
	c.w.mark()
	c.w.event(corev1.EventTypeNormal, "Started", "Started container "+c.spec.Name)

	exited := make(chan error, 1)
	go func() { exited <- p.cmd.Wait() }()
	ended := make(chan struct{})
	probes := c.startProbes(ended)
	c.postStart()
	err := c.await(p, exited)
	close(ended)
	probes.Wait()
	c.record(p, began, err)
}

// await returns how the process ended, and ends it when asked to.
func (c *container) await(p *process, exited chan error) error {
	select {
	case err := <-exited:
		return err
	case r := <-c.kill:
		c.w.event(corev1.EventTypeNormal, "Killing", r.reason)
		return c.end(p, exited, time.Now().Add(r.grace))
	case <-c.w.stopping:
		c.w.event(corev1.EventTypeNormal, "Killing", "Stopping container "+c.spec.Name)
		c.w.mu.Lock()
		deadline := c.w.deadline
		c.w.mu.Unlock()
		return c.end(p, exited, deadline)
	}
}

// end runs the hook, asks the process to end, and kills it at the deadline or
// when the pod has vanished.
func (c *container) end(p *process, exited chan error, deadline time.Time) error {
	hook := make(chan struct{})
	go func() { defer close(hook); c.preStop(deadline) }()
	patience := time.NewTimer(time.Until(deadline))
	defer patience.Stop()
	for hook != nil {
		select {
		case <-hook:
			_ = p.cmd.Process.Signal(syscall.SIGTERM)
			hook = nil
		case err := <-exited:
			return err
		case <-patience.C:
			return c.killNow(p, exited)
		case <-c.w.gone:
			return c.killNow(p, exited)
		}
	}
	select {
	case err := <-exited:
		return err
	case <-patience.C:
	case <-c.w.gone:
	}
	return c.killNow(p, exited)
}

// killNow needs to reach the first process alone: the rest of the container
// dies with it.
func (c *container) killNow(p *process, exited chan error) error {
	_ = p.cmd.Process.Kill()
	return <-exited
}

// record writes down how the run ended.
func (c *container) record(p *process, began time.Time, err error) {
	t := corev1.ContainerStateTerminated{StartedAt: metav1.NewTime(began), FinishedAt: metav1.Now(), Reason: "Completed"}
	if err != nil {
		t.Reason, t.ExitCode, t.Message = "Error", 128, err.Error()
		if exit, ok := err.(*exec.ExitError); ok {
			t.Message = ""
			t.ExitCode = int32(exit.ExitCode())
			if status := exit.Sys().(syscall.WaitStatus); status.Signaled() {
				t.Signal = int32(status.Signal())
				t.ExitCode = 128 + t.Signal
			}
		}
	}
	p.explain(&t)
	c.w.mu.Lock()
	if c.state.Terminated != nil {
		c.last = c.state
	}
	c.state = corev1.ContainerState{Terminated: &t}
	c.started, c.ready, c.pid = false, false, 0
	c.w.mu.Unlock()
	c.w.mark()
}

func (c *container) setState(s corev1.ContainerState) {
	c.w.mu.Lock()
	if c.state.Terminated != nil {
		c.last = c.state
	}
	c.state = s
	c.w.mu.Unlock()
	c.w.mark()
}

func (c *container) logPath(run int32) string {
	return c.w.agent.podDir(c.w.pod, "logs", c.spec.Name, fmt.Sprintf("%d.log", run))
}

func (c *container) openLog(run int32) (*os.File, error) {
	path := c.logPath(run)
	if err := makeDir(c.w.agent.podDir(c.w.pod, "logs", c.spec.Name)); err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
}
