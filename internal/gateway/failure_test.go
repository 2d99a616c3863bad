package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/traffic"
)

// deadEnd is an address where nobody listens.
func deadEnd(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	return "http://" + ln.Addr().String()
}

// silent accepts connections, reads a request and does what then says.
func silent(t *testing.T, then func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	var wg sync.WaitGroup
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				buf := make([]byte, 4096)
				if _, err := c.Read(buf); err == nil {
					then(c)
				}
			})
		}
	})
	return "http://" + ln.Addr().String()
}

func TestUpstreamThatIsDown(t *testing.T) {
	waits := func(c net.Conn) { _, _ = io.Copy(io.Discard, c) } // until the gateway gives up
	for _, c := range []struct {
		name, url string
		status    int
		message   string
		retry     bool
	}{
		{"refuses", deadEnd(t), 502, "canary v2 refused the connection", false},
		{"hangs up", silent(t, func(net.Conn) {}), 502, "canary v2 closed the connection before it answered", false},
		{"resets", silent(t, func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) }), 502, "canary v2 closed the connection", false},
		{"talks nonsense", silent(t, func(c net.Conn) { _, _ = io.WriteString(c, "what?\r\n\r\n") }), 502, "gave no valid answer", false},
		{"has no address", "http://no-such-host.invalid", 502, "could not be resolved", false},
		{"is missing", "", 503, "canary v2 has no endpoint", true},
		{"says nothing", silent(t, waits), 504, "canary v2 did not answer in time", false},
		{"stalls", silent(t, func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{")
			waits(c)
		}), 504, "canary v2 did not answer in time", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var stableHits atomic.Int64
			stable := serveUpstream(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stableHits.Add(1) }))
			var table Table
			table.Upstreams = [2]Upstream{{URL: stable, Version: "v1"}, {URL: c.url, Version: "v2"}}
			table.Split.Canary = traffic.Full
			r := startTable(t, table, func(cfg *Config) {
				cfg.Limits.ResponseHeader, cfg.Limits.Stall = 30*time.Millisecond, 30*time.Millisecond
				if c.status != 504 {
					cfg.Limits.ResponseHeader, cfg.Limits.Stall = patience, patience
				}
			})
			resp, body := do(t, client(t), "POST", r.url(inferPath), "{}")
			var said struct{ Error string }
			if err := json.Unmarshal([]byte(body), &said); err != nil {
				t.Errorf("body %q: %v", body, err)
			}
			if resp.StatusCode != c.status || !strings.Contains(said.Error, c.message) {
				t.Errorf("got %d %q, want %d with %q", resp.StatusCode, said.Error, c.status, c.message)
			}
			if resp.Header.Get(HeaderVersion) != "v2" || (resp.Header.Get("Retry-After") != "") != c.retry {
				t.Errorf("headers %v", resp.Header)
			}
			x := r.ledger.exchange(t, 0)
			if x.Arm != traffic.Canary || !x.Failed || x.Cancelled || x.Status != c.status {
				t.Errorf("recorded %+v", x)
			}
			if stableHits.Load() != 0 {
				t.Error("the request was sent to the other arm")
			}
		})
	}
}

// A request goes out again only on the same arm, and only if the connection that
// it was first given had been closed by the upstream while it was idle.
func TestClosedIdleConnectionIsNoFailure(t *testing.T) {
	var conns atomic.Int64
	url := silent(t, func(c net.Conn) {
		conns.Add(1)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") // keeps alive, then hangs up
	})
	var table Table
	table.Upstreams[0] = Upstream{URL: url}
	r := startTable(t, table)
	c := client(t)
	const n = 20
	for range n {
		resp, body := do(t, c, "GET", r.url("/"), "")
		if resp.StatusCode != 200 || body != "ok" {
			t.Fatalf("got %d %q", resp.StatusCode, body)
		}
	}
	if got := conns.Load(); got != n {
		t.Errorf("the upstream saw %d connections for %d requests", got, n)
	}
}

func TestConcurrencyLimitIsNobodysFailure(t *testing.T) {
	begun, finish := make(chan struct{}), make(chan struct{})
	r := start(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		begun <- struct{}{}
		<-finish
	}), nil, func(c *Config) { c.Limits.Requests = 2 })
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { do(t, client(t), "GET", r.url("/"), "") })
		<-begun
	}
	resp, body := do(t, client(t), "GET", r.url("/"), "")
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || !strings.Contains(body, "limit of concurrent requests") {
		t.Errorf("got %d %v %s", resp.StatusCode, resp.Header, body)
	}
	// The gateway's own health stays visible.
	if resp, _ := do(t, client(t), "GET", r.url(opsPrefix+"healthz"), ""); resp.StatusCode != 200 {
		t.Errorf("healthz %d", resp.StatusCode)
	}
	close(finish)
	wg.Wait()
	r.ledger.await(t, "both", func() bool { return len(r.ledger.exchanges) == 2 })
	if len(r.ledger.assigned) != 2 {
		t.Errorf("%d assigned, want 2", len(r.ledger.assigned))
	}
}

