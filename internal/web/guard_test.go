package web_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/haldane-dev/haldane/internal/web"
	"github.com/haldane-dev/haldane/internal/web/webtest"
)

func handler(t *testing.T, token string, loopback bool) http.Handler {
	t.Helper()
	s, err := web.New(webtest.NewFake(noon, webtest.Good()), web.Options{Token: token})
	if err != nil {
		t.Fatal(err)
	}
	return s.Handler(loopback)
}

// answer sends a request straight to the handler, so that every header,
// Host among them, can be chosen.
func answer(h http.Handler, method, host, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(`{"verb":"pause"}`))
	r.Host = host
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

const (
	reads    = "/api/v1/rollouts"
	commands = "/api/v1/rollouts/churn/commands"
)

func TestReboundNamesReachNothingOnLoopback(t *testing.T) {
	h := handler(t, "", true)
	for host, want := range map[string]int{
		"127.0.0.1:7600": 200, "localhost:7600": 200, "LOCALHOST": 200, "[::1]:7600": 200, "127.0.0.2": 200,
		"evil.example": 421, "evil.example:7600": 421, "localhost.evil.example": 421, "192.168.1.5:7600": 421, "": 421, "0.0.0.0:7600": 421,
	} {
		for _, path := range []string{reads, "/", "/healthz"} {
			if w := answer(h, "GET", host, path); w.Code != want {
				t.Errorf("Host %q, %s: %d, want %d", host, path, w.Code, want)
			}
		}
	}
}

func TestOtherSitesPagesAreRefused(t *testing.T) {
	const host = "127.0.0.1:7600"
	for _, c := range []struct {
		name   string
		method string
		path   string
		header []string
		want   int
	}{
		{"own page writes", "POST", commands, []string{"Sec-Fetch-Site", "same-origin", "Origin", "http://" + host}, 409},
		{"a program writes", "POST", commands, nil, 409},
		{"another site writes", "POST", commands, []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, 403},
		{"another port writes", "POST", commands, []string{"Sec-Fetch-Site", "same-site", "Origin", "http://127.0.0.1:9999"}, 403},
		{"old browser, foreign origin", "POST", commands, []string{"Origin", "https://evil.example"}, 403},
		{"sandboxed page", "POST", commands, []string{"Origin", "null"}, 403},
		{"another site reads", "GET", reads, []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"another site streams", "GET", "/api/v1/rollouts/churn/stream", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"typed into the address bar", "GET", reads, []string{"Sec-Fetch-Site", "none"}, 200},
	} {
		if w := answer(handler(t, "", true), c.method, host, c.path, c.header...); w.Code != c.want {
			t.Errorf("%s: %d %s, want %d", c.name, w.Code, w.Body, c.want)
		}
	}
}

func TestToken(t *testing.T) {
	h := handler(t, "s3cret", false)
	for _, c := range []struct {
		authorization string
		want          int
	}{
		{"Bearer s3cret", 200}, {"bearer s3cret", 200}, {"Bearer  s3cret", 200},
		{"", 401}, {"Bearer ", 401}, {"Bearer s3cre", 401}, {"Bearer s3crets", 401}, {"Basic s3cret", 401}, {"s3cret", 401},
	} {
		w := answer(h, "GET", "haldane.example:7600", reads, "Authorization", c.authorization)
		if w.Code != c.want {
			t.Errorf("%q: %d, want %d", c.authorization, w.Code, c.want)
		}
		if w.Code == 401 && !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("%q: 401 without WWW-Authenticate", c.authorization)
		}
	}
	// What holds no data needs none.
	for _, path := range []string{"/", "/app.js", "/healthz"} {
		if w := answer(h, "GET", "haldane.example:7600", path); w.Code != 200 {
			t.Errorf("%s without a token: %d, want 200", path, w.Code)
		}
	}
}

func TestATokenHoldsOnLoopbackToo(t *testing.T) {
	if w := answer(handler(t, "s3cret", true), "GET", "localhost", reads); w.Code != 401 {
		t.Errorf("got %d, want 401", w.Code)
	}
}

func TestBeyondLoopbackWithoutATokenNothingIsServed(t *testing.T) {
	for _, authorization := range []string{"", "Bearer ", "Bearer x"} {
		if w := answer(handler(t, "", false), "GET", "haldane.example", reads, "Authorization", authorization); w.Code != 401 {
			t.Errorf("%q: %d, want 401", authorization, w.Code)
		}
	}
}

