package web_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/web"
	"github.com/haldane-dev/haldane/internal/web/webtest"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// serve starts a server of fake on loopback.
func serve(t *testing.T, fake *webtest.Fake, o web.Options) *httptest.Server {
	t.Helper()
	s, err := web.New(fake, o)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s.Handler(true))
	t.Cleanup(srv.Close)
	return srv
}

// call sends a request and returns the status and the body.
func call(t *testing.T, r *http.Request) (int, string) {
	t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func request(t *testing.T, method, url, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

func TestReads(t *testing.T) {
	fake := webtest.NewFake(noon, webtest.Good(), webtest.Wrong())
	fake.Advance(30)
	url := serve(t, fake, web.Options{}).URL

	var list struct{ Rollouts []engine.Status }
	get(t, url+"/api/v1/rollouts", &list)
	if len(list.Rollouts) != 2 || list.Rollouts[0].Name != "churn" {
		t.Errorf("list: %d rollouts, want churn and churn-wrong", len(list.Rollouts))
	}
	var status engine.Status
	get(t, url+"/api/v1/rollouts/churn", &status)
	if status.Canary.Version != "v2" || len(status.Verdict.Metrics) != 5 {
		t.Errorf("status: canary %q with %d metrics, want v2 with 5", status.Canary.Version, len(status.Verdict.Metrics))
	}
	var blocks struct{ Blocks []engine.Block }
	get(t, url+"/api/v1/rollouts/churn/blocks?limit=3", &blocks)
	if len(blocks.Blocks) != 3 || blocks.Blocks[2].Block != blocks.Blocks[0].Block+2 {
		t.Errorf("blocks: %v, want the newest three, oldest first", blocks.Blocks)
	}
	var events struct{ Events []rollout.Event }
	get(t, url+"/api/v1/rollouts/churn/events?limit=1", &events)
	if len(events.Events) != 1 || events.Events[0].Kind == rollout.EventStarted {
		t.Errorf("events: %v, want the newest one", events.Events)
	}
}

func get(t *testing.T, url string, into any) {
	t.Helper()
	code, body := call(t, request(t, http.MethodGet, url, ""))
	if code != http.StatusOK {
		t.Fatalf("GET %s: %d %s", url, code, body)
	}
	if err := json.Unmarshal([]byte(body), into); err != nil {
		t.Fatalf("GET %s: %v", url, err)
	}
}

func TestNoRolloutIsAnEmptyList(t *testing.T) {
	url := serve(t, webtest.NewFake(noon), web.Options{}).URL
	if _, body := call(t, request(t, http.MethodGet, url+"/api/v1/rollouts", "")); strings.TrimSpace(body) != `{"rollouts":[]}` {
		t.Errorf("got %s, want an empty list", body)
	}
}

func TestErrorsAreJSONWithTheRightStatus(t *testing.T) {
	fake := webtest.NewFake(noon, webtest.Good())
	url := serve(t, fake, web.Options{}).URL
	for _, c := range []struct {
		method, path, body string
		code               int
		says               string
	}{
		{"GET", "/api/v1/rollouts/nobody", "", 404, `no rollout is named \"nobody\" here`},
		{"GET", "/api/v1/rollouts/nobody/stream", "", 404, "nobody"},
		{"GET", "/api/v1/else", "", 404, "no such address"},
		{"GET", "/else", "", 404, "no such address"},
		{"DELETE", "/api/v1/rollouts/churn", "", 405, "use GET"},
		{"GET", "/api/v1/rollouts/churn/commands", "", 405, "use POST"},
		{"POST", "/", "{}", 405, "commands go to"},
		{"GET", "/api/v1/rollouts/churn/blocks?limit=0", "", 400, "whole number from 1 to"},
		{"GET", "/api/v1/rollouts/churn/events?limit=many", "", 400, "whole number"},
		{"GET", "/api/v1/rollouts/churn/stream?replay=-1", "", 400, "whole number"},
	} {
		code, body := call(t, request(t, c.method, url+c.path, c.body))
		var p struct{ Error string }
		if err := json.Unmarshal([]byte(body), &p); err != nil || p.Error == "" {
			t.Errorf("%s %s: body %q is no JSON error", c.method, c.path, body)
		}
		if code != c.code || !strings.Contains(body, c.says) {
			t.Errorf("%s %s: %d %s, want %d with %q", c.method, c.path, code, body, c.code, c.says)
		}
	}
}

func TestFailureOfTheEngineIs500(t *testing.T) {
	fake := webtest.NewFake(noon, webtest.Good())
	fake.Break(errors.New("the journal is gone"))
	url := serve(t, fake, web.Options{}).URL
	for _, path := range []string{"", "/churn", "/churn/blocks", "/churn/events", "/churn/stream"} {
		if code, body := call(t, request(t, http.MethodGet, url+"/api/v1/rollouts"+path, "")); code != 500 || !strings.Contains(body, "the journal is gone") {
			t.Errorf("%s: %d %s, want 500 with the reason", path, code, body)
		}
	}
}

func TestCommands(t *testing.T) {
	fake := webtest.NewFake(noon, webtest.Good())
	fake.Advance(5)
	url := serve(t, fake, web.Options{Now: func() time.Time { return noon }}).URL + "/api/v1/rollouts/churn/commands"

	code, body := call(t, request(t, http.MethodPost, url, `{"id":"c1","verb":"pause","revision":"v2","step":0,"reason":"lunch","by":"ada"}`))
	if code != http.StatusOK || !strings.Contains(body, `"accepted":true`) {
		t.Errorf("pause: %d %s, want it accepted", code, body)
	}
	got := fake.Commands()[0]
	if got.ID != "c1" || got.Verb != rollout.Hold || got.Revision != "v2" || *got.Step != 0 || got.Reason != "lunch" || got.By != "ada" || !got.At.Equal(noon) {
		t.Errorf("submitted %+v", got)
	}
	code, body = call(t, request(t, http.MethodPost, url, `{"verb":"pause"}`))
	if code != http.StatusConflict || !strings.Contains(body, `"accepted":false`) || !strings.Contains(body, `"error":"nothing to pause`) {
		t.Errorf("second pause: %d %s, want 409 with the reply and an error", code, body)
	}
	if got := fake.Commands()[1]; got.ID == "" || got.By != "api" {
		t.Errorf("without id and by: %+v, want both filled in", got)
	}
}

func TestCommandsThatAreRefused(t *testing.T) {
	fake := webtest.NewFake(noon, webtest.Good())
	url := serve(t, fake, web.Options{}).URL + "/api/v1/rollouts/churn/commands"
	for _, c := range []struct {
		body string
		code int
		says string
	}{
		{`{"verb":"destroy"}`, 400, "want promote, abort"},
		{`{"Verb":"abort"}`, 400, `unknown field \"Verb\"`},
		{`{"verb":"abort","force":true}`, 400, `unknown field \"force\"`},
		{`{"verb":"abort","verb":"promote"}`, 400, `duplicate field \"verb\"`},
		{`{"verb":"abort"} {}`, 400, "not valid"},
		{`{"verb":`, 400, "not valid"},
		{`{"verb":"abort","full":true}`, 400, "full goes with promote"},
		{`{"verb":"promote","step":-1}`, 400, "steps count from 0"},
		{`{"verb":"promote","step":"one"}`, 400, "not valid"},
		{`{"verb":"abort","reason":"a\nb"}`, 400, "control characters"},
		{`{"verb":"abort","by":"` + strings.Repeat("x", 65) + `"}`, 400, "by: 65 bytes, at most 64"},
		{`{"verb":"abort","reason":"` + strings.Repeat("x", 20<<10) + `"}`, 413, "at most 16384 bytes"},
	} {
		if code, body := call(t, request(t, http.MethodPost, url, c.body)); code != c.code || !strings.Contains(body, c.says) {
			t.Errorf("%.60s: %d %s, want %d with %q", c.body, code, body, c.code, c.says)
		}
	}
	r := request(t, http.MethodPost, url, `{"verb":"abort"}`)
	r.Header.Set("Content-Type", "text/plain") // what a form on any site may send
	if code, body := call(t, r); code != http.StatusUnsupportedMediaType {
		t.Errorf("text/plain: %d %s, want 415", code, body)
	}
	if n := len(fake.Commands()); n != 0 {
		t.Errorf("%d refused commands were submitted all the same", n)
	}
}
