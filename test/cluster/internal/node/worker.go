package node

import (
	"context"
	"os"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/haldane-dev/haldane/test/cluster/internal/layout"
	"github.com/haldane-dev/haldane/test/cluster/internal/network"
)

// mountRetry is how long the worker waits before it looks again for a
// ConfigMap or Secret that a volume needs.
const mountRetry = time.Second

// worker runs one pod from its first sight to its end.
type worker struct {
	agent *Agent
	pod   *corev1.Pod // as first seen; what its spec says does not change
	began metav1.Time
	dirty chan struct{} // holds a value when the status has to be pushed

	stopping chan struct{} // closed when the pod has to end
	gone     chan struct{} // closed when the pod is no longer in the API server, or the agent ends

	mu       sync.Mutex
	latest   *corev1.Pod
	deadline time.Time // when patience ends; set before stopping is closed
	net      *network.Pod
	volumes  map[string]volume
	inits    []*container
	mains    []*container
	reported corev1.PodStatus             // the last one that was pushed
	known    map[string]map[string][]byte // what the API server said last of ConfigMaps and Secrets
	ended    bool
}

func newWorker(a *Agent, pod *corev1.Pod) *worker {
	w := &worker{
		agent: a, pod: pod, latest: pod, began: metav1.Now(),
		dirty: make(chan struct{}, 1), stopping: make(chan struct{}), gone: make(chan struct{}),
		reported: pod.Status, known: map[string]map[string][]byte{},
	}
	for i := range pod.Spec.InitContainers {
		w.inits = append(w.inits, newContainer(w, &pod.Spec.InitContainers[i], true))
	}
	for i := range pod.Spec.Containers {
		w.mains = append(w.mains, newContainer(w, &pod.Spec.Containers[i], false))
	}
	return w
}

// update takes in what the API server says of the pod now.
func (w *worker) update(pod *corev1.Pod) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.latest = pod
	if pod.DeletionTimestamp == nil || w.isStopping() {
		w.mark()
		return
	}
	grace := time.Duration(corev1.DefaultTerminationGracePeriodSeconds) * time.Second
	if s := pod.DeletionGracePeriodSeconds; s != nil {
		grace = time.Duration(*s) * time.Second
	}
	w.deadline = time.Now().Add(grace)
	close(w.stopping)
	w.mark()
}

// vanish kills everything at once: nobody waits for this pod any more.
func (w *worker) vanish() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.isStopping() {
		w.deadline = time.Now()
		close(w.stopping)
	}
	select {
	case <-w.gone:
	default:
		close(w.gone)
	}
}

func (w *worker) isStopping() bool {
	select {
	case <-w.stopping:
		return true
	default:
		return false
	}
}

// mark asks for the status to be pushed.
func (w *worker) mark() {
	select {
	case w.dirty <- struct{}{}:
	default:
	}
}

// run returns when nothing is left of the pod but its log files.
func (w *worker) run(ctx context.Context) {
	defer os.RemoveAll(w.agent.podDir(w.pod, "volumes"))
	pushed := make(chan struct{})
	stopPush := make(chan struct{})
	go func() { defer close(pushed); w.pushLoop(stopPush) }()
	w.mark()

	if w.setUp() {
		w.runContainers()
	}
	w.mu.Lock()
	w.ended = true
	w.mu.Unlock()
	close(stopPush)
	<-pushed
	if w.net != nil {
		w.net.Close()
	}
	// A pod whose containers all ended by themselves stays until it is deleted.
	select {
	case <-w.stopping:
	case <-ctx.Done():
		return
	}
	w.remove(ctx)
}

// setUp gives the pod its address and volumes. It reports whether the pod may
// go on.
func (w *worker) setUp() bool {
	for !w.isStopping() {
		err := w.prepare()
		if err == nil {
			return true
		}
		w.event(corev1.EventTypeWarning, "FailedMount", err.Error())
		w.pause(mountRetry)
	}
	return false
}

func (w *worker) prepare() error {
	if w.net == nil && !w.pod.Spec.HostNetwork {
		net, err := w.agent.pods.Create()
		if err != nil {
			return err
		}
		w.mu.Lock()
		w.net = net
		w.mu.Unlock()
		w.mark()
	}
	volumes, err := w.makeVolumes()
	if err != nil {
		return err
	}
	if err := w.writeNetworkFiles(); err != nil {
		return err
	}
	w.mu.Lock()
	w.volumes = volumes
	w.mu.Unlock()
	return nil
}

func (w *worker) runContainers() {
	for _, c := range w.inits {
		c.run()
		if !c.succeeded() {
			return
		}
	}
	finished, refreshed := make(chan struct{}), make(chan struct{})
	go func() { defer close(refreshed); w.refreshVolumes(finished) }()
	var wg sync.WaitGroup
	for _, c := range w.mains {
		wg.Add(1)
		go func() { defer wg.Done(); c.run() }()
	}
	wg.Wait()
	close(finished)
	<-refreshed
}

// pause waits for d, or until the pod has to end.
func (w *worker) pause(d time.Duration) {
	select {
	case <-w.stopping:
	case <-time.After(d):
	}
}

func (w *worker) event(kind, reason, message string) {
	w.agent.events.Event(w.pod, kind, reason, message)
}

// address is the pod's own, or the node's for a pod on the node's network.
func (w *worker) address() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.addressLocked()
}

func (w *worker) addressLocked() string {
	switch {
	case w.pod.Spec.HostNetwork:
		return layout.NodeIP
	case w.net != nil:
		return w.net.IP.String()
	default:
		return ""
	}
}

// inNetwork calls f where sockets and processes belong to the pod.
func (w *worker) inNetwork(f func() error) error {
	w.mu.Lock()
	net := w.net
	w.mu.Unlock()
	if net == nil {
		return f()
	}
	return net.Do(f)
}
