package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/examples/churn"
	"github.com/haldane-dev/haldane/test/cluster/clustertest"
	"sigs.k8s.io/yaml"
)

// world is a cluster into which Haldane was installed by its manifests, beside
// the models of the namespace shop.
type world struct {
	*clustertest.Cluster
	t *testing.T
}

// The ServiceAccount that the manifests give the controller.
const account = "system:serviceaccount:shop:haldane-controller"

func newWorld(t *testing.T) world {
	t.Helper()
	w := world{clustertest.Start(t, clustertest.Options{Traefik: true, Istio: true, Prometheus: true}), t}
	w.AddImage("haldane:*", clustertest.Image{Program: filepath.Join(programs, "haldane")})
	for _, variant := range []string{"v1", "good", "errors"} {
		w.AddImage("churn:"+variant, clustertest.Image{
			Program: filepath.Join(programs, "serve"), Args: []string{"--variant", variant, "--listen", "0.0.0.0:8080"},
		})
	}
	w.Apply(namespaces)
	w.Kubectl("apply", "-k", overlay(t, "namespace: shop\n"))
	w.shop("rollout", "status", "deployment/haldane-controller", "--timeout="+patience.String())
	return w
}

// shop runs kubectl in the namespace.
func (w world) shop(args ...string) string {
	w.t.Helper()
	return w.Kubectl(append([]string{"-n", "shop"}, args...)...)
}

// as is a kubeconfig by which the administrator acts as somebody else.
func (w world) as(user string) string {
	w.t.Helper()
	text, err := os.ReadFile(w.Kubeconfig)
	if err != nil {
		w.t.Fatal(err)
	}
	var config map[string]any
	if err := yaml.Unmarshal(text, &config); err != nil {
		w.t.Fatal(err)
	}
	for _, u := range config["users"].([]any) {
		u.(map[string]any)["user"].(map[string]any)["as"] = user
	}
	if text, err = yaml.Marshal(config); err != nil {
		w.t.Fatal(err)
	}
	path := filepath.Join(w.t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// plugin is `kubectl haldane …` of somebody, with what it printed and its exit code.
func (w world) plugin(kubeconfig string, args ...string) (out string, code int) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, kubectl(w.t), append([]string{"haldane"}, append(args, "-n", "shop")...)...)
	cmd.Env = append(os.Environ(), "PATH="+programs+":"+os.Getenv("PATH"), "KUBECONFIG="+kubeconfig)
	var both bytes.Buffer
	cmd.Stdout, cmd.Stderr = &both, &both
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		w.t.Fatalf("kubectl haldane %v: %v", args, err)
	}
	return both.String(), cmd.ProcessState.ExitCode()
}

// say is plugin for what has to succeed.
func (w world) say(args ...string) string {
	w.t.Helper()
	out, code := w.plugin(w.Kubeconfig, args...)
	if code != 0 {
		w.t.Fatalf("kubectl haldane %v: exit code %d\n%s", args, code, out)
	}
	return out
}

// status waits until the rollout's status is as a JSON path says.
func (w world) status(path, value string) {
	w.t.Helper()
	w.shop("wait", "modelrollout/churn", fmt.Sprintf("--for=jsonpath={.status.%s}=%s", path, value), "--timeout="+patience.String())
}

// condition waits until a condition of the rollout is true.
func (w world) condition(name string) {
	w.t.Helper()
	w.shop("wait", "modelrollout/churn", "--for=condition="+name, "--timeout="+patience.String())
}

// send sends customers' requests through the Gateway until lost is called, which
// returns how many were not answered, or the test ends.
func (w world) send() (lost func() int64) {
	w.t.Helper()
	customers, err := churn.HeldOut()
	if err != nil {
		w.t.Fatal(err)
	}
	var n atomic.Int64
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		client, tick := w.HTTP(), time.NewTicker(25*time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			body := customers[i%len(customers)].RequestBody()
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://10.77.0.10/v2/models/churn/infer", bytes.NewReader(body))
			if err != nil {
				panic(err)
			}
			r.Host = "churn.example"
			answer, err := client.Do(r)
			if err != nil {
				if ctx.Err() == nil {
					n.Add(1)
				}
				continue
			}
			_ = answer.Body.Close()
			// The bad model says 500 itself; what a route without pods says is others.
			if answer.StatusCode != http.StatusOK && answer.StatusCode != http.StatusInternalServerError {
				n.Add(1)
			}
		}
	}()
	end := func() int64 { stop(); <-ended; return n.Load() }
	w.t.Cleanup(func() { end() })
	return end
}

// logs is what all controllers have printed.
func (w world) logs() string {
	files, _ := filepath.Glob(filepath.Join(w.Dir(), "pods", "*", "logs", "controller", "*"))
	var out strings.Builder
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			w.t.Fatal(err)
		}
		out.Write(text)
	}
	return out.String()
}

// The namespace demands of pods what the strictest of the standards does.
const namespaces = `
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {pod-security.kubernetes.io/enforce: restricted}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: public, namespace: default}
spec:
  gatewayClassName: traefik
  listeners: [{name: http, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}]
`

const model = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: churn, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: churn}}
  template:
    metadata:
      labels: {app: churn}
      annotations: {prometheus.io/scrape: "true", prometheus.io/port: "8080"}
    spec:
      terminationGracePeriodSeconds: 20
      securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: model
        image: churn:v1
        ports: [{name: http, containerPort: 8080}]
        readinessProbe: {httpGet: {path: /v2/health/ready, port: http}, periodSeconds: 1}
        lifecycle: {preStop: {sleep: {seconds: 3}}}
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
---
apiVersion: v1
kind: Service
metadata: {name: churn, namespace: shop}
spec:
  selector: {app: churn}
  ports: [{name: http, port: 80, targetPort: http}]
`

// Margins are wide: evidence must come in seconds.
const rollout = `
apiVersion: haldane.dev/v1alpha1
kind: ModelRollout
metadata: {name: churn, namespace: shop}
spec:
  workload: {name: churn}
  routing:
    gatewayAPI: {httpRoute: churn, gateways: [{name: public, namespace: default}], hostnames: [churn.example]}
  strategy:
    canary:
      steps: [{weight: 50}, {pause: {}}, {weight: 100}]
      scaleDownDelay: 2s
  analysis:
    source: {prometheus: {address: "http://10.77.0.20:9090", preset: traefik, scrapeInterval: 1s}}
    warmup: 1s
    maxDuration: 10m
    controls: {srm: 0.01%, dispersion: "off"}
    metrics:
    - {name: errors, errorRate: {maxIncrease: 5pp}, tolerate: 25%}
`

// people are three persons with one role each, and one who has none of Haldane's.
const people = `
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: looks, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: vera}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: operates, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: otto}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: approves, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: haldane-approve}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: anna}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: approver-looks, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: haldane-view}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: anna}]
`
