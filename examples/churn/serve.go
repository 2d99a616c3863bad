package churn

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Limits of the server, so that a stuck client costs little.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 30 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10 // bytes
	grace         = 5 * time.Second
)

// Serve answers for the variant on listen until ctx ends, then finishes the
// requests under way, for at most five seconds, and returns nil. An address
// without a host means loopback; port 0 means any free one. ready, if not nil,
// is called once with the address that is listened on, before any request is
// answered. It speaks HTTP/1.1 and HTTP/2 without TLS.
func Serve(ctx context.Context, variant, listen string, ready func(addr string)) error {
	model, err := Load(variant)
	if err != nil {
		return err
	}
	listener, err := bind(ctx, listen)
	if err != nil {
		return fmt.Errorf("serve model %s: %w", variant, err)
	}
	srv := &http.Server{
		Handler:           model.Handler(),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		Protocols:         new(http.Protocols),
	}
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetUnencryptedHTTP2(true)
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(listener) }()
	if ready != nil {
		ready(listener.Addr().String())
	}
	select {
	case err := <-ended:
		return fmt.Errorf("serve model %s on %s: %w", variant, listener.Addr(), err)
	case <-ctx.Done():
	}
	// ctx has ended, so the time to finish needs a context of its own.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := srv.Shutdown(last); err != nil {
		return fmt.Errorf("stop model %s: %w", variant, errors.Join(err, srv.Close()))
	}
	return nil
}

// bind listens on the address, on loopback when it has no host.
func bind(ctx context.Context, listen string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, fmt.Errorf("listen on %q, where host:port is expected: %w", listen, err)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	var config net.ListenConfig
	return config.Listen(ctx, "tcp", net.JoinHostPort(host, port))
}
