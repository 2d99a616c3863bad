package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	ctrl "sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/haldane-dev/haldane/api/v1alpha1"
)

// world is everything around the controller.
type world struct {
	cluster *cluster
	config  *rest.Config
	api     client.Client // reads from a cache
	counts  *server
	address string // of counts

	mu    sync.Mutex
	share map[string]int32     // of each rollout's candidate, as its route was seen last
	off   map[string]time.Time // when that was seen to become 0
}

// newWorld starts a cluster, what is played in it, and the metric server. stop
// ends all of it.
func newWorld(ctx context.Context, o options) (w *world, stop func(), err error) {
	c, err := startCluster(ctx, o.cluster)
	if err != nil {
		return nil, nil, err
	}
	w = &world{cluster: c, counts: newServer(o.scrape), share: map[string]int32{}, off: map[string]time.Time{}}
	ctx, cancel := context.WithCancel(ctx)
	var ended sync.WaitGroup
	stop = func() {
		cancel()
		ended.Wait()
		c.stop()
	}
	m, err := w.manager()
	if err == nil {
		err = w.play(ctx, m)
	}
	if err == nil {
		err = w.serve(ctx)
	}
	if err != nil {
		stop()
		return nil, nil, err
	}
	w.api = m.GetClient()
	ended.Go(func() {
		if err := m.Start(ctx); err != nil {
			fmt.Println("bench-controller: what is played has ended:", err)
		}
	})
	if !m.GetCache().WaitForCacheSync(ctx) {
		stop()
		return nil, nil, errors.New("the cache of what is played was not filled")
	}
	return w, stop, nil
}

func (w *world) manager() (manager.Manager, error) {
	config, err := clientcmd.BuildConfigFromFlags("", w.cluster.kubeconfig())
	if err != nil {
		return nil, fmt.Errorf("read the cluster's kubeconfig: %w", err)
	}
	config.QPS, config.UserAgent = -1, "bench"
	w.config = config
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme, gatewayv1.Install} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("register types: %w", err)
		}
	}
	return manager.New(config, manager.Options{
		Scheme: scheme, Metrics: metricsserver.Options{BindAddress: "0"},
		Controller: ctrlconfig.Controller{SkipNameValidation: new(true)}, // a run follows another
	})
}

// play adds the fakes, and a watch of the routes.
func (w *world) play(ctx context.Context, m manager.Manager) error {
	o := ctrl.Options{MaxConcurrentReconciles: 8}
	err := builder.ControllerManagedBy(m).For(&appsv1.Deployment{}).Owns(&appsv1.ReplicaSet{}).WithOptions(o).Complete(deployments{m.GetClient()})
	if err != nil {
		return fmt.Errorf("play the Deployment controller: %w", err)
	}
	err = builder.ControllerManagedBy(m).For(&gatewayv1.HTTPRoute{}).WithOptions(o).Complete(routes{m.GetClient()})
	if err != nil {
		return fmt.Errorf("play the Gateway controller: %w", err)
	}
	informer, err := m.GetCache().GetInformer(ctx, &gatewayv1.HTTPRoute{})
	if err != nil {
		return fmt.Errorf("watch the routes: %w", err)
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { w.note(o.(*gatewayv1.HTTPRoute), time.Now()) },
		UpdateFunc: func(_, o any) { w.note(o.(*gatewayv1.HTTPRoute), time.Now()) },
	})
	return err
}

// note takes note of a route that a watch has shown.
func (w *world) note(route *gatewayv1.HTTPRoute, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	share := canaryShare(route)
	if share == 0 && w.share[route.Name] > 0 {
		w.off[route.Name] = at
	}
	w.share[route.Name] = share
}

// takenOff returns when a rollout's candidate was seen to have lost its traffic.
func (w *world) takenOff(name string) (time.Time, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at, ok := w.off[name]
	return at, ok
}

// serve answers questions about counts.
func (w *world) serve(ctx context.Context) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen for questions about counts: %w", err)
	}
	w.address = "http://" + l.Addr().String()
	s := &http.Server{Handler: w.counts, ReadHeaderTimeout: time.Minute}
	go func() { _ = s.Serve(l) }()
	context.AfterFunc(ctx, func() { _ = s.Close() })
	return nil
}

// served is how often the API server was called by anybody, by verb and
// resource.
func (w *world) served(ctx context.Context) (map[string]float64, error) {
	h, err := rest.HTTPClientFor(w.config)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.config.Host+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	resp, err := h.Do(r)
	if err != nil {
		return nil, fmt.Errorf("read the API server's metrics: %w", err)
	}
	defer resp.Body.Close()
	return requests(io.LimitReader(resp.Body, 64<<20), "apiserver_request_total", func(l map[string]string) string {
		if l["verb"] == "WATCH" {
			return ""
		}
		name := l["resource"]
		if l["subresource"] != "" {
			name += "/" + l["subresource"]
		}
		if l["dry_run"] != "" {
			name += " (dry run)"
		}
		return l["verb"] + " " + name
	})
}
