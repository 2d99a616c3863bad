package gateway

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// echo tells what reached it.
var echo = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s host=%s cl=%d te=%v body=%q err=%v", r.Method, r.RequestURI, r.Host, r.ContentLength, r.TransferEncoding, body, err)
})

// raw is a connection spoken to byte by byte.
type raw struct {
	*net.TCPConn
	r *bufio.Reader
	t *testing.T
}

func dial(t *testing.T, addr string) *raw {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	must(t, err)
	t.Cleanup(func() { c.Close() })
	must(t, c.SetDeadline(time.Now().Add(patience)))
	return &raw{c.(*net.TCPConn), bufio.NewReader(c), t}
}

func (c *raw) send(s string) {
	c.t.Helper()
	_, err := io.WriteString(c, s)
	must(c.t, err)
}

// receive reads one response to a request of that method.
func (c *raw) receive(method string) (*http.Response, string) {
	c.t.Helper()
	resp, err := http.ReadResponse(c.r, &http.Request{Method: method})
	must(c.t, err)
	body, err := io.ReadAll(resp.Body)
	must(c.t, err)
	return resp, string(body)
}

// closed reports whether the gateway ended the connection.
func (c *raw) closed() bool {
	_, err := c.r.ReadByte()
	return err == io.EOF
}

