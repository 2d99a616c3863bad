// Command testapp is the workload of the cluster's own tests: a web server, a
// gRPC server and a gRPC client, each of which tells the version it was
// started as.
//
//	testapp web            HTTP on :8080: / /healthz /readyz /metrics, POST /break?what=healthz|readyz|process
//	testapp grpc           gRPC health service on :9000; answers carry the header "version"
//	testapp call TARGET N  calls that health service N times, prints {"version": answers, …}
//
// VERSION names the version; FAIL, if set, makes the program print it and end
// with code 3 at once.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	_ "google.golang.org/grpc/xds" // the xds scheme, for proxyless service meshes
)

func main() {
	if why := os.Getenv("FAIL"); why != "" {
		fmt.Fprintln(os.Stderr, why)
		os.Exit(3)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := errors.New("usage: testapp web | grpc | call TARGET N")
	switch {
	case len(os.Args) == 2 && os.Args[1] == "web":
		err = web(ctx)
	case len(os.Args) == 2 && os.Args[1] == "grpc":
		err = serveGRPC(ctx)
	case len(os.Args) == 4 && os.Args[1] == "call":
		err = call(ctx, os.Args[2], os.Args[3])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "testapp:", err)
		os.Exit(1)
	}
}

func web(ctx context.Context) error {
	version := os.Getenv("VERSION")
	host, _ := os.Hostname()
	var requests atomic.Int64
	var broken sync.Map
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.Header().Set("Version", version)
		fmt.Fprintln(w, version, host)
	})
	for _, probe := range []string{"healthz", "readyz"} {
		mux.HandleFunc("GET /"+probe, func(w http.ResponseWriter, _ *http.Request) {
			if _, yes := broken.Load(probe); yes {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		})
	}
	mux.HandleFunc("POST /break", func(_ http.ResponseWriter, r *http.Request) {
		if what := r.FormValue("what"); what == "process" {
			fmt.Fprintln(os.Stderr, "asked to end badly")
			os.Exit(4)
		} else {
			broken.Store(what, true)
		}
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "# TYPE testapp_requests_total counter\ntestapp_requests_total{version=%q} %d\n", version, requests.Load())
	})
	server := &http.Server{Addr: ":8080", Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	fmt.Println("serving version", version)
	drained := make(chan error, 1)
	go func() {
		<-ctx.Done()
		fmt.Println("draining")
		drained <- server.Shutdown(context.Background())
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-drained
}

func serveGRPC(ctx context.Context) error {
	listener, err := net.Listen("tcp", ":9000")
	if err != nil {
		return err
	}
	version := metadata.Pairs("version", os.Getenv("VERSION"))
	tell := func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		if err := grpc.SetHeader(ctx, version); err != nil {
			return nil, err
		}
		return handler(ctx, request)
	}
	server := grpc.NewServer(grpc.UnaryInterceptor(tell))
	healthpb.RegisterHealthServer(server, health.NewServer())
	go func() { <-ctx.Done(); server.GracefulStop() }()
	return server.Serve(listener)
}

func call(ctx context.Context, target, times string) error {
	n, err := strconv.Atoi(times)
	if err != nil {
		return fmt.Errorf("the number of calls: %w", err)
	}
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	client, versions := healthpb.NewHealthClient(conn), map[string]int{}
	for range n {
		var header metadata.MD
		if _, err := client.Check(ctx, &healthpb.HealthCheckRequest{}, grpc.Header(&header), grpc.WaitForReady(true)); err != nil {
			return fmt.Errorf("call %s: %w", target, err)
		}
		for _, v := range header.Get("version") {
			versions[v]++
		}
	}
	return json.NewEncoder(os.Stdout).Encode(versions)
}
