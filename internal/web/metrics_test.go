package web_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/haldane-dev/haldane/internal/web"
	"github.com/haldane-dev/haldane/internal/web/webtest"
)

// TestMetrics: scrapes are guarded as the API is, and absent unless given.
func TestMetrics(t *testing.T) {
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "up 1\n") })
	for _, c := range []struct {
		what     string
		options  web.Options
		loopback bool
		header   []string
		want     int
	}{
		{"on loopback", web.Options{Metrics: metrics}, true, nil, 200},
		{"of another site's page", web.Options{Metrics: metrics}, true, []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"beyond loopback, no token", web.Options{Metrics: metrics}, false, nil, 401},
		{"with the token", web.Options{Metrics: metrics, Token: "t"}, false, []string{"Authorization", "Bearer t"}, 200},
		{"none given", web.Options{}, true, nil, 404},
	} {
		s, err := web.New(webtest.NewFake(noon), c.options)
		if err != nil {
			t.Fatal(err)
		}
		got := answer(s.Handler(c.loopback), http.MethodGet, "localhost", "/metrics", c.header...)
		if got.Code != c.want || (c.want == 200) != (got.Body.String() == "up 1\n") {
			t.Errorf("%s: %d %q, want %d", c.what, got.Code, got.Body, c.want)
		}
	}
}