func TestRawRequests(t *testing.T) {
	for _, c := range []struct {
		name, send string
		status     int
		body       string // contained in the answer
		close      bool
	}{
		{"get", "GET /a?b=c;d HTTP/1.1\r\nHost: x\r\n\r\n", 200, "GET /a?b=c;d ", false},
		{"post with length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", 200, `cl=3 te=[] body="abc"`, false},
		{"chunked", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1;e=f\r\nd\r\n0\r\n\r\n", 200, `cl=-1 te=[chunked] body="abcd"`, false},
		{"length and coding", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "", true},
		{"coding and length", "POST / HTTP/1.1\r\nHost: x\r\ntransfer-encoding: chunked\r\ncontent-length: 0\r\n\r\n0\r\n\r\n", 400, "", true},
		{"coding in HTTP/1.0", "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "", true},
		{"two lengths", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400, "", true},
		{"same length twice", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 200, `body="abc"`, false},
		{"negative length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -3\r\n\r\n", 400, "", true},
		{"length with sign", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc", 400, "", true},
		{"unknown coding", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n", 501, "", true},
		{"coding twice", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", 501, "", true},
		{"folded line", "GET / HTTP/1.1\r\nHost: x\r\nX-A: b\r\n c\r\n\r\n", 400, "", true},
		{"space before colon", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length : 3\r\n\r\nabc", 400, "", true},
		{"two hosts", "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400, "", true},
		{"no host", "GET / HTTP/1.1\r\n\r\n", 400, "", true},
		{"bad host", "GET / HTTP/1.1\r\nHost: x\"y\r\n\r\n", 400, "", true},
		{"bad chunk", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "could not be read", true},
		{"HTTP/1.0", "GET / HTTP/1.0\r\nHost: x\r\n\r\n", 200, "GET / ", true},
		{"HTTP/1.0 kept", "GET / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n", 200, "GET / ", false},
		{"absolute form", "GET http://y/z HTTP/1.1\r\nHost: x\r\n\r\n", 200, "GET /z ", false},
		{"asterisk form", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 200, "", false},
		{"connect", "CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n", 405, "CONNECT", false},
		{"escaped path", "GET /a%2Fb/%E2%82%AC HTTP/1.1\r\nHost: x\r\n\r\n", 200, "GET /a%2Fb/%E2%82%AC ", false},
		{"header name with space", "GET / HTTP/1.1\r\nHost: x\r\nX A: b\r\n\r\n", 400, "", true},
		{"unknown expectation", "POST / HTTP/1.1\r\nHost: x\r\nExpect: cake\r\nContent-Length: 1\r\n\r\na", 417, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := start(t, echo, nil)
			conn := dial(t, r.addr)
			conn.send(c.send)
			resp, body := conn.receive(strings.Fields(c.send)[0])
			if resp.StatusCode != c.status || !strings.Contains(body, c.body) {
				t.Errorf("got %d %q, want %d with %q", resp.StatusCode, body, c.status, c.body)
			}
			if c.close {
				if !conn.closed() {
					t.Error("the connection stays open")
				}
				return
			}
			conn.send("GET /second HTTP/1.1\r\nHost: x\r\n\r\n")
			if resp, body := conn.receive("GET"); resp.StatusCode != 200 || !strings.HasPrefix(body, "GET /second ") {
				t.Errorf("the next request got %d %q", resp.StatusCode, body)
			}
		})
	}
}

func TestPipelinedRequestsAreAnsweredUpToTheAmbiguousOne(t *testing.T) {
	r := start(t, echo, nil)
	conn := dial(t, r.addr)
	conn.send("GET /1 HTTP/1.1\r\nHost: x\r\n\r\n" +
		"POST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\n" + strings.Repeat("T", 40) +
		"POST /3 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
	for _, want := range []int{200, 200, 400} {
		if resp, body := conn.receive("POST"); resp.StatusCode != want {
			t.Fatalf("got %d %q, want %d", resp.StatusCode, body, want)
		}
	}
	r.ledger.await(t, "two exchanges", func() bool { return len(r.ledger.exchanges) == 2 })
}

func TestHeaders(t *testing.T) {
	got := make(chan http.Header, 1)
	model := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header.Clone()
		w.Header().Set("Connection", "X-Listed")
		w.Header().Set("X-Listed", "1")
		w.Header().Set("Keep-Alive", "timeout=5")
		w.Header().Set("X-Haldane-Arm", "forged")
		w.Header().Set("X-Haldane-Prediction-Id", "forged")
		w.Header()["X-Many"] = []string{"a", "b"}
	})
	for _, c := range []struct {
		name    string
		trusted bool
		send    []string
		want    map[string][]string // nil: must be absent
	}{
		{"hop by hop", false, []string{"Connection", "close, X-Listed, Te", "X-Listed", "1", "Keep-Alive", "x", "Proxy-Authorization", "secret", "Te", "gzip", "X-Kept", "1"},
			map[string][]string{"X-Listed": nil, "Keep-Alive": nil, "Proxy-Authorization": nil, "Te": nil, "X-Kept": {"1"}}},
		{"own", false, []string{"X-Haldane-Arm", "canary", "X-Haldane-Mirror", "true", "X-Haldane-Other", "x"},
			map[string][]string{"X-Haldane-Arm": {"stable"}, "X-Haldane-Version": {"v1"}, "X-Haldane-Mirror": nil, "X-Haldane-Other": nil}},
		{"agent", false, nil, map[string][]string{"User-Agent": nil, "Accept-Encoding": nil}},
		{"forwarded by strangers", false, []string{"X-Forwarded-For", "6.6.6.6", "Forwarded", "for=6.6.6.6", "X-Forwarded-Host", "evil", "X-Forwarded-Proto", "https"},
			map[string][]string{"X-Forwarded-For": {"127.0.0.1"}, "Forwarded": {`for=127.0.0.1;host="x";proto=http`}, "X-Forwarded-Host": {"x"}, "X-Forwarded-Proto": {"http"}}},
		{"forwarded by a proxy", true, []string{"X-Forwarded-For", "1.1.1.1", "X-Forwarded-For", "2.2.2.2", "Forwarded", "for=1.1.1.1", "X-Forwarded-Host", "site", "X-Forwarded-Proto", "https"},
			map[string][]string{"X-Forwarded-For": {"1.1.1.1, 2.2.2.2, 127.0.0.1"}, "Forwarded": {`for=1.1.1.1, for=127.0.0.1;host="x";proto=http`}, "X-Forwarded-Host": {"site"}, "X-Forwarded-Proto": {"https"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := start(t, model, nil, func(cfg *Config) {
				if c.trusted {
					cfg.TrustedProxies = prefixes("127.0.0.0/8")
				}
			})
			conn := dial(t, r.addr)
			var b strings.Builder
			b.WriteString("GET / HTTP/1.1\r\nHost: x\r\n")
			for i := 0; i < len(c.send); i += 2 {
				fmt.Fprintf(&b, "%s: %s\r\n", c.send[i], c.send[i+1])
			}
			conn.send(b.String() + "\r\n")
			resp, _ := conn.receive("GET")
			h := <-got
			for name, want := range c.want {
				if d := cmp.Diff(want, h[name]); d != "" {
					t.Errorf("%s upstream:\n%s", name, d)
				}
			}
			for name, want := range map[string][]string{
				"X-Listed": nil, "Keep-Alive": nil, "X-Haldane-Arm": nil, "X-Haldane-Version": {"v1"},
				"X-Many": {"a", "b"}, "Content-Type": nil,
			} {
				if d := cmp.Diff(want, resp.Header[name]); d != "" {
					t.Errorf("%s to the client:\n%s", name, d)
				}
			}
			if resp.Header.Get(HeaderPredictionID) == "forged" {
				t.Error("the model's prediction ID was passed on")
			}
		})
	}
}

func TestBasePathIsPutBefore(t *testing.T) {
	url := serveUpstream(t, echo)
	var table Table
	table.Upstreams[0] = Upstream{URL: url + "/base%2Fx/"}
	r := startTable(t, table)
	for path, want := range map[string]string{"/": "/base%2Fx/", "/a%2Fb?c": "/base%2Fx/a%2Fb?c", "/a/": "/base%2Fx/a/"} {
		if _, body := do(t, client(t), "GET", r.url(path), ""); !strings.HasPrefix(body, "GET "+want+" ") {
			t.Errorf("%s became %q, want %s", path, body, want)
		}
	}
}

func TestHeadKeepsLengthAndHasNoBody(t *testing.T) {
	r := start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1234")
	}), nil)
	resp, body := do(t, client(t), "HEAD", r.url("/"), "")
	if resp.ContentLength != 1234 || body != "" {
		t.Errorf("length %d, body %q", resp.ContentLength, body)
	}
}

func TestStatusesPass(t *testing.T) {
	for _, status := range []int{201, 204, 301, 304, 401, 404, 429, 500, 503, 599} {
		r := start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }), nil)
		resp, _ := do(t, client(t), "POST", r.url(inferPath), "{}")
		if resp.StatusCode != status {
			t.Errorf("%d became %d", status, resp.StatusCode)
		}
		if x := r.ledger.exchange(t, 0); x.Failed != (status >= 500) || x.Status != status || x.Readable != (status < 300) {
			t.Errorf("%d is recorded as %+v", status, x)
		}
	}
}

