package clustertest

import (
	"encoding/json"

	"github.com/haldane-dev/haldane/test/cluster/internal/layout"
)

// XDSBootstrap is the configuration with which a proxyless gRPC client in the
// pod name.namespace at address ip gets its routes from istiod. It goes into
// GRPC_XDS_BOOTSTRAP_CONFIG; in a manifest, ip may be the reference $(POD_IP)
// to a variable declared before. The client dials
// xds:///SERVICE.NAMESPACE.svc.cluster.local:PORT.
func XDSBootstrap(name, namespace, ip string) string {
	type object = map[string]any
	data, err := json.Marshal(object{
		"xds_servers": []object{{
			"server_uri":      layout.IstioXDS,
			"channel_creds":   []object{{"type": "insecure"}},
			"server_features": []string{"xds_v3"},
		}},
		"node": object{
			"id":       "sidecar~" + ip + "~" + name + "." + namespace + "~" + namespace + ".svc." + layout.ClusterDomain,
			"metadata": object{"GENERATOR": "grpc", "NAMESPACE": namespace, "CLUSTER_ID": "Kubernetes"},
		},
	})
	if err != nil {
		panic(err) // strings in maps always encode
	}
	return string(data)
}
