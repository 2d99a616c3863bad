package selftest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/haldane-dev/haldane/test/cluster/clustertest"
)

// patience is far longer than anything here takes, even on a busy machine.
const patience = 2 * time.Minute

// TestCluster starts one cluster and asks it everything, each test in a
// namespace of its own.
func TestCluster(t *testing.T) {
	c := clustertest.Start(t, clustertest.Options{
		Traefik: true, Istio: true, Prometheus: true, NodeResources: map[string]string{"example.com/accelerator": "1"},
	})
	app := testapp(t)
	c.AddImage("testapp:*", clustertest.Image{Program: app, Args: []string{"web"}})
	c.AddImage("testgrpc:*", clustertest.Image{Program: app, Args: []string{"grpc"}})
	tests := []struct {
		name string
		run  func(*testing.T, space)
	}{
		{"service", testService},
		{"rolling-update", testRollingUpdate},
		{"crash-loop", testCrashLoop},
		{"missing-image", testMissingImage},
		{"readiness", testReadiness},
		{"liveness", testLiveness},
		{"probes", testProbes},
		{"graceful-end", testGracefulEnd},
		{"configuration", testConfiguration},
		{"job", testJob},
		{"resources", testResources},
		{"logs", testLogs},
		{"exec", testExec},
		{"token", testToken},
		{"gateway", testGateway},
		{"ingress", testIngress},
		{"prometheus", testPrometheus},
		{"istio", testIstio},
		{"restarts", testRestarts}, // the last: it takes the API server away
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(t, newSpace(t, c, test.name)) })
	}
}

func testapp(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("HALDANE_CLUSTER"); dir != "" {
		return filepath.Join(dir, "bin", "testapp")
	}
	path, err := filepath.Abs("../../../.cache/cluster/bin/testapp")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// space is a namespace of the cluster, deleted with its test.
type space struct {
	*clustertest.Cluster
	t    *testing.T
	name string
}

func newSpace(t *testing.T, c *clustertest.Cluster, name string) space {
	s := space{Cluster: c.For(t), t: t, name: name}
	s.Apply(fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}\n", name))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s\n%s", s.Kubectl("-n", name, "get", "pods", "-o", "wide"), s.Kubectl("-n", name, "get", "events"))
		}
		s.Kubectl("delete", "namespace", name, "--wait=false")
	})
	return s
}

// apply applies manifests in the space; $VERSION and the like are the test's.
func (s space) apply(manifests string, replace ...string) {
	s.t.Helper()
	s.Apply(strings.NewReplacer(append([]string{"NAMESPACE", s.name}, replace...)...).Replace(manifests))
}

// kubectl runs kubectl in the space.
func (s space) kubectl(args ...string) string {
	s.t.Helper()
	return s.Kubectl(append([]string{"-n", s.name}, args...)...)
}

// deploy applies a Deployment of testapp with a Service, and waits for it.
func (s space) deploy(name, version string, replicas int) {
	s.t.Helper()
	s.apply(deployment, "NAME", name, "VERSION_", version, "REPLICAS", fmt.Sprint(replicas))
	s.rolledOut(name)
}

func (s space) rolledOut(name string) {
	s.t.Helper()
	s.kubectl("rollout", "status", "deployment/"+name, "--timeout="+patience.String())
}

// pod waits until a pod with the label app=name satisfies ok and returns it.
func (s space) pod(name, what string, ok func(*corev1.Pod) bool) *corev1.Pod {
	s.t.Helper()
	var found *corev1.Pod
	s.Eventually(patience, "a pod of "+name+" "+what, func() error {
		list, err := s.Client().CoreV1().Pods(s.name).List(context.Background(), metav1.ListOptions{LabelSelector: "app=" + name})
		if err != nil {
			return err
		}
		for i := range list.Items {
			if ok(&list.Items[i]) {
				found = &list.Items[i]
				return nil
			}
		}
		return fmt.Errorf("none of %d pods", len(list.Items))
	})
	return found
}

// ready tells whether the pod is reported ready.
func ready(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME, namespace: NAMESPACE}
spec:
  replicas: REPLICAS
  selector: {matchLabels: {app: NAME}}
  template:
    metadata:
      labels: {app: NAME}
      annotations: {prometheus.io/scrape: "true", prometheus.io/port: "8080"}
    spec:
      terminationGracePeriodSeconds: 10
      containers:
      - name: web
        image: testapp:VERSION_
        env: [{name: VERSION, value: VERSION_}]
        ports: [{name: http, containerPort: 8080}]
        readinessProbe: {httpGet: {path: /readyz, port: http}, periodSeconds: 1}
        livenessProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 1, failureThreshold: 2}
        lifecycle: {preStop: {sleep: {seconds: 1}}}
---
apiVersion: v1
kind: Service
metadata: {name: NAME, namespace: NAMESPACE}
spec:
  selector: {app: NAME}
  ports: [{name: http, port: 80, targetPort: http}]
`
