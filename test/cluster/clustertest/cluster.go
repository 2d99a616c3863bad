package clustertest

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/haldane-dev/haldane/test/cluster/internal/launch"
	"github.com/haldane-dev/haldane/test/cluster/internal/layout"
	"github.com/haldane-dev/haldane/test/cluster/internal/node"
	"github.com/haldane-dev/haldane/test/cluster/internal/supervise"
)

// Addresses inside the cluster. A test reaches them through Cluster.HTTP, pods
// directly.
const (
	// TraefikAddress is where Gateways of the class "traefik" (listener port
	// 80) and Ingresses of the class "nginx" answer.
	TraefikAddress = layout.TraefikAddress
	// IstioXDS is what a proxyless gRPC client's bootstrap names as server_uri.
	IstioXDS = layout.IstioXDS
	// PrometheusURL is the root of Prometheus's HTTP API.
	PrometheusURL = layout.PrometheusURL
	// DiscoveryURL lists the pods, for http_sd_configs in a configuration of
	// one's own, with the labels that kubernetes_sd_configs would give them.
	DiscoveryURL = layout.DiscoveryURL
)

// Components that Stop, Kill and Start know.
const (
	Etcd              = "etcd"
	APIServer         = "kube-apiserver"
	ControllerManager = "kube-controller-manager"
	Scheduler         = "kube-scheduler"
	KubeProxy         = "kube-proxy"
	Traefik           = "traefik"
	Istiod            = "istiod"
	Prometheus        = "prometheus"
)

// Image is the program that an image's name stands for.
type Image = node.Image

// Options say which cluster to start.
type Options struct {
	Traefik    bool // Gateway API and NGINX Ingress annotations
	Istio      bool // istiod, for proxyless gRPC
	Prometheus bool // scrapes pods annotated prometheus.io/scrape, each second

	// BackOff is the wait before a container's second restart; it doubles from
	// there up to thirty times itself. One second if zero; a kubelet waits ten.
	BackOff time.Duration
	// NodeResources are added to the node's capacity, such as
	// {"nvidia.com/gpu": "1"}. Only the scheduler knows of them.
	NodeResources map[string]string
	// PrometheusConfig replaces Prometheus's configuration file.
	PrometheusConfig string
}

// Cluster is a running cluster.
type Cluster struct {
	// Kubeconfig is the path of the administrator's file. It works from the
	// test's own network.
	Kubeconfig string

	t      testing.TB
	launch *launch.Cluster
	bin    string
	images *sync.Mutex
}

// startLimit bounds the start of a cluster on a busy machine.
const startLimit = 5 * time.Minute

// Start starts a cluster, which is stopped when the test ends. If the test has
// failed by then, the components' logs are kept and their folder is told.
func Start(t testing.TB, o Options) *Cluster {
	t.Helper()
	cache := cacheDir(t)
	// Not t.TempDir: the path of a socket has at most 107 bytes.
	dir, err := os.MkdirTemp("", "cluster")
	if err != nil {
		t.Fatalf("make a folder for the cluster: %v", err)
	}
	options := supervise.Options{
		Bin: filepath.Join(cache, "bin"), Manifests: filepath.Join(cache, "manifests"),
		Traefik: o.Traefik, Istio: o.Istio, Prometheus: o.Prometheus,
		BackOff: o.BackOff, NodeResources: o.NodeResources, PrometheusConfig: o.PrometheusConfig,
	}
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	running, tether, err := launch.Start(ctx, layout.Dir(dir), options, true)
	if err != nil {
		t.Fatalf("start the cluster: %v\n%s", err, tail(filepath.Join(dir, "supervisor.log")))
	}
	c := &Cluster{Kubeconfig: layout.Dir(dir).Kubeconfig(), t: t, launch: running, bin: options.Bin, images: new(sync.Mutex)}
	t.Cleanup(func() {
		if err := running.Stop(); err != nil {
			t.Errorf("stop the cluster: %v", err)
		}
		_ = tether.Close()
		if t.Failed() {
			t.Logf("the cluster's logs are in %s", dir)
			return
		}
		_ = os.RemoveAll(dir)
	})
	return c
}

// cacheDir finds what make cluster-build has built.
func cacheDir(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv("HALDANE_CLUSTER"); dir != "" {
		return dir
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatalf("find the cluster's programs: %v", err)
	}
	for dir := here; dir != "/"; dir = filepath.Dir(dir) {
		cache := filepath.Join(dir, ".cache", "cluster")
		if _, err := os.Stat(filepath.Join(cache, "bin", "cluster")); err == nil {
			return cache
		}
	}
	t.Fatalf("no .cache/cluster in %s or above it: run make cluster-build first", here)
	return ""
}

func tail(path string) string {
	data, _ := os.ReadFile(path)
	return string(data[max(0, len(data)-4096):])
}

// RESTConfig is the administrator's way to the API server.
func (c *Cluster) RESTConfig() *rest.Config {
	c.t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig)
	if err != nil {
		c.t.Fatalf("read the cluster's kubeconfig: %v", err)
	}
	config.QPS = -1
	return config
}

// Client is the administrator's client.
func (c *Cluster) Client() kubernetes.Interface {
	c.t.Helper()
	client, err := kubernetes.NewForConfig(c.RESTConfig())
	if err != nil {
		c.t.Fatalf("make a client: %v", err)
	}
	return client
}

// AddImage says which program a container of the image name runs, from the
// next start on. A name that ends in * stands for all that begin like it.
func (c *Cluster) AddImage(name string, image Image) {
	c.t.Helper()
	c.images.Lock()
	defer c.images.Unlock()
	table, err := node.LoadImages(c.launch.Dir.Images())
	if err == nil {
		table[name] = image
		err = table.Save(c.launch.Dir.Images())
	}
	if err != nil {
		c.t.Fatalf("add the image %s: %v", name, err)
	}
}

// ProxyURL is the HTTP proxy that leads from the host into the cluster.
func (c *Cluster) ProxyURL() *url.URL {
	return &url.URL{Scheme: "http", Host: c.launch.Proxy}
}

// HTTP returns a client for addresses and service names inside the cluster,
// with connections of its own. Requests travel in a tunnel, so that keep-alive
// and HTTP/2 are between the client and the server inside.
func (c *Cluster) HTTP() *http.Client {
	return &http.Client{Timeout: time.Minute, Transport: &http.Transport{DialContext: c.DialContext, MaxIdleConnsPerHost: 64}}
}

// Command returns a command that will run inside the cluster's network, as
// root there, with KUBECONFIG set.
func (c *Cluster) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return c.launch.Exec(ctx, name, args...)
}

// For returns the same cluster for a subtest, which its failures will end.
func (c *Cluster) For(t testing.TB) *Cluster {
	return &Cluster{Kubeconfig: c.Kubeconfig, t: t, launch: c.launch, bin: c.bin, images: c.images}
}

// Dir is the folder of the running cluster: logs/COMPONENT.log, and
// pods/UID/{logs,volumes} for each pod.
func (c *Cluster) Dir() string { return string(c.launch.Dir) }
