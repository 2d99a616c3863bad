package cli

import (
	"errors"
	"log/slog"
	"net"

	"github.com/spf13/cobra"
)

// ControllerOptions is one `haldane controller`.
type ControllerOptions struct {
	Kubeconfig    string   // "" is the pod's own, or $KUBECONFIG
	Namespaces    []string // whose rollouts are driven; none: the controller's own
	AllNamespaces bool
	Elect         bool     // by a lease in the controller's namespace
	Metrics       string   // address of the Prometheus metrics; "" is none
	Health        string   // address of /healthz and /readyz; "" is none
	Profiles      string   // loopback address of Go's profiles; "" is none
	Workers       int      // rollouts reconciled at the same time
	Sources       []string // addresses of metric servers that rollouts may name; none: all
	URLs          []string // addresses that hooks and messages may go to; none: all
	GatewayImage  string   // of gateways; "" is the controller's own, if that can be known
	GatewayUser   string   // ServiceAccount of gateways, in the rollout's namespace
	AppMesh       bool     // rollouts may route by App Mesh
	Logger        *slog.Logger
}

// imageVariable names the image that the controller runs in.
const imageVariable = "HALDANE_IMAGE"

func controllerCommand(p Program) *cobra.Command {
	o, level := ControllerOptions{}, level(slog.LevelInfo)
	cmd := &cobra.Command{
		Use: "controller", Short: "Drive the ModelRollouts of a Kubernetes cluster",
		Long: `Drives the ModelRollouts of a Kubernetes cluster: one namespace, several or all.
Several controllers may run: the one that holds the lease works.`,
		Example: "  haldane controller\n  haldane controller --namespace shop --namespace search\n  haldane controller --all-namespaces --kubeconfig ~/.kube/config",
		GroupID: groupStart, Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			switch {
			case o.AllNamespaces && len(o.Namespaces) > 0:
				return Usage(errors.New("--all-namespaces and --namespace contradict each other: keep one"))
			case o.Workers < 1:
				return Usage(errors.New("--workers must be 1 or more"))
			case o.Profiles != "" && !loopback(o.Profiles):
				return Usage(errors.New("--profiles must be an address of this machine alone, like 127.0.0.1:6060: profiles tell what the memory holds"))
			}
			o.GatewayImage = orEnv(o.GatewayImage, imageVariable)
			o.Logger = level.logger(c.ErrOrStderr())
			return p.Controller(c.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Kubeconfig, "kubeconfig", "", "how to reach the cluster (default: the pod's own account, or $KUBECONFIG)")
	f.StringSliceVarP(&o.Namespaces, "namespace", "n", nil, "drive the rollouts of this namespace, may be repeated (default: the controller's own)")
	f.BoolVarP(&o.AllNamespaces, "all-namespaces", "A", false, "drive the rollouts of every namespace")
	f.BoolVar(&o.Elect, "leader-elect", true, "work only while holding the lease haldane-controller")
	f.StringVar(&o.Metrics, "metrics", ":8080", "address of the Prometheus metrics, empty for none")
	f.StringVar(&o.Health, "health", ":8081", "address of /healthz and /readyz, empty for none")
	f.StringVar(&o.Profiles, "profiles", "", "loopback address of Go's profiles, /debug/pprof; empty for none")
	f.IntVar(&o.Workers, "workers", 32, "rollouts that are reconciled at the same time")
	f.StringSliceVar(&o.URLs, "allow-url", nil, "hooks and messages may go to this address only, may be repeated (default: any)")
	f.StringSliceVar(&o.Sources, "allow-source", nil, "rollouts may ask metric servers at this address only, may be repeated (default: any)")
	f.StringVar(&o.GatewayImage, "gateway-image", "", "image of the gateways that rollouts ask for (default $"+imageVariable+", or the controller's own)")
	f.StringVar(&o.GatewayUser, "gateway-service-account", "haldane-gateway", "service account of those gateways, which may get and watch gatewaytables")
	f.BoolVar(&o.AppMesh, "enable-appmesh", false, "let rollouts route by AWS App Mesh, whose service has ended")
	level.flag(cmd, "")
	return cmd
}

// loopback reports whether nobody but this machine can reach an address.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && ip != nil && ip.IsLoopback()
}
