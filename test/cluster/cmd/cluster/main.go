// Command cluster starts, stops and enters the test cluster.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/haldane-dev/haldane/test/cluster/internal/launch"
	"github.com/haldane-dev/haldane/test/cluster/internal/layout"
	"github.com/haldane-dev/haldane/test/cluster/internal/node"
	"github.com/haldane-dev/haldane/test/cluster/internal/supervise"
)

const usage = `Usage: cluster VERB DIR [ARGUMENT…]

  up DIR [-traefik] [-istio] [-prometheus]   start a cluster and leave it running
  down DIR                                   stop it
  image DIR NAME PROGRAM [ARGUMENT…]         say what an image's name stands for
  exec DIR PROGRAM [ARGUMENT…]               run a program in its namespaces
  kill|stop|start DIR COMPONENT              one of its components
  status DIR                                 which components run
`

func main() {
	if len(os.Args) < 3 {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	verb, args := os.Args[1], os.Args[3:]
	path, err := filepath.Abs(os.Args[2])
	if err == nil {
		err = run(verb, layout.Dir(path), args)
	}
	if exit, ok := err.(*exec.ExitError); ok {
		os.Exit(exit.ExitCode())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

func run(verb string, dir layout.Dir, args []string) error {
	switch {
	case verb == "supervise":
		return superviseHere(dir, len(args) > 0)
	case verb == "up":
		return up(dir, args)
	}
	c, err := launch.Attach(dir)
	if err != nil {
		return err
	}
	ctx := context.Background()
	switch {
	case verb == "down":
		return c.Stop()
	case verb == "status":
		return status(ctx, c)
	case verb == "exec" && len(args) > 0:
		cmd := c.Exec(ctx, args[0], args[1:]...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		return cmd.Run()
	case verb == "image" && len(args) > 1:
		return setImage(dir, args)
	case verb == "start" && len(args) == 1:
		return c.StartComponent(ctx, args[0])
	case (verb == "stop" || verb == "kill") && len(args) == 1:
		return c.StopComponent(ctx, args[0], verb == "kill")
	}
	return fmt.Errorf("%s %v: no such order\n%s", verb, args, usage)
}

func up(dir layout.Dir, args []string) error {
	own, err := os.Executable()
	if err != nil {
		return err
	}
	o := supervise.Options{Bin: filepath.Dir(own), Manifests: filepath.Join(filepath.Dir(own), "..", "manifests")}
	flags := flag.NewFlagSet("up", flag.ExitOnError)
	flags.BoolVar(&o.Traefik, "traefik", false, "start Traefik, for Gateway API and NGINX Ingress annotations")
	flags.BoolVar(&o.Istio, "istio", false, "start istiod, for proxyless gRPC")
	flags.BoolVar(&o.Prometheus, "prometheus", false, "start Prometheus")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if _, err := launch.Attach(dir); err == nil {
		return fmt.Errorf("a cluster is running in %s already", dir)
	}
	if err := os.RemoveAll(string(dir)); err != nil {
		return fmt.Errorf("clear the folder: %w", err)
	}
	if err := os.MkdirAll(string(dir), 0o755); err != nil {
		return fmt.Errorf("make the folder: %w", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c, _, err := launch.Start(ctx, dir, o, false)
	if err != nil {
		return err
	}
	fmt.Printf("export KUBECONFIG=%s\nexport http_proxy=http://%s   # to reach pods and services from here, such as curl http://%s/\n",
		dir.Kubeconfig(), c.Proxy, strings.Split(layout.TraefikAddress, ":")[0])
	return nil
}

// superviseHere is what up runs in the cluster's namespaces. File 3 is the
// door for clients; file 4 the tether, if there is one.
func superviseHere(dir layout.Dir, tethered bool) error {
	door, err := net.FileListener(os.NewFile(3, "door"))
	if err != nil {
		return fmt.Errorf("take over the clients' door (cluster supervise is not for people: use up): %w", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if tethered {
		tether := os.NewFile(4, "tether")
		go func() {
			defer stop()
			_, _ = tether.Read(make([]byte, 1))
		}()
	}
	return supervise.Run(ctx, dir, door)
}

func status(ctx context.Context, c *launch.Cluster) error {
	running, err := c.Components(ctx)
	if err != nil {
		return err
	}
	for name, up := range running {
		fmt.Printf("%-24s running=%t\n", name, up)
	}
	return nil
}

func setImage(dir layout.Dir, args []string) error {
	images, err := node.LoadImages(dir.Images())
	if err != nil {
		return err
	}
	images[args[0]] = node.Image{Program: args[1], Args: args[2:]}
	return images.Save(dir.Images())
}
