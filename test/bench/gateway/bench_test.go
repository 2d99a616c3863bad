package main

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestParseWrk(t *testing.T) {
	const good = "Running 2s test @ http://x\n  1 threads and 32 connections\n  12345 requests in 2.01s, 4.20MB read\nRequests/sec: 6000\n"
	got, err := parseWrk(good)
	if err != nil || got.requests != 12345 || got.elapsed != 2010*time.Millisecond {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, bad := range []string{
		"", "0 requests in 2.00s,",
		good + "  Non-2xx or 3xx responses: 7\n",
		"  Socket errors: connect 0, read 3, write 0, timeout 0\n" + good,
	} {
		if _, err := parseWrk(bad); err == nil {
			t.Errorf("%q was taken for a measurement", bad)
		}
	}
}

func TestParseProc(t *testing.T) {
	if d, err := parseSchedstat("1500000 7 3\n"); err != nil || d != 1500*time.Microsecond {
		t.Errorf("schedstat: %v, %v", d, err)
	}
	for _, bad := range []string{"", "x 1 2"} {
		if _, err := parseSchedstat(bad); err == nil {
			t.Errorf("schedstat %q was read", bad)
		}
	}
	if kib, err := parseRSS(strings.NewReader("Name:\tx\nVmRSS:\t   2048 kB\n")); err != nil || kib != 2048 {
		t.Errorf("RSS: %d, %v", kib, err)
	}
	if _, err := parseRSS(strings.NewReader("Name:\tx\n")); err == nil {
		t.Error("RSS was read where there is none")
	}
}

func TestMedian(t *testing.T) {
	for want, xs := range map[float64][]float64{0: nil, 3: {9, 1, 3}, 2.5: {4, 1, 2, 3}} {
		if got := median(xs); got != want {
			t.Errorf("median of %v is %v, want %v", xs, got, want)
		}
	}
}

func TestCompleteAnswer(t *testing.T) {
	const whole = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc"
	for cut := range len(whole) {
		if ok, err := complete([]byte(whole[:cut])); ok || err != nil {
			t.Fatalf("%q: %v, %v", whole[:cut], ok, err)
		}
	}
	if ok, err := complete([]byte(whole)); !ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
	for _, bad := range []string{"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"} {
		if _, err := complete([]byte(bad)); err == nil {
			t.Errorf("%q was taken for an answer", bad)
		}
	}
}

// The paced load asks at the rate it was told, and every question is answered.
func TestPacedLoad(t *testing.T) {
	asked := make(chan string, 10_000)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Method + " " + r.URL.Path
		w.Header().Set("Content-Length", "2")
		_, _ = w.Write([]byte("ok"))
	}))
	defer s.Close()
	p, err := newPaced(netip.MustParseAddrPort(s.Listener.Addr().String()), 4)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.run(2000, 200*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	// 400 on average; Poisson with six standard deviations.
	if n := len(p.took); n < 280 || n > 520 || len(asked) != n {
		t.Errorf("%d answers, %d questions, want about 400", n, len(asked))
	}
	if first := <-asked; first != "POST "+path {
		t.Errorf("asked %s", first)
	}
}

func TestStoppedProcessIsGone(t *testing.T) {
	addr, err := freeAddr()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := launch(t.Context(), proxyCore, addr, exec.CommandContext(t.Context(), "false")); err == nil || !strings.Contains(err.Error(), "false ended") {
		t.Errorf("a server that ends at once: %v", err)
	}
}
