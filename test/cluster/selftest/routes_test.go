package selftest

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/haldane-dev/haldane/test/cluster/clustertest"
)

// requests is how many are sent to measure a split.
const requests = 500

// split sends requests to Traefik for host and counts the versions that
// answer. Each one has to succeed.
func (s space) split(host string, headers ...string) map[string]int {
	s.t.Helper()
	client := s.HTTP()
	defer client.CloseIdleConnections()
	counts := map[string]int{}
	for range requests {
		response, err := client.Do(request(s.t, host, headers...))
		if err != nil {
			s.t.Fatalf("a request to %s: %v", host, err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		if response.StatusCode != http.StatusOK {
			s.t.Fatalf("a request to %s: %s", host, response.Status)
		}
		counts[response.Header.Get("Version")]++
	}
	return counts
}

func request(t *testing.T, host string, headers ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, "http://"+clustertest.TraefikAddress+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

// share fails unless the count lies within five standard deviations of what
// independent draws with that probability would give.
func share(t *testing.T, what string, count, total int, probability float64) {
	t.Helper()
	mean := float64(total) * probability
	most := 5 * math.Sqrt(mean*(1-probability))
	t.Logf("%s: %d of %d", what, count, total)
	if math.Abs(float64(count)-mean) > most {
		t.Errorf("%s: %d of %d, want %.0f ± %.0f", what, count, total, mean, most)
	}
}

// answers waits until Traefik gives host a route to the wanted version.
func (s space) answers(host, version string, headers ...string) {
	s.t.Helper()
	s.Eventually(patience, "Traefik serves "+host, func() error {
		client := s.HTTP()
		defer client.CloseIdleConnections()
		response, err := client.Do(request(s.t, host, headers...))
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if got := response.Header.Get("Version"); got != version {
			return fmt.Errorf("%s, version %q", response.Status, got)
		}
		return nil
	})
}

// testGateway: weights and header matches of an HTTPRoute, a change of
// weights, and back.
func testGateway(t *testing.T, s space) {
	s.deploy("stable", "v1", 1)
	s.deploy("canary", "v2", 1)
	s.apply(`
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: public, namespace: NAMESPACE}
spec:
  gatewayClassName: traefik
  listeners: [{name: http, port: 80, protocol: HTTP}]
`)
	route := func(stable, canary int) {
		s.apply(fmt.Sprintf(`
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: NAMESPACE}
spec:
  parentRefs: [{name: public}]
  hostnames: [web.example.com]
  rules:
  - matches: [{headers: [{name: x-canary, value: "true"}]}]
    backendRefs: [{name: canary, port: 80}]
  - backendRefs: [{name: stable, port: 80, weight: %d}, {name: canary, port: 80, weight: %d}]
`, stable, canary))
	}
	route(100, 0)
	s.kubectl("wait", "--for=jsonpath={.status.parents[0].conditions[?(@.type=='Accepted')].status}=True", "httproute/web", "--timeout="+patience.String())
	s.answers("web.example.com", "v1")
	route(90, 10)
	s.answers("web.example.com", "v2")
	share(t, "canary at weight 10", s.split("web.example.com")["v2"], requests, 0.1)
	share(t, "canary by header", s.split("web.example.com", "X-Canary", "true")["v2"], requests, 1)
	route(100, 0)
	s.Eventually(patience, "all traffic is back", func() error {
		if got := s.split("web.example.com"); got["v2"] > 0 {
			return fmt.Errorf("split %v", got)
		}
		return nil
	})
}

// testIngress: the canary annotations of ingress-nginx.
func testIngress(t *testing.T, s space) {
	s.deploy("stable", "v1", 1)
	s.deploy("canary", "v2", 1)
	ingress := `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: ARM, namespace: NAMESPACE, annotations: {ANNOTATIONS}}
spec:
  ingressClassName: nginx
  rules:
  - host: ingress.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: ARM, port: {number: 80}}}}]}
`
	s.apply(ingress, "ARM", "stable", "ANNOTATIONS", "")
	s.answers("ingress.example.com", "v1")
	s.apply(ingress, "ARM", "canary", "ANNOTATIONS", `nginx.ingress.kubernetes.io/canary: "true", nginx.ingress.kubernetes.io/canary-weight: "25",
  nginx.ingress.kubernetes.io/canary-by-header: x-canary`)
	s.answers("ingress.example.com", "v2", "X-Canary", "always")
	share(t, "canary at weight 25", s.split("ingress.example.com")["v2"], requests, 0.25)
	share(t, "canary by header", s.split("ingress.example.com", "X-Canary", "always")["v2"], requests, 1)
}

// testPrometheus: pods are found and scraped, with their labels.
func testPrometheus(t *testing.T, s space) {
	s.deploy("web", "v1", 2)
	for range 10 {
		if _, _, err := s.get("http://web." + s.name + "/"); err != nil {
			t.Fatal(err)
		}
	}
	query := `sum by (app, version) (testapp_requests_total{namespace="` + s.name + `"})`
	s.Eventually(patience, "Prometheus has counted the requests", func() error {
		client := s.HTTP()
		client.Timeout = 5 * time.Second
		response, err := client.Get(clustertest.PrometheusURL + "/api/v1/query?query=" + url.QueryEscape(query))
		if err != nil {
			return err
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err == nil && !(strings.Contains(string(body), `{"app":"web","version":"v1"}`) && strings.Contains(string(body), `"10"]`)) {
			err = fmt.Errorf("%s", body)
		}
		return err
	})
}

// testIstio: weights and header matches of a VirtualService reach a gRPC
// client that has no sidecar, with versions as Services of their own and as
// subsets of one.
func testIstio(t *testing.T, s space) {
	for _, version := range []string{"v1", "v2"} {
		s.apply(grpcServer, "VERSION_", version)
	}
	s.apply(grpcService, "ARM", "web", "SELECTOR", "{app: grpc}")
	for _, version := range []string{"v1", "v2"} {
		s.apply(grpcService, "ARM", "web-"+version, "SELECTOR", "{app: grpc, version: "+version+"}")
		s.rolledOut("grpc-" + version)
	}
	s.apply(virtualService, "STABLE", "{host: web-v1}, weight: 90", "CANARY", "{host: web-v2}, weight: 10")
	counts := s.callMesh("hosts", 1000)
	share(t, "canary Service at weight 10", counts["v2"], 1000, 0.1)

	s.apply(`
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: NAMESPACE}
spec: {host: web, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}
`)
	s.apply(virtualService, "STABLE", "{host: web, subset: v1}, weight: 70", "CANARY", "{host: web, subset: v2}, weight: 30")
	counts = s.callMesh("subsets", 1000)
	share(t, "canary subset at weight 30", counts["v2"], 1000, 0.3)
}

// callMesh calls the mesh's service from a pod and returns how often each
// version answered.
func (s space) callMesh(name string, calls int) map[string]int {
	s.t.Helper()
	s.apply(grpcClient, "NAME", name, "CALLS", fmt.Sprint(calls), "BIN", filepath.Dir(testapp(s.t)),
		"BOOTSTRAP", clustertest.XDSBootstrap(name, s.name, "$(POD_IP)"))
	pod := s.pod(name, "has ended", func(p *corev1.Pod) bool {
		return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
	})
	out := s.kubectl("logs", name)
	var counts map[string]int
	if err := json.Unmarshal([]byte(out), &counts); err != nil || pod.Status.Phase != corev1.PodSucceeded {
		s.t.Fatalf("the client ended as %s and printed %q", pod.Status.Phase, out)
	}
	if total := counts["v1"] + counts["v2"]; total != calls {
		s.t.Errorf("%d answers to %d calls: %v", total, calls, counts)
	}
	return counts
}

const grpcServer = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: grpc-VERSION_, namespace: NAMESPACE}
spec:
  selector: {matchLabels: {app: grpc, version: VERSION_}}
  template:
    metadata: {labels: {app: grpc, version: VERSION_}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: grpc
        image: testgrpc:VERSION_
        env: [{name: VERSION, value: VERSION_}]
        readinessProbe: {grpc: {port: 9000}, periodSeconds: 1}
`

const grpcService = `
apiVersion: v1
kind: Service
metadata: {name: ARM, namespace: NAMESPACE}
spec: {selector: SELECTOR, ports: [{name: grpc, port: 9000}]}
`

const virtualService = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: NAMESPACE}
spec:
  hosts: [web]
  http:
  - route:
    - {destination: STABLE}
    - {destination: CANARY}
`

const grpcClient = `
apiVersion: v1
kind: Pod
metadata: {name: NAME, namespace: NAMESPACE, labels: {app: NAME}}
spec:
  restartPolicy: Never
  containers:
  - name: client
    image: testgrpc:v1
    command: [BIN/testapp, call, "xds:///web.NAMESPACE.svc.cluster.local:9000", "CALLS"]
    env:
    - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
    - {name: GRPC_XDS_BOOTSTRAP_CONFIG, value: 'BOOTSTRAP'}
`
