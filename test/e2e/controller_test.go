package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/haldane-dev/haldane/test/cluster/clustertest"
)

// controller is `haldane controller` as deploy/cluster-wide installs it: two
// pods, under the accounts and roles that are shipped.
type controller struct {
	c       *clustertest.Cluster
	program string
	user    string // who the tests are to the API server
}

// install puts the controller into the cluster and waits until it is ready.
func install(t *testing.T, c *clustertest.Cluster) *controller {
	t.Helper()
	x := &controller{c: c, program: filepath.Join(programs, "haldane")}
	c.AddImage("haldane:*", clustertest.Image{Program: x.program})
	c.Kubectl("apply", "--server-side", "-k", "testdata/install")
	c.Kubectl("-n", "haldane-system", "rollout", "status", "deployment/haldane-controller", "--timeout="+patience.String())
	x.user = strings.TrimSpace(c.Kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"))
	return x
}

// kill ends the controllers. With a pod's name it ends that one alone.
func (x *controller) kill(t *testing.T, pod string) error {
	t.Helper()
	return x.end(t, func(pid int) bool { return isController(pid) && (pod == "" || of(pid, pod)) })
}

// end ends those processes of Haldane that are meant without warning, as the
// kernel does when memory is short; their pods start them again. The error says
// that there is none to kill.
func (x *controller) end(t *testing.T, meant func(pid int) bool) error {
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
		if meant(pid) && syscall.Kill(pid, syscall.SIGKILL) == nil {
			killed++
		}
	}
	if killed == 0 {
		return errors.New("no such process runs")
	}
	return nil
}

// isController tells the controller from gateways, which are the same program.
func isController(pid int) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && bytes.Contains(line, []byte("\x00controller\x00"))
}

// of reports whether a process is of a pod.
func of(pid int, pod string) bool {
	environment, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	return err == nil && slices.Contains(strings.Split(string(environment), "\x00"), "HOSTNAME="+pod)
}

// scale runs n controllers and waits until all are ready.
func (x *controller) scale(c *clustertest.Cluster, n int) {
	c.Kubectl("-n", "haldane-system", "scale", "deployment/haldane-controller", fmt.Sprintf("--replicas=%d", n))
	c.Kubectl("-n", "haldane-system", "rollout", "status", "deployment/haldane-controller", "--timeout="+patience.String())
}

// leader is the controller that works: its pod, "_", and what tells it from those
// that ran in that pod before and were killed.
func (x *controller) leader(c *clustertest.Cluster) string {
	return c.Kubectl("-n", "haldane-system", "get", "lease", "haldane-controller", "-o", "jsonpath={.spec.holderIdentity}")
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
