package supervise

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/haldane-dev/haldane/test/cluster/internal/component"
	"github.com/haldane-dev/haldane/test/cluster/internal/dns"
	"github.com/haldane-dev/haldane/test/cluster/internal/layout"
	"github.com/haldane-dev/haldane/test/cluster/internal/network"
	"github.com/haldane-dev/haldane/test/cluster/internal/node"
	"github.com/haldane-dev/haldane/test/cluster/internal/proxy"
)

// startLimit bounds the start of the whole cluster.
const startLimit = 3 * time.Minute

type supervisor struct {
	dir        layout.Dir
	options    Options
	log        *slog.Logger
	components map[string]*component.Component
	order      []string                 // in which they were described; the reverse is the order of stopping
	zone       atomic.Pointer[dns.Zone] // nil until it knows the cluster
}

// Run starts the cluster of dir and keeps it until ctx ends. door is a
// listener on the host's network through which clients come in. Whether the
// start went well is told by the files that layout names Ready and Failed.
func Run(ctx context.Context, dir layout.Dir, door net.Listener) error {
	s := &supervisor{dir: dir, components: map[string]*component.Component{}}
	s.log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	agentDone, err := s.start(ctx, door)
	if err != nil {
		_ = os.WriteFile(dir.Failed(), []byte(err.Error()), 0o644)
	} else {
		err = os.WriteFile(dir.Ready(), nil, 0o644)
		<-ctx.Done()
	}
	cancel()
	if agentDone != nil {
		<-agentDone
	}
	s.stopAll()
	return err
}

func (s *supervisor) start(ctx context.Context, door net.Listener) (agentDone chan struct{}, err error) {
	if s.options, err = loadOptions(s.dir); err != nil {
		return nil, err
	}
	// kube-proxy looks for nft, and pods' containers for nothing: theirs is their own.
	if err := os.Setenv("PATH", s.options.Bin+":"+os.Getenv("PATH")); err != nil {
		return nil, fmt.Errorf("extend the search path: %w", err)
	}
	// The processes of this namespace alone, so that tools inside see the cluster.
	_ = syscall.Mount("proc", "/proc", "proc", 0, "")
	if err := network.SetupNode(); err != nil {
		return nil, err
	}
	for _, sub := range []string{"logs", "pods"} {
		if err := os.MkdirAll(s.dir.Path(sub), 0o755); err != nil {
			return nil, fmt.Errorf("make the cluster's folders: %w", err)
		}
	}
	if err := makeCertificates(s.dir, "http://"+door.Addr().String()); err != nil {
		return nil, err
	}
	s.serveProxy(door)
	s.controlPlane()
	s.addOns()
	if err := s.serveControl(ctx); err != nil {
		return nil, err
	}
	limit, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for _, name := range []string{"etcd", "kube-apiserver"} {
		if err := s.components[name].Start(limit); err != nil {
			return nil, err
		}
	}
	if agentDone, err = s.startNode(ctx); err != nil {
		return agentDone, err
	}
	return agentDone, s.startRest(limit)
}

func (s *supervisor) startRest(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.startDNS(ctx) })
	for _, name := range []string{"kube-controller-manager", "kube-scheduler", "kube-proxy"} {
		group.Go(func() error { return s.components[name].Start(ctx) })
	}
	group.Go(func() error { return s.startAddOns(ctx) })
	return group.Wait()
}

// client returns a client of the API server with a component's rights and no
// limit of its own on how often it asks.
func (s *supervisor) client(name string) (kubernetes.Interface, *rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", s.dir.ComponentKubeconfig(name))
	if err != nil {
		return nil, nil, fmt.Errorf("read the kubeconfig of %s: %w", name, err)
	}
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	return client, config, err
}

// startNode runs the node agent until ctx ends.
func (s *supervisor) startNode(ctx context.Context) (chan struct{}, error) {
	client, _, err := s.client("node")
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(s.dir.Log("node"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the node agent's log: %w", err)
	}
	agent := node.New(node.Config{
		Client: client, Dir: s.dir, Podinit: filepath.Join(s.options.Bin, "podinit"),
		BackOff: s.options.BackOff, Resources: s.options.NodeResources,
		Log: slog.New(slog.NewTextHandler(file, nil)),
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer file.Close()
		if err := agent.Run(ctx); err != nil {
			s.log.Error("the node agent could not begin", "err", err)
		}
	}()
	return done, nil
}

func (s *supervisor) startDNS(ctx context.Context) error {
	client, _, err := s.client("admin")
	if err != nil {
		return err
	}
	// The watches outlive the start.
	zone, err := dns.NewZone(context.WithoutCancel(ctx), client)
	if err != nil {
		return err
	}
	if _, err := zone.Serve(); err != nil {
		return err
	}
	s.zone.Store(zone)
	return nil
}

func (s *supervisor) serveProxy(door net.Listener) {
	handler := &proxy.Handler{
		Cluster: []netip.Prefix{layout.PodNetwork, layout.ServiceNetwork, netip.MustParsePrefix("127.0.0.0/8")},
		Lookup: func(name string) ([]netip.Addr, bool) {
			if zone := s.zone.Load(); zone != nil {
				return zone.Lookup(name)
			}
			return nil, false
		},
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	go func() {
		if err := server.Serve(door); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("the proxy ended", "err", err)
		}
	}()
}

// stopAll kills: nothing of a cluster is kept.
func (s *supervisor) stopAll() {
	for _, name := range slices.Backward(s.order) {
		s.components[name].Stop(true)
	}
}
