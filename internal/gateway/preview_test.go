package gateway

import (
	"context"
	"net"
	"net/http"
	"testing"

	"github.com/haldane-dev/haldane/internal/traffic"
)

// preview serves the candidate's own address of r.
func preview(t *testing.T, r *rig) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.ServePreview(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		must(t, <-done)
	})
	return "http://" + ln.Addr().String() + "/"
}

func TestPreviewReachesTheCandidateAlone(t *testing.T) {
	r := start(t, armOf, armOf)
	url, c := preview(t, r), client(t)
	never := []traffic.Match{{Header: &traffic.Field{Name: "X-Writes"}}}
	r.split(t, traffic.Split{Generation: 2, Open: true, Mirror: traffic.Full, Never: never})
	for _, header := range [][]string{nil, {"X-Writes", "1"}} {
		if resp, arm := do(t, c, "GET", url, "", header...); arm != "canary" || resp.Header.Get(HeaderVersion) != "v2" {
			t.Errorf("with %v the preview is answered by %q, %s", header, arm, resp.Header.Get(HeaderVersion))
		}
	}
	if _, arm := do(t, c, "GET", r.url("/"), ""); arm != "stable" {
		t.Errorf("a user got %s", arm)
	}
	r.ledger.await(t, "all", func() bool { return len(r.ledger.exchanges) == 3 && len(r.ledger.pairs) == 1 })
	for _, x := range r.ledger.exchanges {
		if x.Forced != (x.Arm == traffic.Canary) {
			t.Errorf("a request to %s was counted as forced: %v", x.Arm, x.Forced)
		}
	}
}

func TestPreviewIsClosedWhileTheCandidateMayNotBeReached(t *testing.T) {
	r := start(t, armOf, armOf)
	url, c := preview(t, r), client(t)
	for _, tt := range []struct {
		split traffic.Split
		want  int
	}{
		{traffic.Split{Generation: 2}, http.StatusServiceUnavailable},
		{traffic.Split{Generation: 3, Mirror: traffic.Full}, http.StatusServiceUnavailable},
		{traffic.Split{Generation: 4, Open: true}, http.StatusOK},
		{traffic.Split{Generation: 5, Canary: 9500, Open: true}, http.StatusOK},
		{traffic.Split{Generation: 6, Canary: traffic.Full}, http.StatusOK},
	} {
		r.split(t, tt.split)
		resp, body := do(t, c, "GET", url, "")
		if resp.StatusCode != tt.want || tt.want == http.StatusOK && body != "canary" {
			t.Errorf("with %+v the preview answers %d %q, want %d", tt.split, resp.StatusCode, body, tt.want)
		}
	}
	r.ledger.await(t, "those that were answered", func() bool { return len(r.ledger.exchanges) == 3 })
}

// TestNeverIsNotMirrored: what must not run twice is kept from the copies.
func TestNeverIsNotMirrored(t *testing.T) {
	copies := make(chan seen, 8)
	r := start(t, armOf, spy(copies, armOf))
	c := client(t)
	r.split(t, traffic.Split{Generation: 2, Mirror: traffic.Full, Never: []traffic.Match{{Header: &traffic.Field{Name: "x-writes"}}}})
	do(t, c, "POST", r.url("/write"), "{}", "X-Writes", "1")
	do(t, c, "POST", r.url("/read"), "{}")
	r.ledger.await(t, "the pair", func() bool { return len(r.ledger.pairs) == 1 })
	if got := <-copies; got.uri != "/read" || got.header.Get(HeaderMirror) != "true" || len(copies) > 0 {
		t.Errorf("copied %+v, and %d more", got, len(copies))
	}
}
