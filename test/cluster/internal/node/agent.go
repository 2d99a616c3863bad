package node

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/haldane-dev/haldane/test/cluster/internal/layout"
	"github.com/haldane-dev/haldane/test/cluster/internal/network"
)

// Config is what an agent needs.
type Config struct {
	Client  kubernetes.Interface
	Dir     layout.Dir
	Podinit string // path of the podinit program
	// BackOff is the wait before a container that ended is started for the
	// third time; it doubles from there up to thirty times itself. A kubelet
	// waits 10 seconds.
	BackOff time.Duration
	// Resources are added to the node's capacity, for instance
	// {"nvidia.com/gpu": "2"}. They exist for the scheduler alone.
	Resources map[string]string
	Log       *slog.Logger
}

// Agent runs the pods that are bound to the node.
type Agent struct {
	Config
	pods   *network.Pods
	events record.EventRecorder

	mu      sync.Mutex
	workers map[types.UID]*worker
	wg      sync.WaitGroup
}

// New returns an agent that does nothing yet.
func New(c Config) *Agent {
	return &Agent{Config: c, pods: network.NewPods(), workers: map[types.UID]*worker{}}
}

// Run registers the node and runs its pods until ctx ends; then it kills
// whatever still runs. It returns an error only if it could not begin.
func (a *Agent) Run(ctx context.Context) error {
	if err := a.register(ctx); err != nil {
		return err
	}
	stopServing, err := a.serve()
	if err != nil {
		return err
	}
	defer stopServing()
	broadcaster := record.NewBroadcaster()
	broadcaster.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: a.Client.CoreV1().Events("")})
	defer broadcaster.Shutdown()
	a.events = broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "kubelet", Host: layout.NodeName})

	mine := informers.WithTweakListOptions(func(o *metav1.ListOptions) {
		o.FieldSelector = fields.OneTermEqualSelector("spec.nodeName", layout.NodeName).String()
	})
	factory := informers.NewSharedInformerFactoryWithOptions(a.Client, 0, mine)
	_, err = factory.Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { a.observe(ctx, o.(*corev1.Pod)) },
		UpdateFunc: func(_, o any) { a.observe(ctx, o.(*corev1.Pod)) },
		DeleteFunc: func(o any) { a.forget(o) },
	})
	if err != nil {
		return fmt.Errorf("watch the node's pods: %w", err)
	}
	factory.Start(ctx.Done())
	go a.heartbeat(ctx)
	<-ctx.Done()
	a.killAll()
	return nil
}

// observe starts a worker for a pod that is new and tells an old one what has
// changed. A pod that has ended already is none of the agent's business.
func (a *Agent) observe(ctx context.Context, pod *corev1.Pod) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w, ok := a.workers[pod.UID]
	if !ok {
		if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
			return
		}
		w = newWorker(a, pod)
		a.workers[pod.UID] = w
		a.wg.Add(1)
		go func() {
			defer a.wg.Done()
			w.run(ctx)
			a.mu.Lock()
			delete(a.workers, pod.UID)
			a.mu.Unlock()
		}()
	}
	w.update(pod)
}

// forget kills what is left of a pod that is no longer in the API server.
func (a *Agent) forget(o any) {
	if gone, ok := o.(cache.DeletedFinalStateUnknown); ok {
		o = gone.Obj
	}
	pod, ok := o.(*corev1.Pod)
	if !ok {
		return
	}
	a.mu.Lock()
	w := a.workers[pod.UID]
	a.mu.Unlock()
	if w != nil {
		w.vanish()
	}
}

func (a *Agent) killAll() {
	a.mu.Lock()
	for _, w := range a.workers {
		w.vanish()
	}
	a.mu.Unlock()
	a.wg.Wait()
}

func (a *Agent) podDir(pod *corev1.Pod, elem ...string) string {
	return a.Dir.Path(append([]string{"pods", string(pod.UID)}, elem...)...)
}

func makeDir(path string) error {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return fmt.Errorf("make a folder for the pod: %w", err)
	}
	return nil
}