func TestCheckListen(t *testing.T) {
	for _, c := range []struct {
		address, token string
		ok             bool
	}{
		{"127.0.0.1:7600", "", true}, {"localhost:0", "", true}, {"[::1]:7600", "", true},
		{":7600", "", false}, {"0.0.0.0:7600", "", false}, {"[::]:7600", "", false}, {"10.0.0.4:7600", "", false}, {"box.example:7600", "", false},
		{":7600", "t", true}, {"7600", "t", false},
	} {
		if err := web.CheckListen(c.address, c.token); (err == nil) != c.ok {
			t.Errorf("CheckListen(%q, %q) = %v, want ok %v", c.address, c.token, err, c.ok)
		}
	}
}

func TestServeRefusesAnOpenListenerWithoutAToken(t *testing.T) {
	s, err := web.New(webtest.NewFake(noon), web.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l := &wideListener{}
	if err := s.Serve(t.Context(), l); err == nil || !strings.Contains(err.Error(), "set a token") {
		t.Errorf("got %v, want a refusal that says what to do", err)
	}
	if !l.closed {
		t.Error("the listener was left open")
	}
}

// wideListener says that it listens on every interface, and accepts nobody.
type wideListener struct{ closed bool }

func (l *wideListener) Accept() (net.Conn, error) { return nil, errors.New("accepted") }
func (l *wideListener) Close() error              { l.closed = true; return nil }
func (l *wideListener) Addr() net.Addr            { return &net.TCPAddr{IP: net.IPv4zero, Port: 7600} }

func TestServeEndsWithItsContext(t *testing.T) {
	s, err := web.New(webtest.NewFake(noon, webtest.Good()), web.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	resp, err := http.Get("http://" + l.Addr().String() + "/api/v1/rollouts/churn/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	cancel() // an open stream does not hold it up
	if err := <-done; err != nil {
		t.Errorf("Serve: %v, want nil", err)
	}
}

func TestEveryAnswerIsHardened(t *testing.T) {
	h := handler(t, "", true)
	for _, path := range []string{"/", "/app.js", "/nowhere", reads, "/healthz"} {
		w := answer(h, "GET", "localhost", path)
		csp := w.Header().Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
			if !strings.Contains(csp, part) {
				t.Errorf("%s: policy %q lacks %q", path, csp, part)
			}
		}
		if strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy %q allows inline code", path, csp)
		}
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY"} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		if w.Header().Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: other origins may read it", path)
		}
	}
}

func TestTheBundle(t *testing.T) {
	h := handler(t, "", true)
	index := answer(h, "GET", "localhost", "/")
	if index.Code != 200 || !strings.Contains(index.Body.String(), `<script src="app.js" type="module">`) {
		t.Fatalf("/: %d, want the dashboard's page", index.Code)
	}
	for path, media := range map[string]string{
		"/app.js": "text/javascript; charset=utf-8", "/style.css": "text/css; charset=utf-8", "/icon.svg": "image/svg+xml",
		"/ibm-plex-sans-latin-standard-normal.woff2": "font/woff2", "/THIRD-PARTY.txt": "text/plain; charset=utf-8",
	} {
		w := answer(h, "GET", "localhost", path)
		if w.Code != 200 || w.Header().Get("Content-Type") != media || w.Body.Len() == 0 {
			t.Errorf("%s: %d %s, %d bytes; want 200 %s", path, w.Code, w.Header().Get("Content-Type"), w.Body.Len(), media)
		}
		if again := answer(h, "GET", "localhost", path, "If-None-Match", w.Header().Get("ETag")); again.Code != 304 {
			t.Errorf("%s again: %d, want 304", path, again.Code)
		}
	}
	for _, path := range []string{"/../server.go", "/dist/app.js", "/src/main.tsx"} {
		if w := answer(h, "GET", "localhost", path); w.Code == 200 {
			t.Errorf("%s is served", path)
		}
	}
}

func TestNewWantsRollouts(t *testing.T) {
	if _, err := web.New(nil, web.Options{}); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("New(nil) = %v, want a refusal", err)
	}
}
