package app

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path"
	"runtime/debug"
	"strings"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cli"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/exporter"
	"github.com/haldane-dev/haldane/internal/kube"
	"github.com/haldane-dev/haldane/internal/rollout"
	statestore "github.com/haldane-dev/haldane/internal/store/kube"
)

const (
	leaseName = "haldane-controller"
	// collectorPercent is the garbage the heap may grow by between collections, in
	// percent of what is live. A controller has memory to save, and time to spend.
	collectorPercent = 50
	// ownNamespace is where a pod finds its namespace.
	ownNamespace = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
)

// Controller drives the ModelRollouts of a cluster until ctx ends. The garbage
// collector is set to collect often, unless the environment's GOGC says otherwise.
func Controller(ctx context.Context, o cli.ControllerOptions) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectorPercent)
	}
	config, namespace, err := connection(o.Kubeconfig)
	if err != nil {
		return err
	}
	m, err := newManager(config, namespace, o)
	if err != nil {
		return err
	}
	if o.GatewayImage == "" {
		o.GatewayImage = ownImage(ctx, m.GetAPIReader(), o.Logger)
	}
	allow, err := allowed("--allow-source", o.Sources)
	if err != nil {
		return cli.Usage(err)
	}
	allowURL, err := allowed("--allow-url", o.URLs)
	if err != nil {
		return cli.Usage(err)
	}
	c := kube.New(kube.Config{
		Client: m.GetClient(), Reader: m.GetAPIReader(),
		States:   statestore.New(m.GetClient(), m.GetAPIReader()),
		Adapters: adapters(o, allow, allowURL), Spec: clusterSpec, Allow: allow, AllowURL: allowURL, Workers: o.Workers, Logger: o.Logger,
	})
	if err := c.SetUp(ctx, m); err != nil {
		return err
	}
	if err := metrics.Registry.Register(exporter.Rollouts(c.Statuses)); err != nil {
		return fmt.Errorf("register the metrics: %w", err)
	}
	for name, add := range map[string]func(string, healthz.Checker) error{"alive": m.AddHealthzCheck, "started": m.AddReadyzCheck} {
		if err := add(name, healthz.Ping); err != nil {
			return fmt.Errorf("add the health check %s: %w", name, err)
		}
	}
	if err := m.Start(ctx); err != nil {
		return fmt.Errorf("run the controller: %w", err)
	}
	return nil
}

// connection is how to reach the API server, and the namespace to be in: those
// of the pod, or of a kubeconfig.
func connection(kubeconfig string) (*rest.Config, string, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig
	files := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{})
	config, err := files.ClientConfig()
	if err != nil {
		return nil, "", fmt.Errorf("find the cluster: %w: run inside one, or name a kubeconfig", noConfig(err))
	}
	namespace, _, err := files.Namespace()
	if text, fail := os.ReadFile(ownNamespace); fail == nil && kubeconfig == "" && os.Getenv("KUBECONFIG") == "" {
		namespace = strings.TrimSpace(string(text))
	} else if err != nil {
		return nil, "", fmt.Errorf("find the namespace: %w", err)
	}
	// The API server's own fairness limits what a controller asks.
	config.QPS, config.Burst = -1, -1
	return config, namespace, nil
}

func newManager(config *rest.Config, namespace string, o cli.ControllerOptions) (manager.Manager, error) {
	logger := logr.FromSlogHandler(o.Logger.Handler())
	log.SetLogger(logger)
	klog.SetLogger(logger)
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("register types: %w", err)
		}
	}
	// Who owns which fields is asked of Deployments and routes alone.
	lean := cache.ByObject{Transform: cache.TransformStripManagedFields()}
	watched := cache.Options{ByObject: map[client.Object]cache.ByObject{
		&v1alpha1.ModelRollout{}: lean, &v1alpha1.RolloutCommand{}: lean, &corev1.Service{}: lean,
	}}
	if !o.AllNamespaces {
		watched.DefaultNamespaces = map[string]cache.Config{}
		for _, n := range orOwn(o.Namespaces, namespace) {
			watched.DefaultNamespaces[n] = cache.Config{}
		}
	}
	m, err := manager.New(config, manager.Options{
		Scheme: scheme, Logger: logger, Cache: watched,
		Client: client.Options{Cache: &client.CacheOptions{
			Unstructured: true,
			DisableFor: []client.Object{&corev1.Secret{}, &corev1.ConfigMap{}, &corev1.Pod{}, &corev1.Event{},
				&appsv1.ReplicaSet{}, &v1alpha1.RolloutState{}},
		}},
		Metrics:                 metricsserver.Options{BindAddress: orOff(o.Metrics)},
		HealthProbeBindAddress:  orOff(o.Health),
		PprofBindAddress:        orOff(o.Profiles),
		LeaderElection:          o.Elect,
		LeaderElectionID:        leaseName,
		LeaderElectionNamespace: namespace,
		// A new leader need not wait for the lease of one that left in order.
		LeaderElectionReleaseOnCancel: true,
		GracefulShutdownTimeout:       ptr.To(15 * time.Second),
	})
	if err != nil {
		return nil, fmt.Errorf("set up the controller: %w", err)
	}
	return m, nil
}

func orOwn(named []string, own string) []string {
	if len(named) == 0 {
		return []string{own}
	}
	return named
}

func orOff(address string) string {
	if address == "" {
		return "0"
	}
	return address
}

// allowed lets the addresses pass that begin with one of the
// prefixes, whole path elements at a time; all if there is none.
func allowed(flag string, prefixes []string) (func(string) error, error) {
	var bases []*url.URL
	for _, p := range prefixes {
		u, err := url.Parse(p)
		if err != nil || u.Scheme == "" || u.Host == "" {
			return nil, fmt.Errorf("%s %q is no address: write it like http://prometheus.monitoring:9090", flag, p)
		}
		bases = append(bases, u)
	}
	return func(address string) error {
		u, err := url.Parse(address)
		if err != nil {
			return fmt.Errorf("%q is no address: %w", address, err)
		}
		for _, b := range bases {
			below := strings.TrimSuffix(b.Path, "/") + "/"
			if u.Scheme == b.Scheme && u.Host == b.Host && strings.HasPrefix(strings.TrimSuffix(path.Clean("/"+u.Path), "/")+"/", below) {
				return nil
			}
		}
		if len(bases) == 0 {
			return nil
		}
		return fmt.Errorf("is not one that this controller may ask: it is for its operator to allow it (%s)", flag)
	}, nil
}

// clusterSpec is what the engine is told of a rollout on a cluster.
func clusterSpec(m *v1alpha1.ModelRollout, stable, canary rollout.Revision) (engine.Spec, error) {
	p, err := plan(m, stable, canary)
	if err != nil {
		return engine.Spec{}, err
	}
	return engine.Spec{Plan: p, Metrics: query(m, p).Metrics}, nil
}
