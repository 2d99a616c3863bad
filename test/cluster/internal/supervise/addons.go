package supervise

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/haldane-dev/haldane/test/cluster/internal/discovery"
	"github.com/haldane-dev/haldane/test/cluster/internal/layout"
)

// addOns describes the components that the options ask for.
func (s *supervisor) addOns() {
	if s.options.Traefik {
		s.traefik()
	}
	if s.options.Istio {
		s.istiod()
	}
	if s.options.Prometheus {
		s.prometheus()
	}
}

// traefik serves Gateways of the class "traefik" and Ingresses of the class
// "nginx" with the annotations of ingress-nginx.
func (s *supervisor) traefik() {
	ip := layout.TraefikIP
	s.add("traefik", s.get("http://"+ip+":8080/ping"),
		"--global.checknewversion=false", "--global.sendanonymoususage=false", "--log.level=INFO",
		"--entrypoints.web.address="+layout.TraefikAddress,
		"--entrypoints.traefik.address="+ip+":8080", "--ping=true", "--api.insecure=true",
		"--entrypoints.metrics.address="+ip+":9100", "--metrics.prometheus.entrypoint=metrics",
		// Its own begin at 100 ms, which is slower than a slow model.
		"--metrics.prometheus.buckets=0.005,0.01,0.025,0.05,0.1,0.3,1.2,5",
		"--metrics.prometheus.addserviceslabels=true", "--metrics.prometheus.addrouterslabels=true",
		"--providers.providersthrottleduration=100ms",
		"--providers.kubernetesgateway=true", "--providers.kubernetesgateway.statusaddress.ip="+ip,
		"--providers.kubernetesingressnginx=true", "--providers.kubernetesingressnginx.publishstatusaddress="+ip,
		"--providers.kubernetesingressnginx.httpentrypoint=web")
	s.components["traefik"].Spec.Env = []string{"KUBECONFIG=" + s.dir.ComponentKubeconfig("admin")}
}

const traefikManifests = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: traefik}
spec: {controllerName: traefik.io/gateway-controller}
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: nginx}
spec: {controller: k8s.io/ingress-nginx}
`

// istiod hands routes to proxyless gRPC clients. Nothing is injected into
// pods: there is no Envoy here.
func (s *supervisor) istiod() {
	ip := layout.IstiodIP
	s.add("istiod", s.get("http://"+ip+":8080/ready"),
		"discovery", "--kubeconfig="+s.dir.ComponentKubeconfig("admin"), "--meshConfig="+s.dir.Path("mesh.yaml"),
		"--httpAddr="+ip+":8080", "--httpsAddr="+ip+":15017",
		"--grpcAddr="+layout.IstioXDS, "--secureGRPCAddr="+ip+":15012", "--monitoringAddr="+ip+":15014")
	s.components["istiod"].Spec.Env = []string{
		"POD_NAMESPACE=istio-system", "POD_NAME=istiod", "REVISION=default", "CLUSTER_ID=Kubernetes",
		"INJECTION_WEBHOOK_CONFIG_NAME=", "VALIDATION_WEBHOOK_CONFIG_NAME=",
		"ISTIOD_CUSTOM_HOST=" + ip,
	}
}

const istioManifests = `
apiVersion: v1
kind: Namespace
metadata: {name: istio-system}
`

// prometheus finds pods by the customary annotations and Traefik by its
// address, and scrapes them every second.
func (s *supervisor) prometheus() {
	ip := layout.PrometheusIP
	s.add("prometheus", s.get(layout.PrometheusURL+"/-/ready"),
		"--config.file="+s.dir.Path("prometheus.yml"), "--storage.tsdb.path="+s.dir.Path("prometheus"),
		"--web.listen-address="+ip+":9090", "--enable-feature=native-histograms", "--log.level=warn")
}

const prometheusConfig = `
global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
scrape_configs:
- job_name: traefik
  static_configs: [{targets: ["` + layout.TraefikIP + `:9100"]}]
