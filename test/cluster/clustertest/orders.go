package clustertest

import (
	"bytes"
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// orderLimit bounds an order to the cluster.
const orderLimit = 3 * time.Minute

// Apply applies manifests on the server's side, as kubectl does, and ends the
// test if any is refused. Custom resource definitions are waited for.
func (c *Cluster) Apply(manifests string) {
	c.t.Helper()
	if out, err := c.TryApply(manifests); err != nil {
		c.t.Fatalf("apply: %v\n%s", err, out)
	}
}

// TryApply applies manifests and returns what kubectl says.
func (c *Cluster) TryApply(manifests string) (string, error) {
	return c.kubectl(manifests, "apply", "--server-side", "--force-conflicts", "--field-manager=test", "-f", "-")
}

// ApplyFiles applies the manifests in files and folders.
func (c *Cluster) ApplyFiles(paths ...string) {
	c.t.Helper()
	args := []string{"apply", "--server-side", "--force-conflicts", "--field-manager=test"}
	for _, p := range paths {
		args = append(args, "-f", p)
	}
	c.Kubectl(args...)
}

// Kubectl runs kubectl as the administrator, from outside the cluster's
// network, and returns what it prints. It ends the test if kubectl fails.
func (c *Cluster) Kubectl(args ...string) string {
	c.t.Helper()
	out, err := c.kubectl("", args...)
	if err != nil {
		c.t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// KubectlCommand returns a kubectl, ready to start, for a test that talks with
// it.
func (c *Cluster) KubectlCommand(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, filepath.Join(c.bin, "kubectl"), append([]string{"--kubeconfig", c.Kubeconfig}, args...)...)
}

func (c *Cluster) kubectl(input string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), orderLimit)
	defer cancel()
	cmd := c.KubectlCommand(ctx, args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Exec runs a program inside the cluster's network and returns what it prints.
// It ends the test if the program fails.
func (c *Cluster) Exec(name string, args ...string) string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), orderLimit)
	defer cancel()
	var out, errors bytes.Buffer
	cmd := c.Command(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = &out, &errors
	if err := cmd.Run(); err != nil {
		c.t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out.Bytes(), errors.Bytes())
	}
	return out.String()
}

// Kill ends a component without warning; it stays away until StartComponent.
func (c *Cluster) Kill(component string) { c.t.Helper(); c.stop(component, true) }

// Stop ends a component in good order; it stays away until StartComponent.
func (c *Cluster) Stop(component string) { c.t.Helper(); c.stop(component, false) }

// StartComponent starts a component again and returns once it answers.
func (c *Cluster) StartComponent(component string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), orderLimit)
	defer cancel()
	if err := c.launch.StartComponent(ctx, component); err != nil {
		c.t.Fatalf("start %s: %v", component, err)
	}
}

// Restart kills a component and starts it again.
func (c *Cluster) Restart(component string) {
	c.t.Helper()
	c.Kill(component)
	c.StartComponent(component)
}

func (c *Cluster) stop(component string, kill bool) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), orderLimit)
	defer cancel()
	if err := c.launch.StopComponent(ctx, component, kill); err != nil {
		c.t.Fatalf("stop %s: %v", component, err)
	}
}

// Eventually calls f every 50 ms until it returns nil, and ends the test with
// its last error if that takes longer than limit.
func (c *Cluster) Eventually(limit time.Duration, what string, f func() error) {
	c.t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("%s: not within %s: %v", what, limit, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
