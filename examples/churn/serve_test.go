package churn

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
)

// running starts Serve and returns its address and what ends it.
func running(t *testing.T, variant string) (url string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	address, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- Serve(ctx, variant, ":0", func(addr string) { address <- addr }) }()
	select {
	case addr := <-address:
		url = "http://" + addr
	case err := <-ended:
		cancel()
		t.Fatalf("Serve ended before it was ready: %v", err)
	}
	return url, func() error {
		cancel()
		return <-ended
	}
}

func TestServe(t *testing.T) {
	url, stop := running(t, "v1")
	if !strings.HasPrefix(url, "http://127.0.0.1:") {
		t.Errorf("listens on %s, want loopback", url)
	}
	if got := infer(t, url, string(all(t)[0].RequestBody())); got.ModelVersion != "v1" {
		t.Errorf("answered by version %q", got.ModelVersion)
	}
	http.DefaultClient.CloseIdleConnections()
	if err := stop(); err != nil {
		t.Errorf("stopped with %v", err)
	}
	var dialer net.Dialer
	if conn, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://")); err == nil {
		t.Errorf("the port is still open after the end: %v", conn.Close())
	}
}

// A request under way when the server is told to stop is answered. The slow
// model makes sure it is under way; the body is held back until the server
// has been told, so no timing decides.
func TestServeFinishesRequestsUnderWay(t *testing.T) {
	url, stop := running(t, "slow")
	body := all(t)[0].RequestBody()
	client, server := net.Pipe()
	type result struct {
		status int
		err    error
	}
	answered := make(chan result, 1)
	r, err := http.NewRequestWithContext(t.Context(), "POST", url+"/v2/models/churn/infer", client)
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = int64(len(body))
	r.Header.Set("Expect", "100-continue") // the body is asked for only once the handler runs
	go func() {
		resp, err := (&http.Transport{ExpectContinueTimeout: 1 << 40}).RoundTrip(r)
		if err != nil {
			answered <- result{err: err}
			return
		}
		answered <- result{resp.StatusCode, resp.Body.Close()}
	}()
	if _, err := server.Write(body[:1]); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	if _, err := server.Write(body[1:]); err != nil {
		t.Fatal(err)
	}
	if got := <-answered; got.status != 200 || got.err != nil {
		t.Errorf("the request under way got %d, %v", got.status, got.err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("stopped with %v", err)
	}
}

func TestServeRefuses(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }() // nothing was accepted
	for name, test := range map[string]struct{ variant, listen, want string }{
		"unknown model": {"best", ":0", `no model is named "best"`},
		"no port":       {"good", "localhost", "host:port"},
		"port in use":   {"good", taken.Addr().String(), "address already in use"},
	} {
		t.Run(name, func(t *testing.T) {
			err := Serve(t.Context(), test.variant, test.listen, func(string) { t.Error("was ready") })
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}