func TestTrailersPassBothWays(t *testing.T) {
	model := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Announced")
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%q %q", r.Trailer["X-Sum"], r.Trailer["X-Haldane-Arm"])
		w.Header().Set("X-Announced", "1")
		w.Header().Set(http.TrailerPrefix+"X-Late", "2")
		w.Header().Set(http.TrailerPrefix+"X-Haldane-Version", "forged")
	})
	r := start(t, model, nil)
	for name, announce := range map[string]string{"announced": "Trailer: X-Sum\r\n", "not announced": ""} {
		t.Run(name, func(t *testing.T) {
			conn := dial(t, r.addr)
			conn.send("POST / HTTP/1.1\r\nHost: x\r\nTE: trailers\r\n" + announce +
				"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Sum: 42\r\nX-Haldane-Arm: canary\r\n\r\n")
			resp, body := conn.receive("POST")
			if body != `["42"] []` {
				t.Errorf("the model saw trailers %s", body)
			}
			want := http.Header{"X-Announced": {"1"}, "X-Late": {"2"}}
			if d := cmp.Diff(want, resp.Trailer); d != "" {
				t.Errorf("the client's trailers:\n%s", d)
			}
		})
	}
}

func TestContinueComesFromTheModel(t *testing.T) {
	asked := make(chan struct{})
	model := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/refuse" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		<-asked
		echo(w, r)
	})
	r := start(t, model, nil)
	head := " HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"

	conn := dial(t, r.addr)
	conn.send("POST /take" + head)
	close(asked) // only now does the model read, and so ask for the body
	if resp, _ := conn.receive("POST"); resp.StatusCode != http.StatusContinue {
		t.Fatalf("got %d before the body, want 100", resp.StatusCode)
	}
	conn.send("abc")
	if resp, body := conn.receive("POST"); resp.StatusCode != 200 || !strings.Contains(body, `body="abc"`) {
		t.Errorf("got %d %q", resp.StatusCode, body)
	}

	conn = dial(t, r.addr)
	conn.send("POST /refuse" + head)
	if resp, _ := conn.receive("POST"); resp.StatusCode != http.StatusForbidden {
		t.Errorf("got %d, want the model's refusal without a 100 before", resp.StatusCode)
	}
}

