package gateway

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/traffic"
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

// TestNewTableNewConnections: a connection that was kept leads where its address
// led when it was made.
func TestNewTableNewConnections(t *testing.T) {
	var made atomic.Int64
	model := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	model.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			made.Add(1)
		}
	}
	model.Start()
	defer model.Close()
	g, err := New(Config{Recorder: newLedger()})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	for generation := range uint64(3) {
		var table Table
		table.Split = traffic.Split{Generation: generation}
		table.Upstreams[traffic.Stable].URL = model.URL
		if err := g.SetTable(table); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			w := httptest.NewRecorder()
			g.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
			if w.Code != http.StatusOK {
				t.Fatal(w.Code)
			}
		}
		if n := made.Load(); n != int64(generation)+1 {
			t.Fatalf("%d connections after %d tables", n, generation+1)
		}
	}
}
