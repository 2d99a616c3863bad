package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"runtime/pprof"
	"strings"

	"github.com/haldane-dev/haldane/internal/gateway"
	"github.com/haldane-dev/haldane/internal/inference"
	"github.com/haldane-dev/haldane/internal/predictionid"
	"github.com/haldane-dev/haldane/internal/telemetry"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// serve is what this program does as one of the proxies it measures.
func serve(ctx context.Context, o options) error {
	name, addr, _ := strings.Cut(o.role, "@")
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	if o.profile != "" {
		f, err := os.Create(o.profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	switch name {
	case "haldane":
		gateway.TuneCollector() // as the program itself does
		return haldane(ctx, ln, o.upstream)
	case "plain":
		return plain(ctx, ln, o.upstream)
	}
	return fmt.Errorf("role %q is not known", name)
}

// haldane is the gateway with everything on: weights, sticky users, answers
// read, histograms, prediction IDs.
func haldane(ctx context.Context, ln net.Listener, upstream string) error {
	reader, err := inference.New(inference.Options{})
	if err != nil {
		return err
	}
	codec, err := predictionid.New([]byte("a key for measuring only"))
	if err != nil {
		return err
	}
	g, err := gateway.New(gateway.Config{
		Recorder: telemetry.New(telemetry.Options{Sticky: true}), Reader: reader, Codec: codec,
	})
	if err != nil {
		return err
	}
	table := gateway.Table{Rollout: "churn", Revision: "1", Split: traffic.Split{
		Generation: 1, Canary: traffic.Percent(20), Salt: "bench", Sticky: traffic.Sticky{Header: "X-User-ID"},
	}}
	for arm, version := range []string{"v1", "v2"} {
		table.Upstreams[arm] = gateway.Upstream{URL: upstream, Version: version}
	}
	if err := g.SetTable(table); err != nil {
		return err
	}
	if err := g.Serve(ctx, ln); err != nil {
		return err
	}
	return g.Close()
}

// plain is a reverse proxy as people write it, but for one thing: with the two
// idle connections per host that net/http keeps by default, most requests would
// open a new one, and that is what would be measured.
func plain(ctx context.Context, ln net.Listener, upstream string) error {
	to, err := url.Parse(upstream)
	if err != nil {
		return err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 0, 4096
	server := &http.Server{Handler: &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.SetXForwarded()
		},
	}}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.Serve(ln); err != http.ErrServerClosed {
		return err
	}
	return nil
}
