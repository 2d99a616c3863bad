package node

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// startProbes runs the container's probes until ended is closed. The caller
// waits for the group before it records the end.
func (c *container) startProbes(ended chan struct{}) *sync.WaitGroup {
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	startedUp := make(chan struct{})
	wg.Add(1)
	go func() { defer wg.Done(); <-ended; cancel() }()

	run := func(p *corev1.Probe, kind string, after chan struct{}, result func(bool)) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			select {
			case <-after:
				c.probeLoop(ctx, p, kind, result)
			case <-ctx.Done():
			}
		}()
	}
	began := make(chan struct{})
	close(began)
	var once sync.Once
	if p := c.spec.StartupProbe; p != nil {
		run(p, "Startup", began, func(ok bool) {
			if ok {
				c.set(func() { c.started = true })
				once.Do(func() { close(startedUp) })
				return
			}
			c.unhealthy(p, "startup")
		})
	} else {
		close(startedUp)
	}
	if p := c.spec.LivenessProbe; p != nil {
		run(p, "Liveness", startedUp, func(ok bool) {
			if !ok {
				c.unhealthy(p, "liveness")
			}
		})
	}
	if p := c.spec.ReadinessProbe; p != nil {
		run(p, "Readiness", startedUp, func(ok bool) { c.set(func() { c.ready = ok }) })
	} else {
		wg.Add(1)
		go func() {
			defer wg.Done()
			select {
			case <-startedUp:
				c.set(func() { c.ready = true })
			case <-ctx.Done():
			}
		}()
	}
	return &wg
}

func (c *container) set(change func()) {
	c.w.mu.Lock()
	change()
	c.w.mu.Unlock()
	c.w.mark()
}

// unhealthy asks for the container to be ended, and so started again.
func (c *container) unhealthy(p *corev1.Probe, kind string) {
	grace := int64(corev1.DefaultTerminationGracePeriodSeconds)
	if s := c.w.pod.Spec.TerminationGracePeriodSeconds; s != nil {
		grace = *s
	}
	if p.TerminationGracePeriodSeconds != nil {
		grace = *p.TerminationGracePeriodSeconds
	}
	reason := fmt.Sprintf("Container %s failed %s probe, will be restarted", c.spec.Name, kind)
	select {
	case c.kill <- killRequest{reason: reason, grace: time.Duration(grace) * time.Second}:
	default:
	}
}

// probeLoop calls result whenever the probe's thresholds are reached with
// another outcome than before. A startup probe is over once it has passed.
func (c *container) probeLoop(ctx context.Context, p *corev1.Probe, kind string, result func(bool)) {
	sleep(ctx, time.Duration(p.InitialDelaySeconds)*time.Second)
	passes, failures := int32(0), int32(0)
	for ctx.Err() == nil {
		err := c.probe(ctx, p)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			passes, failures = passes+1, 0
			if passes >= max(p.SuccessThreshold, 1) {
				result(true)
				if kind == "Startup" {
					return
				}
			}
		} else {
			passes, failures = 0, failures+1
			c.w.event(corev1.EventTypeWarning, "Unhealthy", fmt.Sprintf("%s probe failed: %v", kind, err))
			if failures >= max(p.FailureThreshold, 1) {
				result(false)
			}
		}
		sleep(ctx, max(time.Duration(p.PeriodSeconds), 1)*time.Second)
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (c *container) probe(ctx context.Context, p *corev1.Probe) error {
	ctx, cancel := context.WithTimeout(ctx, max(time.Duration(p.TimeoutSeconds), 1)*time.Second)
	defer cancel()
	switch {
	case p.HTTPGet != nil:
		return c.httpGet(ctx, p.HTTPGet)
	case p.TCPSocket != nil:
		return c.tcpSocket(ctx, p.TCPSocket)
	case p.GRPC != nil:
		return c.grpc(ctx, p.GRPC)
	case p.Exec != nil:
		return c.exec(ctx, p.Exec.Command)
	default:
		return fmt.Errorf("the probe has no handler")
	}
}

// statusOK is the kubelet's idea of a passing answer.
func statusOK(code int) bool { return code >= http.StatusOK && code < http.StatusBadRequest }
