package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// cluster is an API server and its etcd, in a folder of their own.
type cluster struct {
	bin, dir string
}

// startCluster starts a new one.
func startCluster(ctx context.Context, built string) (*cluster, error) {
	built, err := filepath.Abs(built)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "bench") // short: it will hold sockets
	if err != nil {
		return nil, fmt.Errorf("make a folder for the cluster: %w", err)
	}
	c := &cluster{bin: filepath.Join(built, "bin"), dir: filepath.Join(dir, "c")}
	if _, err := c.order(ctx, "up"); err != nil {
		_ = os.RemoveAll(dir)
		return nil, fmt.Errorf("%w (has make cluster-build been run?)", err)
	}
	for _, name := range []string{"kube-scheduler", "kube-proxy", "kube-controller-manager"} {
		if _, err := c.order(ctx, "stop", name); err != nil {
			return nil, c.failed(err)
		}
	}
	for _, file := range []string{filepath.Join(built, "manifests", "gateway-api.yaml"), "deploy/crd"} {
		verb := "-f"
		if file == "deploy/crd" {
			verb = "-k"
		}
		if err := c.kubectl(ctx, "apply", "--server-side", verb, file); err != nil {
			return nil, c.failed(err)
		}
	}
	return c, c.kubectl(ctx, "wait", "--for=condition=Established", "--all", "--timeout=2m", "crd")
}

// order gives the cluster's own program an order.
func (c *cluster) order(ctx context.Context, verb string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, "cluster"), append([]string{verb, c.dir}, args...)...)
	return output(cmd)
}

func (c *cluster) kubectl(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, "kubectl"), args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.kubeconfig())
	_, err := output(cmd)
	return err
}

// kubeconfig is the administrator's, for use outside the cluster's network.
func (c *cluster) kubeconfig() string { return filepath.Join(c.dir, "kubeconfig") }

// failed ends the cluster after an error.
func (c *cluster) failed(err error) error {
	c.stop()
	return err
}

// stop ends it and removes its files.
func (c *cluster) stop() {
	if _, err := c.order(context.Background(), "down"); err != nil {
		fmt.Fprintln(os.Stderr, "bench-controller: stop the cluster:", err)
	}
	_ = os.RemoveAll(filepath.Dir(c.dir))
}

// output runs cmd and puts what it said into the error.
func output(cmd *exec.Cmd) (string, error) {
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", filepath.Base(cmd.Path), strings.Join(cmd.Args[1:], " "), err, strings.TrimSpace(said.String()))
	}
	return said.String(), nil
}
