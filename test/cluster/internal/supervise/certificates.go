package supervise

import (
	"github.com/haldane-dev/haldane/test/cluster/internal/layout"
	"github.com/haldane-dev/haldane/test/cluster/internal/pki"
)

// clients are the components that talk to the API server, and as whom.
var clients = []struct {
	name, user string
	groups     []string
}{
	{"admin", "kubernetes-admin", []string{"system:masters"}},
	{"kube-controller-manager", "system:kube-controller-manager", nil},
	{"kube-scheduler", "system:kube-scheduler", nil},
	{"kube-proxy", "system:kube-proxy", nil},
	{"node", "system:node:" + layout.NodeName, []string{"system:nodes"}},
	{"kubelet-client", layout.KubeletClient, []string{"system:masters"}},
}

// makeCertificates writes every certificate and kubeconfig of the cluster.
// proxyURL is how clients outside the namespace get in.
func makeCertificates(dir layout.Dir, proxyURL string) error {
	a, err := pki.NewAuthority(dir.PKI(""))
	if err != nil {
		return err
	}
	if err := a.SigningKey("service-account"); err != nil {
		return err
	}
	err = a.Server("apiserver", layout.APIServerIP, layout.ClusterIP,
		"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc."+layout.ClusterDomain)
	if err != nil {
		return err
	}
	if err := a.Server("node-server", layout.NodeIP, layout.NodeName); err != nil {
		return err
	}
	for _, c := range clients {
		if err := a.Client(c.name, c.user, c.groups...); err != nil {
			return err
		}
		if err := a.Kubeconfig(dir.ComponentKubeconfig(c.name), c.name, layout.APIServerURL, ""); err != nil {
			return err
		}
	}
	return a.Kubeconfig(dir.Kubeconfig(), "admin", layout.APIServerURL, proxyURL)
}
