package supervise

import (
	"path/filepath"

	"github.com/haldane-dev/haldane/test/cluster/internal/component"
	"github.com/haldane-dev/haldane/test/cluster/internal/layout"
)

func (s *supervisor) add(name string, ready readiness, args ...string) {
	s.components[name] = component.New(component.Spec{
		Name: name, Path: filepath.Join(s.options.Bin, name), Args: args, Log: s.dir.Log(name), Ready: ready,
	})
	s.order = append(s.order, name)
}

// controlPlane describes etcd, the API server and what works through it.
func (s *supervisor) controlPlane() {
	d := s.dir
	etcd := "http://" + layout.EtcdIP
	s.add("etcd", s.get(etcd+":2379/health"),
		"--name=etcd", "--data-dir="+d.Path("etcd"), "--log-level=warn",
		"--unsafe-no-fsync", // the data is thrown away with the cluster
		"--listen-client-urls="+etcd+":2379", "--advertise-client-urls="+etcd+":2379",
		"--listen-peer-urls="+etcd+":2380", "--initial-advertise-peer-urls="+etcd+":2380",
		"--initial-cluster=etcd="+etcd+":2380")
	s.add("kube-apiserver", s.get(layout.APIServerURL+"/readyz"),
		"--etcd-servers="+etcd+":2379",
		"--bind-address="+layout.APIServerIP, "--advertise-address="+layout.APIServerIP, "--secure-port=6443",
		"--service-cluster-ip-range="+layout.ServiceNetwork.String(),
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
		"--client-ca-file="+d.PKI("ca.crt"), "--tls-cert-file="+d.PKI("apiserver.crt"), "--tls-private-key-file="+d.PKI("apiserver.key"),
		"--service-account-issuer=https://kubernetes.default.svc."+layout.ClusterDomain,
		"--service-account-key-file="+d.PKI("service-account.pub"), "--service-account-signing-key-file="+d.PKI("service-account.key"),
		"--kubelet-certificate-authority="+d.PKI("ca.crt"),
		"--kubelet-client-certificate="+d.PKI("kubelet-client.crt"), "--kubelet-client-key="+d.PKI("kubelet-client.key"),
		"--kubelet-preferred-address-types=InternalIP", "--allow-privileged=true")
	s.add("kube-controller-manager", s.get("https://127.0.0.1:10257/healthz"),
		"--kubeconfig="+d.ComponentKubeconfig("kube-controller-manager"), "--bind-address=127.0.0.1", "--leader-elect=false",
		"--service-account-private-key-file="+d.PKI("service-account.key"), "--root-ca-file="+d.PKI("ca.crt"),
		"--use-service-account-credentials=true", "--kube-api-qps=200", "--kube-api-burst=400")
	s.add("kube-scheduler", s.get("https://127.0.0.1:10259/healthz"),
		"--kubeconfig="+d.ComponentKubeconfig("kube-scheduler"), "--bind-address=127.0.0.1", "--leader-elect=false",
		"--kube-api-qps=200", "--kube-api-burst=400")
	s.add("kube-proxy", s.get("http://"+layout.NodeIP+":10256/livez"),
		"--kubeconfig="+d.ComponentKubeconfig("kube-proxy"), "--hostname-override="+layout.NodeName, "--proxy-mode=nftables",
		"--nodeport-addresses="+layout.NodeIP+"/32", "--healthz-bind-address="+layout.NodeIP+":10256", "--metrics-bind-address=127.0.0.1:10249",
		// Settings of the whole machine, which is not the cluster's.
		"--conntrack-max-per-core=0", "--conntrack-tcp-timeout-established=0", "--conntrack-tcp-timeout-close-wait=0")
}