func TestHeaderLimit(t *testing.T) {
	r := start(t, echo, nil)
	resp, _ := do(t, client(t), "GET", r.url("/"), "", "X-Big", strings.Repeat("a", 60<<10))
	if resp.StatusCode != 200 {
		t.Errorf("60 KiB of headers: %d", resp.StatusCode)
	}
	conn := dial(t, r.addr)
	conn.send("GET / HTTP/1.1\r\nHost: x\r\nX-Big: " + strings.Repeat("a", 80<<10))
	if resp, _ := conn.receive("GET"); resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("80 KiB of headers: %d, want 431", resp.StatusCode)
	}
}

func TestSlowClients(t *testing.T) {
	limits := func(c *Config) {
		c.Limits.Stall, c.Limits.ReadHeader = 30*time.Millisecond, 30*time.Millisecond
		c.Limits.HeldBody = 100
	}
	t.Run("head", func(t *testing.T) {
		conn := dial(t, start(t, echo, nil, limits).addr)
		conn.send("GET / HTTP/1.1\r\nHost")
		if _, err := io.ReadAll(conn.r); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Errorf("the connection ended with %v", err)
		}
	})
	for name, length := range map[string]int{"held body": 50, "streamed body": 5000} {
		t.Run(name, func(t *testing.T) {
			r := start(t, echo, nil, limits)
			conn := dial(t, r.addr)
			conn.send(fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\nabc", length))
			if resp, body := conn.receive("POST"); resp.StatusCode != http.StatusRequestTimeout || !strings.Contains(body, "in time") {
				t.Errorf("got %d %s, want 408", resp.StatusCode, body)
			}
			for _, x := range r.ledger.exchanges {
				if x.Failed || !x.Cancelled {
					t.Errorf("the client's fault is recorded as %+v", x)
				}
			}
		})
	}
}

// A client that takes nothing of a long answer is given up, and it is not the
// model's failure.
func TestClientThatReadsNothing(t *testing.T) {
	r := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		buf := make([]byte, 64<<10)
		for r.Context().Err() == nil {
			if _, err := w.Write(buf); err != nil {
				return
			}
		}
	}), nil, func(c *Config) { c.Limits.Stall = 50 * time.Millisecond })
	conn := dial(t, r.addr)
	conn.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if x := r.ledger.exchange(t, 0); !x.Cancelled || x.Failed {
		t.Errorf("recorded %+v", x)
	}
}

func TestSplitChangesWithoutLosingRequests(t *testing.T) {
	version := func(v string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, v)
		})
	}
	r := start(t, version("v1"), version("v2"))
	tables := []Table{r.table, r.table, r.table}
	tables[1].Split = traffic.Split{Generation: 2, Canary: traffic.Full / 2}
	tables[2].Split = traffic.Split{Generation: 3, Canary: traffic.Full}
	tables[2].Upstreams[0].URL = deadEnd(t) // nobody may be sent there at 100%
	stop := make(chan struct{})
	var reloads, wg sync.WaitGroup
	reloads.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				if err := r.SetTable(tables[i%len(tables)]); err != nil {
					t.Error(err)
				}
			}
		}
	})
	const clients, each = 8, 150
	for range clients {
		wg.Go(func() {
			c := client(t)
			for range each {
				resp, body := do(t, c, "POST", r.url(inferPath), "{}")
				if resp.StatusCode != 200 || body != resp.Header.Get(HeaderVersion) {
					t.Errorf("got %d %q from %s", resp.StatusCode, body, resp.Header.Get(HeaderVersion))
				}
			}
		})
	}
	wg.Wait()
	close(stop)
	reloads.Wait()
	r.ledger.await(t, "all", func() bool { return len(r.ledger.exchanges) == clients*each })
	for _, x := range r.ledger.exchanges {
		if x.Failed || x.Cancelled {
			t.Fatalf("recorded %+v", x)
		}
	}
}

func TestRequestUnderWayFinishesOnItsUpstream(t *testing.T) {
	begun, finish := make(chan struct{}), make(chan struct{})
	r := start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		<-finish
		_, _ = io.WriteString(w, "old")
	}), nil)
	got := make(chan string, 1)
	go func() {
		resp, err := client(t).Get(r.url("/"))
		if err != nil {
			got <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		got <- resp.Header.Get(HeaderVersion) + string(body)
	}()
	<-begun
	next := r.table
	next.Upstreams[0] = Upstream{URL: serveUpstream(t, answer("text/plain", "new")), Version: "v3"}
	next.Split.Generation = 9
	must(t, r.SetTable(next))
	if _, body := do(t, client(t), "GET", r.url("/"), ""); body != "new" {
		t.Errorf("a later request got %q", body)
	}
	close(finish)
	if g := <-got; g != "v1old" {
		t.Errorf("the request under way got %q", g)
	}
}
