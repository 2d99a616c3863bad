package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/haldane-dev/haldane/test/cluster/clustertest"
)

// controller is `haldane controller` as a pod of the cluster.
type controller struct {
	c       *clustertest.Cluster
	program string
}

// install puts the controller into the cluster and waits until it is ready.
func install(t *testing.T, c *clustertest.Cluster) *controller {
	t.Helper()
	x := &controller{c: c, program: filepath.Join(programs, "haldane")}
	c.AddImage("haldane:*", clustertest.Image{Program: x.program})
	c.Kubectl("apply", "--server-side", "-f", "../../deploy/crd")
	c.Kubectl("wait", "--for=condition=Established", "--timeout=60s",
		"crd/modelrollouts.haldane.dev", "crd/rolloutcommands.haldane.dev", "crd/rolloutstates.haldane.dev")
	c.Apply(installation)
	x.c = c.For(t)
	c.Kubectl("-n", "haldane-system", "rollout", "status", "deployment/haldane-controller", "--timeout="+patience.String())
	return x
}

// kill ends the controller's process without warning, as the kernel does when
// memory is short; its pod starts it again. It returns how many it has found.
func (x *controller) kill(t *testing.T) int {
	t.Helper()
	program, err := os.Stat(x.program)
	if err != nil {
		t.Fatal(err)
	}
	all, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		t.Fatal(err)
	}
	killed := 0
	for _, exe := range all {
		// The file itself, built for this run of the tests alone: no other
		// process of this machine can have it.
		if info, err := os.Stat(exe); err != nil || !os.SameFile(info, program) {
			continue
		}
		var pid int
		if _, err := fmt.Sscanf(exe, "/proc/%d/exe", &pid); err != nil {
			t.Fatal(err)
		}
		if isController(pid) && syscall.Kill(pid, syscall.SIGKILL) == nil {
			killed++
		}
	}
	return killed
}

// isController tells the controller from gateways, which are the same program.
func isController(pid int) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && bytes.Contains(line, []byte("\x00controller\x00"))
}

// tail is the end of the controllers' logs: the lines about a namespace or
// about none.
func (x *controller) tail(namespace string) string {
	logs, _ := filepath.Glob(filepath.Join(x.c.Dir(), "pods", "*", "logs", "controller", "*"))
	var out []string
	for _, log := range logs {
		data, _ := os.ReadFile(log)
		for line := range bytes.Lines(data) {
			text := string(line)
			if strings.Contains(text, namespace) || !strings.Contains(text, "rollout=") {
				out = append(out, text)
			}
		}
	}
	slices.Sort(out) // by time
	return strings.Join(out[max(0, len(out)-80):], "")
}

const installation = `
apiVersion: v1
kind: Namespace
metadata: {name: haldane-system}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: haldane-controller, namespace: haldane-system}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: haldane-controller}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, name: haldane-controller, namespace: haldane-system}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: haldane-controller, namespace: haldane-system}
spec:
  selector: {matchLabels: {app: haldane-controller}}
  template:
    metadata: {labels: {app: haldane-controller}}
    spec:
      serviceAccountName: haldane-controller
      containers:
      - name: controller
        image: haldane:e2e
        args: [controller, --all-namespaces, --leader-elect=false]
        readinessProbe: {httpGet: {path: /readyz, port: 8081}, periodSeconds: 1}
`
