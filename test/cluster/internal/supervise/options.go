package supervise

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/haldane-dev/haldane/test/cluster/internal/layout"
)

// Options say which cluster to start.
type Options struct {
	// Bin is the folder of the cluster's programs and Manifests the one of the
	// custom resource definitions that belong to them.
	Bin       string
	Manifests string

	Traefik    bool // Gateway API and NGINX Ingress annotations
	Istio      bool // istiod, for proxyless gRPC
	Prometheus bool

	// BackOff is the wait before a container's second restart; it doubles from
	// there. One second if zero; a kubelet waits ten.
	BackOff time.Duration
	// NodeResources are added to the node's capacity, such as
	// {"nvidia.com/gpu": "1"}.
	NodeResources map[string]string
	// PrometheusConfig replaces the contents of Prometheus's configuration
	// file; if empty, it scrapes annotated pods every second.
	PrometheusConfig string
}

// Save writes the options where the supervisor of dir looks for them.
func (o Options) Save(dir layout.Dir) error {
	data, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("write the cluster's options: %w", err)
	}
	return os.WriteFile(dir.Path("options.json"), data, 0o600)
}

func loadOptions(dir layout.Dir) (Options, error) {
	var o Options
	data, err := os.ReadFile(dir.Path("options.json"))
	if err == nil {
		err = json.Unmarshal(data, &o)
	}
	if err != nil {
		return o, fmt.Errorf("read the cluster's options: %w", err)
	}
	if o.BackOff == 0 {
		o.BackOff = time.Second
	}
	return o, nil
}
