package cli

import (
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"
)

// GatewayOptions is one `haldane gateway`.
type GatewayOptions struct {
	Kubeconfig string // "" is the pod's own, or $KUBECONFIG
	Namespace  string // of the table; "" is the gateway's own
	Table      string // name of the GatewayTable that it goes by
	Settings   string // what it reads in requests and answers, as JSON; the controller writes it
	Key        string // path of the key that prediction IDs are made with
	Token      string // path of what callers of a flag must present; "" if nothing
	State      string // path of the file that feedback is kept in
	Listen     string // address that clients call
	Ops        string // address of metrics, health and the other replicas
	Self       string // this replica's own address, as the others find it
	Peers      string // host name of all replicas; "" if this is the only one
	Linger     time.Duration
	Logger     *slog.Logger
}

// The environment variables that the controller gives a gateway.
const (
	settingsVariable = "HALDANE_GATEWAY_SETTINGS"
	selfVariable     = "POD_IP"
)

func gatewayCommand(p Program) *cobra.Command {
	o, level := GatewayOptions{}, level(slog.LevelInfo)
	cmd := &cobra.Command{
		Use: "gateway --table NAME", Short: "Serve as one replica of a rollout's gateway on a cluster",
		Long: `Serves as one replica of a rollout's gateway on a cluster. The controller starts it,
as a Deployment, and writes the table that it goes by. Without a table it is not
ready; cut off from the API server it goes on by the last one.`,
		Example: "  haldane gateway --table churn --peers churn-gateway-peers",
		GroupID: groupStart, Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o.Settings, o.Self = orEnv(o.Settings, settingsVariable), os.Getenv(selfVariable)
			switch {
			case o.Table == "":
				return Usage(errors.New("gateway needs a table: name it with --table"))
			case o.Settings == "":
				return Usage(errors.New("gateway needs its settings: give them with --settings, or in $" + settingsVariable))
			case o.Peers != "" && o.Self == "":
				return Usage(errors.New("gateway must know which of its peers it is: set $" + selfVariable))
			case o.Linger < 0:
				return Usage(errors.New("--linger is negative"))
			}
			o.Logger = level.logger(c.ErrOrStderr())
			return p.Gateway(c.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Table, "table", "", "the GatewayTable that it goes by")
	f.StringVarP(&o.Namespace, "namespace", "n", "", "namespace of the table (default: the gateway's own)")
	f.StringVar(&o.Kubeconfig, "kubeconfig", "", "how to reach the cluster (default: the pod's own account, or $KUBECONFIG)")
	f.StringVar(&o.Settings, "settings", "", "what it reads in requests and answers, as JSON (default $"+settingsVariable+")")
	f.StringVar(&o.Key, "key", "/etc/haldane/key", "file with the key of prediction IDs, the same for all replicas")
	f.StringVar(&o.Token, "token", "", "file with what callers of a flag must present")
	f.StringVar(&o.State, "state", "/var/lib/haldane/gateway.db", "file that feedback is kept in")
	f.StringVar(&o.Listen, "listen", ":8080", "address that clients call")
	f.StringVar(&o.Ops, "ops", ":8081", "address of metrics, health and the other replicas")
	f.StringVar(&o.Peers, "peers", "", "host name under which all replicas are found (default: there is one)")
	f.DurationVar(&o.Linger, "linger", 5*time.Second, "how long it serves on when it is told to end, until nobody is sent to it any more")
	level.flag(cmd, "")
	return cmd
}
