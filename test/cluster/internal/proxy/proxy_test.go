package proxy

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

func TestProxy(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "host "+r.Host) }))
	defer plain.Close()
	secure := httptest.NewTLSServer(plain.Config.Handler)
	defer secure.Close()
	handler := &Handler{
		Cluster: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		Lookup: func(name string) ([]netip.Addr, bool) {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, name == "web.shop.svc"
		},
	}
	door := httptest.NewServer(handler)
	defer door.Close()
	client := secure.Client()
	client.Transport.(*http.Transport).Proxy = func(*http.Request) (*url.URL, error) { return url.Parse(door.URL) }

	port := func(s *httptest.Server) string { return s.URL[strings.LastIndex(s.URL, ":"):] }
	for _, test := range []struct {
		name, url, body string
		status          int
	}{
		{"a plain request", plain.URL, "host 127.0.0.1" + port(plain), 200},
		{"a name", "http://web.shop.svc" + port(plain), "host web.shop.svc" + port(plain), 200},
		{"a tunnel", secure.URL, "host 127.0.0.1" + port(secure), 200},
		{"an unknown name", "http://nobody.svc/", "", 502},
		{"an address elsewhere", "http://192.0.2.1/", "", 502},
	} {
		response, err := client.Get(test.url)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		body, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if response.StatusCode != test.status || string(body) != test.body {
			t.Errorf("%s: %d %q, want %d %q", test.name, response.StatusCode, body, test.status, test.body)
		}
	}
	response, err := http.Get(door.URL)
	if err != nil || response.StatusCode != http.StatusBadRequest {
		t.Errorf("a request that is for no one: %v, %v; want 400", response, err)
	}
}
