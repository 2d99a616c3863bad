package web

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Options configures a Server. The zero value of every field has a default.
type Options struct {
	// Token is what callers present as `Authorization: Bearer <token>`. It may
	// be empty only while the server listens on loopback.
	Token string
	// MaxStreams bounds the streams open at once; 0 means 64.
	MaxStreams int
	// Heartbeat is the longest silence on a stream; 0 means five seconds.
	Heartbeat time.Duration
	// WriteTimeout is how long a client may take to accept one piece of a
	// stream before it is cut off; 0 means ten seconds.
	WriteTimeout time.Duration
	// Now is the clock that dates commands; nil means time.Now.
	Now func() time.Time
	// Metrics answers /metrics, guarded as the API is; nil means there are none.
	Metrics http.Handler
	// Logger takes what goes wrong while serving; nil means slog.Default.
	Logger *slog.Logger
}

// Server serves the API and the dashboard. It is safe for concurrent use.
type Server struct {
	rollouts Rollouts
	options  Options
	token    [sha256.Size]byte // of Options.Token, compared in constant time
	streams  chan struct{}     // one slot for each open stream
	assets   map[string]asset
}

// Limits of what a caller may send or ask for.
const (
	maxBody      = 16 << 10
	maxHeader    = 16 << 10
	maxLimit     = 5000
	defaultLimit = 200
	maxReplay    = 5000
	startReplay  = 1000
)

// New returns a Server that answers from rollouts.
func New(rollouts Rollouts, o Options) (*Server, error) {
	if rollouts == nil {
		return nil, errors.New("web: no rollouts to serve")
	}
	if o.MaxStreams <= 0 {
		o.MaxStreams = 64
	}
	if o.Heartbeat <= 0 {
		o.Heartbeat = 5 * time.Second
	}
	if o.WriteTimeout <= 0 {
		o.WriteTimeout = 10 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	bundle, err := fs.Sub(dist, "dist")
	if err != nil {
		return nil, fmt.Errorf("open the dashboard's bundle: %w", err)
	}
	assets, err := loadAssets(bundle)
	if err != nil {
		return nil, fmt.Errorf("read the dashboard's bundle: %w", err)
	}
	return &Server{
		rollouts: rollouts,
		options:  o,
		token:    sha256.Sum256([]byte(o.Token)),
		streams:  make(chan struct{}, o.MaxStreams),
		assets:   assets,
	}, nil
}

// CheckListen reports whether a server with this token may listen on address:
// beyond loopback it needs a token. address is as net.Listen takes it.
func CheckListen(address, token string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("listen address %q: %w", address, err)
	}
	if token != "" || isLoopbackHost(host) {
		return nil
	}
	return fmt.Errorf("listen address %q is reachable from other machines: set a token, or listen on 127.0.0.1", address)
}

// Serve answers on l until ctx ends, then lets requests in flight finish for
// up to five seconds. It refuses a listener beyond loopback if there is no
// token. It closes l. The error is nil if it stopped because ctx ended.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	if err := CheckListen(l.Addr().String(), s.options.Token); err != nil {
		return errors.Join(err, l.Close())
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	srv := &http.Server{
		Handler:           s.Handler(listensOnLoopback(l.Addr())),
		ReadHeaderTimeout: 5 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(s.options.Logger.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return ctx }, // ends the streams
	}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		grace, end := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer end()
		stopped <- srv.Shutdown(grace)
	}()
	err := srv.Serve(l)
	cancel()
	if down := <-stopped; errors.Is(err, http.ErrServerClosed) {
		err = down
	}
	if err != nil {
		return fmt.Errorf("serve the API on %s: %w", l.Addr(), err)
	}
	return nil
}

// Handler returns the whole face as one handler. loopback says that it is
// reached over loopback only: requests that name any other host are then
// refused. Without loopback and without a token, everything under /api/ is
// refused.
func (s *Server) Handler(loopback bool) http.Handler {
	api := http.NewServeMux()
	const one = "/api/v1/rollouts/{name}"
	route(api, "/api/v1/rollouts", http.MethodGet, s.list)
	route(api, one, http.MethodGet, s.status)
	route(api, one+"/blocks", http.MethodGet, s.blocks)
	route(api, one+"/events", http.MethodGet, s.events)
	route(api, one+"/commands", http.MethodPost, s.command)
	route(api, one+"/stream", http.MethodGet, s.stream)
	api.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, http.StatusNotFound, "no such address: "+r.URL.Path)
	})

	root := http.NewServeMux()
	root.Handle("/api/", noForeignPages(s.authorised(loopback, api)))
	route(root, "/healthz", http.MethodGet, func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	if s.options.Metrics != nil {
		metrics := http.NewServeMux()
		route(metrics, "/metrics", http.MethodGet, s.options.Metrics.ServeHTTP)
		root.Handle("/metrics", noForeignPages(s.authorised(loopback, metrics)))
	}
	root.HandleFunc("/", s.asset)

	var h http.Handler = root
	if loopback {
		h = loopbackHostsOnly(h)
	}
	return hardened(h)
}

// route serves one method of a path and answers 405 to the others.
func route(mux *http.ServeMux, path, method string, h http.HandlerFunc) {
	mux.HandleFunc(method+" "+path, h)
	allow := method
	if method == http.MethodGet {
		allow = "GET, HEAD"
	}
	mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", allow)
		fail(w, http.StatusMethodNotAllowed, fmt.Sprintf("%s is not for %s; use %s", r.URL.Path, r.Method, method))
	})
}
