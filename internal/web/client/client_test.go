package client_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/web"
	"github.com/haldane-dev/haldane/internal/web/client"
	"github.com/haldane-dev/haldane/internal/web/webtest"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// connect serves fake and returns a client of it.
func connect(t *testing.T, fake *webtest.Fake, token string) (*client.Client, string) {
	t.Helper()
	s, err := web.New(fake, web.Options{Token: "right"})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s.Handler(true))
	t.Cleanup(srv.Close)
	c, err := client.New(srv.URL, token)
	if err != nil {
		t.Fatal(err)
	}
	return c, srv.URL
}

func TestReads(t *testing.T) {
	fake := webtest.NewFake(noon, webtest.Good())
	fake.Advance(10)
	c, _ := connect(t, fake, "right")
	list, err := c.List(t.Context())
	if err != nil || len(list) != 1 || list[0].Name != "churn" {
		t.Errorf("List: %d, %v; want churn", len(list), err)
	}
	status, err := c.Status(t.Context(), "churn")
	if err != nil || status.Canary.Version != "v2" {
		t.Errorf("Status: canary %q, %v; want v2", status.Canary.Version, err)
	}
	blocks, err := c.Blocks(t.Context(), "churn", 4)
	if err != nil || len(blocks) != 4 || blocks[3].Block != 8 {
		t.Errorf("Blocks: %d, %v; want the newest 4", len(blocks), err)
	}
	events, err := c.Events(t.Context(), "churn", 2)
	if err != nil || len(events) != 2 || events[1].Kind != rollout.EventStep {
		t.Errorf("Events: %v, %v; want the newest 2", events, err)
	}
}

func TestSubmit(t *testing.T) {
	fake := webtest.NewFake(noon, webtest.Good())
	fake.Advance(5)
	c, _ := connect(t, fake, "right")
	step := 0
	reply, err := c.Submit(t.Context(), "churn", rollout.Command{ID: "x", Verb: rollout.Hold, Step: &step, Reason: "why", By: "ada"})
	if err != nil || !reply.Accepted || reply.ID != "x" {
		t.Errorf("pause: %+v, %v; want it accepted", reply, err)
	}
	if got := fake.Commands()[0]; *got.Step != 0 || got.Reason != "why" || got.By != "ada" {
		t.Errorf("submitted %+v", got)
	}
	reply, err = c.Submit(t.Context(), "churn", rollout.Command{Verb: rollout.Hold})
	if err != nil || reply.Accepted || !strings.Contains(reply.Message, "nothing to pause") {
		t.Errorf("again: %+v, %v; want a reply that says why not", reply, err)
	}
	if _, err := c.Submit(t.Context(), "churn", rollout.Command{Verb: "destroy"}); err == nil || !strings.Contains(err.Error(), "want promote, abort") {
		t.Errorf("destroy: %v, want the server's words", err)
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	fake := webtest.NewFake(noon, webtest.Good())
	right, url := connect(t, fake, "right")
	wrong, _ := client.New(url, "wrong")

	_, err := wrong.List(t.Context())
	if err == nil || !strings.Contains(err.Error(), "wants a token") || !strings.Contains(err.Error(), "--token") {
		t.Errorf("wrong token: %v", err)
	}
	_, err = right.Status(t.Context(), "nobody/else")
	if !client.NotFound(err) || !strings.Contains(err.Error(), `"nobody/else"`) {
		t.Errorf("unknown name: %v", err)
	}

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + l.Addr().String()
	l.Close()
	c, _ := client.New(nobody, "")
	_, err = c.List(t.Context())
	want := fmt.Sprintf("no haldane answers at %s: is `haldane run` running? Use --server for another address", nobody)
	if !errors.Is(err, client.ErrUnreachable) || !strings.HasPrefix(err.Error(), want) || strings.Count(err.Error(), nobody) != 1 {
		t.Errorf("nobody there: %v\nwant %s…", err, want)
	}
}

func TestSomethingElseAnswers(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"a web server":  func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<h1>hello</h1>", http.StatusNotFound) },
		"a page for it": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") },
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://elsewhere.example/", http.StatusFound)
		},
	} {
		srv := httptest.NewServer(h)
		c, _ := client.New(srv.URL, "secret")
		if _, err := c.List(t.Context()); err == nil || !strings.Contains(err.Error(), "check --server") || strings.Contains(err.Error(), "<h") {
			t.Errorf("%s: %v, want a hint at --server", name, err)
		}
		srv.Close()
	}
}

func TestNew(t *testing.T) {
	for _, bad := range []string{"127.0.0.1:7600", "ftp://x", "http://", "http://a:b@c", "http://x?y=1", "::"} {
		if _, err := client.New(bad, ""); err == nil || !strings.Contains(err.Error(), "write it like") {
			t.Errorf("New(%q) = %v, want a refusal with an example", bad, err)
		}
	}
	for _, good := range []string{"", "http://localhost:7600/", "https://haldane.example"} {
		if _, err := client.New(good, ""); err != nil {
			t.Errorf("New(%q) = %v", good, err)
		}
	}
}

var errEnough = errors.New("enough")

func TestStreamGoesOnAfterALostConnection(t *testing.T) {
	fake := webtest.NewFake(noon, webtest.Good())
	fake.Advance(4)
	c, _ := connect(t, fake, "right")
	var blocks []int64
	lost := 0
	o := client.StreamOptions{Replay: 100, Lost: func(error, time.Duration) error { lost++; fake.Advance(3); return nil }}
	err := c.Stream(t.Context(), "churn", o, func(u web.Update) error {
		if u.Block != nil {
			blocks = append(blocks, u.Block.Block)
		}
		if u.Status != nil && lost == 0 {
			fake.HangUp()
		}
		if len(blocks) == 5 {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) || lost != 1 || fmt.Sprint(blocks) != "[1 2 3 4 5]" {
		t.Errorf("blocks %v, lost %d times, %v; want 1 to 5 once each over one loss", blocks, lost, err)
	}
}

func TestStreamEnds(t *testing.T) {
	fake := webtest.NewFake(noon, webtest.Good())
	c, url := connect(t, fake, "right")
	nothing := func(web.Update) error { return nil }

	if err := c.Stream(t.Context(), "nobody", client.StreamOptions{}, nothing); !client.NotFound(err) {
		t.Errorf("unknown name: %v", err)
	}
	wrong, _ := client.New(url, "wrong")
	if err := wrong.Stream(t.Context(), "churn", client.StreamOptions{}, nothing); err == nil || !strings.Contains(err.Error(), "wants a token") {
		t.Errorf("wrong token: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	err := c.Stream(ctx, "churn", client.StreamOptions{}, func(web.Update) error { cancel(errEnough); return nil })
	if !errors.Is(err, errEnough) {
		t.Errorf("cancelled: %v, want the cause", err)
	}
	giveUp := client.StreamOptions{Lost: func(error, time.Duration) error { return errEnough }}
	err = c.Stream(t.Context(), "churn", giveUp, func(web.Update) error { fake.HangUp(); return nil })
	if !errors.Is(err, errEnough) {
		t.Errorf("Lost returned an error: %v, want that", err)
	}
	silent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(silent.Close)
	c, _ = client.New(silent.URL, "")
	giveUp.Silence = time.Millisecond
	if err := c.Stream(t.Context(), "churn", giveUp, nothing); !errors.Is(err, errEnough) {
		t.Errorf("a silent server: %v, want the connection to count as lost", err)
	}
}