func TestEarlyHintsPass(t *testing.T) {
	r := start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		_, _ = io.WriteString(w, "done")
	}), nil)
	conn := dial(t, r.addr)
	conn.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if resp, _ := conn.receive("GET"); resp.StatusCode != http.StatusEarlyHints || resp.Header.Get("Link") == "" {
		t.Errorf("first got %d %v", resp.StatusCode, resp.Header)
	}
	if resp, body := conn.receive("GET"); resp.StatusCode != 200 || body != "done" || resp.Header.Get("Link") != "" {
		t.Errorf("then got %d %q %v", resp.StatusCode, body, resp.Header)
	}
}

func TestUpgradeTunnelsBothWays(t *testing.T) {
	model := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "echo" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\nX-A: b\r\n\r\n")
		_ = rw.Flush()
		_, _ = io.Copy(conn, rw.Reader)
		_ = conn.(*net.TCPConn).CloseWrite()
	})
	r := start(t, model, nil)
	conn := dial(t, r.addr)
	conn.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: echo\r\n\r\n")
	resp, err := http.ReadResponse(conn.r, nil)
	must(t, err)
	if resp.StatusCode != 101 || resp.Header.Get("X-A") != "b" || resp.Header.Get(HeaderVersion) != "v1" {
		t.Fatalf("got %d %v", resp.StatusCode, resp.Header)
	}
	// What looks like an ambiguous request is just bytes here.
	said := "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n\x00\xff"
	conn.send(said)
	must(t, conn.CloseWrite())
	heard, err := io.ReadAll(conn.r)
	if err != nil || string(heard) != said {
		t.Errorf("heard %q, %v", heard, err)
	}
	if x := r.ledger.exchange(t, 0); x.Status != 101 || x.Failed {
		t.Errorf("recorded %+v", x)
	}
}

func TestUpgradeRefusedIsAnOrdinaryAnswer(t *testing.T) {
	r := start(t, echo, nil)
	conn := dial(t, r.addr)
	for _, protocol := range []string{"websocket", "h2c"} {
		conn.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: " + protocol + "\r\n\r\n")
		if resp, _ := conn.receive("GET"); resp.StatusCode != 200 {
			t.Errorf("%s: got %d", protocol, resp.StatusCode)
		}
	}
}

func TestTunnelEndsWhenTheGatewayDoes(t *testing.T) {
	model := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_ = rw.Flush()
		_, _ = io.Copy(io.Discard, rw.Reader)
	})
	r := start(t, model, nil, func(c *Config) { c.Limits.Drain = time.Millisecond })
	conn := dial(t, r.addr)
	conn.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	_, err := http.ReadResponse(conn.r, nil)
	must(t, err)
	r.ledger.exchange(t, 0)
	if err := r.stop(); err == nil || !strings.Contains(err.Error(), "cut off") {
		t.Errorf("serve returned %v, want it to say that a request was cut off", err)
	}
	if !conn.closed() {
		t.Error("the tunnel is still open")
	}
	r.stop = func() error { return nil }
}

func TestGatewayAnswersForItself(t *testing.T) {
	r := start(t, nil, nil)
	for path, want := range map[string]int{"healthz": 200, "readyz": 200, "other": 404} {
		if resp, _ := do(t, client(t), "GET", r.url(opsPrefix+path), ""); resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, resp.StatusCode, want)
		}
	}
	g, err := New(Config{Recorder: newLedger()})
	must(t, err)
	for path, want := range map[string]int{opsPrefix + "readyz": 503, "/": 503, opsPrefix + "healthz": 200} {
		w := httptest.NewRecorder()
		g.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", path, nil))
		if w.Code != want {
			t.Errorf("without a table %s: %d, want %d", path, w.Code, want)
		}
		if want == 503 && (w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "no routing table")) {
			t.Errorf("%s: %v %s", path, w.Header(), w.Body)
		}
	}
}

func TestFeedbackIsMounted(t *testing.T) {
	feedback := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
	r := start(t, echo, nil, func(c *Config) { c.Feedback, c.FeedbackPath = feedback, "/labels" })
	for _, c := range []struct {
		method, path string
		want         int
	}{{"POST", "/labels", 202}, {"GET", "/labels", 405}, {"POST", "/feedback", 200}} {
		if resp, _ := do(t, client(t), c.method, r.url(c.path), ""); resp.StatusCode != c.want {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, resp.StatusCode, c.want)
		}
	}
}
