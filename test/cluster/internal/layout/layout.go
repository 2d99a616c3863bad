package layout

import (
	"net/netip"
	"path/filepath"
)

// Names and addresses inside the cluster's network namespace. 10.77.0.0/24
// belongs to the node and the programs that run on it; pods get theirs from
// the rest of PodNetwork, services from ServiceNetwork.
const (
	NodeName  = "node-1"
	ClusterIP = "10.96.0.1" // the kubernetes Service; the API server takes the first address of ServiceNetwork

	NodeIP       = "10.77.0.1"
	APIServerIP  = "10.77.0.2"
	EtcdIP       = "10.77.0.3"
	TraefikIP    = "10.77.0.10"
	IstiodIP     = "10.77.0.15"
	PrometheusIP = "10.77.0.20"
	DNSIP        = "10.77.0.53"

	APIServerURL  = "https://" + APIServerIP + ":6443"
	KubeletPort   = 10250
	ClusterDomain = "cluster.local"
	KubeletClient = "kube-apiserver-kubelet-client" // whom the node agent takes orders from

	// TraefikAddress is where Gateway listeners and Ingresses answer.
	TraefikAddress = TraefikIP + ":80"
	// IstioXDS is where proxyless gRPC clients get their configuration.
	IstioXDS = IstiodIP + ":15010"
	// DiscoveryURL lists the pods for Prometheus's http_sd_configs.
	DiscoveryURL = "http://" + NodeIP + ":9099/pods"
	// PrometheusURL is the root of Prometheus's HTTP API.
	PrometheusURL = "http://" + PrometheusIP + ":9090"
)

// The address ranges of the cluster. None of them is routed anywhere outside
// its network namespace.
var (
	NodeNetwork    = netip.MustParsePrefix("10.77.0.0/24")
	PodNetwork     = netip.MustParsePrefix("10.77.0.0/16")
	ServiceNetwork = netip.MustParsePrefix("10.96.0.0/16")
)

// Dir is the folder of one running cluster: its certificates, data, logs and
// sockets. It must be short (a socket's path has at most 107 bytes).
type Dir string

// Path joins the elements to the folder's own path.
func (d Dir) Path(elem ...string) string {
	return filepath.Join(append([]string{string(d)}, elem...)...)
}

// Kubeconfig is the file for clients outside the namespace. It reaches the
// API server through the cluster's proxy.
func (d Dir) Kubeconfig() string { return d.Path("kubeconfig") }

// ComponentKubeconfig is the file of one component inside the namespace.
func (d Dir) ComponentKubeconfig(name string) string { return d.Path("pki", name+".kubeconfig") }

// PKI is the path of a certificate or key.
func (d Dir) PKI(file string) string { return d.Path("pki", file) }

// ControlSocket takes orders to stop and start components.
func (d Dir) ControlSocket() string { return d.Path("control.sock") }

// Images is the table that says which program an image name stands for.
func (d Dir) Images() string { return d.Path("images.json") }

// Log is where a component's output goes.
func (d Dir) Log(component string) string { return d.Path("logs", component+".log") }

// Ready exists once every component that was asked for answers.
func (d Dir) Ready() string { return d.Path("ready") }

// Failed holds the reason why the cluster did not start.
func (d Dir) Failed() string { return d.Path("failed") }

// PID holds the process ID, as seen from outside, of the process whose
// namespaces the cluster lives in.
func (d Dir) PID() string { return d.Path("pid") }
