// Command model is a version of the churn model as a pod serves it, and the
// client of a service mesh.
//
//	model serve VARIANT   the Open Inference Protocol over HTTP on :8080, with
//	                      /metrics, and letters by OpenAI's protocol; the first
//	                      by gRPC on :9000 too
//	model call TARGET     HTTP on :8080, each request of which is one call by
//	                      gRPC to TARGET, which may be xds:///…
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := errors.New("usage: model serve VARIANT | call TARGET")
	switch {
	case len(os.Args) == 3 && os.Args[1] == "serve":
		err = serve(ctx, os.Args[2])
	case len(os.Args) == 3 && os.Args[1] == "call":
		err = call(ctx, os.Args[2])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "model:", err)
		os.Exit(1)
	}
}

// grace is the time for the requests under way at the end.
const grace = 10 * time.Second

func serve(ctx context.Context, variant string) error {
	m, err := load(variant)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return listenHTTP(ctx, m.web()) })
	group.Go(func() error { return listenGRPC(ctx, m) })
	return group.Wait()
}

func listenHTTP(ctx context.Context, h http.Handler) error {
	s := &http.Server{Addr: ":8080", Handler: h, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- s.ListenAndServe() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	return s.Shutdown(last)
}

func listenGRPC(ctx context.Context, m *model) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", ":9000")
	if err != nil {
		return err
	}
	s := m.server()
	defer context.AfterFunc(ctx, s.GracefulStop)()
	return s.Serve(listener)
}
