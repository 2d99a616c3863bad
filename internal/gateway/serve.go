package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Serve answers the requests that come in on ln until ctx ends, then takes no
// new ones and gives those under way Limits.Drain to finish. It returns nil
// after an orderly end, and an error if the listener failed or if requests had
// to be cut off. It may be called for several listeners.
func (g *Gateway) Serve(ctx context.Context, ln net.Listener) error {
	return g.listen(ctx, ln, g.Handler())
}

// ServePreview is Serve for an address of the candidate's own: every request
// goes there while it may be reached, whatever the split and its matches say,
// and is answered with 503 while it may not. These requests are counted as
// forced, and are no evidence.
func (g *Gateway) ServePreview(ctx context.Context, ln net.Listener) error {
	return g.listen(ctx, ln, g.handler(true))
}

func (g *Gateway) listen(ctx context.Context, ln net.Listener, h http.Handler) error {
	l := g.cfg.Limits
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{
		Handler:           h,
		Protocols:         protocols,
		MaxHeaderBytes:    l.HeaderBytes,
		ReadHeaderTimeout: l.ReadHeader,
		IdleTimeout:       l.ClientIdle,
		ErrorLog:          slog.NewLogLogger(g.cfg.Logger.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(guardListener{ln}) }()
	select {
	case err := <-failed:
		server.Close()
		return fmt.Errorf("serve on %s: %w", ln.Addr(), err)
	case <-ctx.Done():
	}
	return g.drain(server)
}

// drain ends server in order, or by force when the time is up.
func (g *Gateway) drain(server *http.Server) error {
	g.draining.Store(true)
	defer g.draining.Store(false)
	ctx, cancel := context.WithTimeout(context.Background(), g.cfg.Limits.Drain)
	defer cancel()
	err := server.Shutdown(ctx)
	// Upgraded connections are not the server's any more, but they are requests
	// under way all the same.
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for err == nil && g.tunnels.count() > 0 {
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-tick.C:
		}
	}
	if err == nil {
		return nil
	}
	n := g.active.Load()
	g.tunnels.closeAll()
	server.Close()
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("gateway: %d requests had not finished after %s and were cut off", n, g.cfg.Limits.Drain)
	}
	return fmt.Errorf("gateway: shut down: %w", err)
}