- job_name: pods
  http_sd_configs: [{url: "` + layout.DiscoveryURL + `", refresh_interval: 1s}]
  relabel_configs:
  - {source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_scrape], action: keep, regex: "true"}
  - {source_labels: [__meta_kubernetes_pod_phase], action: keep, regex: Running}
  - {source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_path], action: replace, target_label: __metrics_path__, regex: (.+)}
  - {source_labels: [__meta_kubernetes_pod_ip, __meta_kubernetes_pod_annotation_prometheus_io_port], action: replace, target_label: __address__, regex: "(.+);(.+)", replacement: "$1:$2"}
  - {action: labelmap, regex: __meta_kubernetes_pod_label_(.+)}
  - {source_labels: [__meta_kubernetes_namespace], target_label: namespace}
  - {source_labels: [__meta_kubernetes_pod_name], target_label: pod}
  - {source_labels: [__meta_kubernetes_pod_container_name], target_label: container}
`

// startAddOns prepares what the add-ons need and starts them.
func (s *supervisor) startAddOns(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	if s.options.Traefik {
		group.Go(func() error {
			if err := s.apply(ctx, "gateway-api.yaml", traefikManifests); err != nil {
				return err
			}
			return s.components["traefik"].Start(ctx)
		})
	}
	if s.options.Istio {
		group.Go(func() error {
			if err := s.apply(ctx, "istio.yaml", istioManifests); err != nil {
				return err
			}
			if err := os.WriteFile(s.dir.Path("mesh.yaml"), []byte("{}\n"), 0o644); err != nil {
				return fmt.Errorf("write the mesh's configuration: %w", err)
			}
			return s.components["istiod"].Start(ctx)
		})
	}
	if s.options.Prometheus {
		group.Go(func() error {
			if err := s.serveDiscovery(ctx); err != nil {
				return err
			}
			text := s.options.PrometheusConfig
			if text == "" {
				text = prometheusConfig
			}
			if err := os.WriteFile(s.dir.Path("prometheus.yml"), []byte(text), 0o644); err != nil {
				return fmt.Errorf("write Prometheus's configuration: %w", err)
			}
			return s.components["prometheus"].Start(ctx)
		})
	}
	return group.Wait()
}

// serveDiscovery tells Prometheus of pods, for as long as the cluster runs.
func (s *supervisor) serveDiscovery(ctx context.Context) error {
	client, _, err := s.client("admin")
	if err != nil {
		return err
	}
	handler, err := discovery.New(context.WithoutCancel(ctx), client)
	if err != nil {
		return err
	}
	at, err := url.Parse(layout.DiscoveryURL)
	if err != nil {
		return fmt.Errorf("the address of the discovery: %w", err)
	}
	listener, err := net.Listen("tcp", at.Host)
	if err != nil {
		return fmt.Errorf("listen for Prometheus's discovery: %w", err)
	}
	go func() { _ = (&http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}).Serve(listener) }()
	return nil
}

// apply applies the definitions in a file of the manifests' folder, waits
// until the API server serves them, and applies what else is given.
func (s *supervisor) apply(ctx context.Context, definitions, manifests string) error {
	path := filepath.Join(s.options.Manifests, definitions)
	if err := s.kubectl(ctx, "", "apply", "--server-side", "-f", path); err != nil {
		return err
	}
	// Not --for=condition on the file: it holds more than definitions.
	// kubectl gives up at one that another add-on has made a moment ago and that
	// has no status yet.
	for try := 1; ; try++ {
		err := s.kubectl(ctx, "", "wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
		if err == nil {
			break
		}
		if try == 10 {
			return err
		}
		time.Sleep(200 * time.Millisecond)
	}
	return s.kubectl(ctx, manifests, "apply", "--server-side", "-f", "-")
}

func (s *supervisor) kubectl(ctx context.Context, input string, args ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(s.options.Bin, "kubectl"), append([]string{"--kubeconfig", s.dir.ComponentKubeconfig("admin")}, args...)...)
	cmd.Stdin = strings.NewReader(input)
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("kubectl %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}
