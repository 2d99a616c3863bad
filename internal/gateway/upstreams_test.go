package gateway

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"
	"time"
)

// TestRedial: a refused connection is tried again for as long as it may be.
func TestRedial(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := ln.Addr().String()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := redial(&net.Dialer{}, 0)(t.Context(), "tcp", address); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("not to be tried again: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := redial(&net.Dialer{}, time.Hour)(ctx, "tcp", address); err == nil {
		t.Error("an ended context is not noticed")
	}
	type dialled struct {
		c   net.Conn
		err error
	}
	done := make(chan dialled, 1)
	// The first attempt is refused for certain: nobody listens before it ends.
	refused := make(chan struct{})
	d := &net.Dialer{Control: func(string, string, syscall.RawConn) error {
		select {
		case <-refused:
		default:
			close(refused)
			return &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
		}
		return nil
	}}
	go func() {
		c, err := redial(d, patience)(t.Context(), "tcp", address)
		done <- dialled{c, err}
	}()
	<-refused
	if ln, err = net.Listen("tcp", address); err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	got := <-done
	if got.err != nil {
		t.Fatal(got.err)
	}
	got.c.Close()
}
