package web_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/web"
	"github.com/haldane-dev/haldane/internal/web/webtest"
)

// reader reads a stream message by message.
type reader struct {
	t     *testing.T
	resp  *http.Response
	lines *bufio.Scanner
}

type message struct{ kind, id, data string }

func open(t *testing.T, url, position string) *reader {
	t.Helper()
	r := request(t, http.MethodGet, url, "")
	if position != "" {
		r.Header.Set("Last-Event-ID", position)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("stream: %s, %s", resp.Status, resp.Header.Get("Content-Type"))
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	return &reader{t: t, resp: resp, lines: lines}
}

// next returns the next message; ok is false at the end of the stream.
func (r *reader) next() (m message, ok bool) {
	for r.lines.Scan() {
		field, value, _ := strings.Cut(r.lines.Text(), ": ")
		switch field {
		case "event":
			m.kind = value
		case "id":
			m.id = value
		case "data":
			m.data = value
		case "":
			if m.data != "" || value == "beat" {
				return m, true
			}
		}
	}
	return m, false
}

// until reads up to and with the first status.
func (r *reader) until(kind string) (all []message) {
	r.t.Helper()
	for {
		m, ok := r.next()
		if !ok {
			r.t.Fatalf("the stream ended before a %s came", kind)
		}
		all = append(all, m)
		if m.kind == kind {
			return all
		}
	}
}

func (m message) block(t *testing.T) engine.Block {
	t.Helper()
	var b engine.Block
	if err := json.Unmarshal([]byte(m.data), &b); err != nil {
		t.Fatal(err)
	}
	return b
}

func kinds(all []message) string {
	count := map[string]int{}
	for _, m := range all {
		count[m.kind]++
	}
	return fmt.Sprintf("%d blocks, %d events, %d statuses", count["block"], count["event"], count["status"])
}

func TestStreamBeginsWithTheJournalAndGoesOn(t *testing.T) {
	fake := webtest.NewFake(noon, webtest.Good())
	fake.Advance(8) // two to start, six blocks
	r := open(t, serve(t, fake, web.Options{}).URL+"/api/v1/rollouts/churn/stream", "")
	if got, want := kinds(r.until("status")), "6 blocks, 3 events, 1 statuses"; got != want {
		t.Errorf("first: %s, want %s", got, want)
	}
	fake.Advance(1)
	m, _ := r.next()
	if m.kind != "block" || m.block(t).Block != 7 {
		t.Errorf("then: %s, want block 7", m.kind)
	}
	if m, _ := r.next(); m.kind != "status" {
		t.Errorf("then: %s, want a status", m.kind)
	}
}

func TestStreamResumes(t *testing.T) {
	fake := webtest.NewFake(noon, webtest.Good())
	fake.Advance(8)
	url := serve(t, fake, web.Options{}).URL + "/api/v1/rollouts/churn/stream"
	first := open(t, url, "").until("status")
	position := first[len(first)-1].id
	fake.Advance(3)

	got := open(t, url, position).until("status")
	if kinds(got) != "3 blocks, 0 events, 1 statuses" || got[0].block(t).Block != 7 {
		t.Errorf("resumed with %s, want blocks 7 to 9", kinds(got))
	}
	// From the middle: what came after that block, and the events since.
	middle := open(t, url, first[2].id).until("status")
	if middle[0].block(t).Block != 4 {
		t.Errorf("from block 3: %d first, want 4", middle[0].block(t).Block)
	}
	for _, unknown := range []string{"nonsense", "99@zz~gone", "%%~%%"} {
		if got := kinds(open(t, url, unknown).until("status")); got != "9 blocks, 3 events, 1 statuses" {
			t.Errorf("from %q: %s, want the whole journal", unknown, got)
		}
	}
}

func TestStreamWithoutReplayStillResumes(t *testing.T) {
	fake := webtest.NewFake(noon, webtest.Good())
	fake.Advance(8)
	url := serve(t, fake, web.Options{}).URL + "/api/v1/rollouts/churn/stream?replay=0"
	first := open(t, url, "").until("status")
	if kinds(first) != "0 blocks, 0 events, 1 statuses" {
		t.Errorf("first: %s, want the status alone", kinds(first))
	}
	fake.Advance(2)
	if got := kinds(open(t, url, first[0].id).until("status")); got != "2 blocks, 0 events, 1 statuses" {
		t.Errorf("resumed with %s, want the two blocks since", got)
	}
}

// lossy is a Rollouts whose subscription loses every other block.
type lossy struct{ *webtest.Fake }

func TestBlocksLostOnTheWayComeFromTheJournal(t *testing.T) {
	fake := webtest.NewFake(noon, webtest.Good())
	fake.Advance(4)
	s, err := web.New(lossy{fake}, web.Options{})
	if err != nil {
		t.Fatal(err)
	}
	srv := newServer(t, s)
	r := open(t, srv+"/api/v1/rollouts/churn/stream", "")
	r.until("status")
	fake.Advance(8)
	for want := int64(3); want <= 9; {
		m, ok := r.next()
		if !ok {
			t.Fatal("the stream ended")
		}
		if m.kind != "block" {
			continue
		}
		if got := m.block(t).Block; got != want {
			t.Fatalf("block %d, want %d", got, want)
		}
		want++
	}
}

func TestStreamsAreBounded(t *testing.T) {
	fake := webtest.NewFake(noon, webtest.Good())
	url := serve(t, fake, web.Options{MaxStreams: 2}).URL + "/api/v1/rollouts/churn/stream"
	first := open(t, url, "")
	first.until("status")
	open(t, url, "").until("status")
	if code, body := call(t, request(t, http.MethodGet, url, "")); code != http.StatusServiceUnavailable || !strings.Contains(body, "2 streams are open") {
		t.Errorf("the third: %d %s, want 503 with the reason", code, body)
	}
	first.resp.Body.Close()
	// The slot is free as soon as the server sees the end of the first.
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		if resp, err := http.Get(url); err == nil {
			code := resp.StatusCode
			resp.Body.Close()
			if code == http.StatusOK {
				return
			}
		}
	}
	t.Error("the slot of a stream that ended was not given back")
}

func TestSilentStreamsBeat(t *testing.T) {
	fake := webtest.NewFake(noon, webtest.Good())
	r := open(t, serve(t, fake, web.Options{Heartbeat: time.Millisecond}).URL+"/api/v1/rollouts/churn/stream", "")
	r.until("status")
	if m, ok := r.next(); !ok || m.kind != "" {
		t.Errorf("got %q, want a beat", m.kind)
	}
}

func TestStreamEndsWhenTheEngineHangsUp(t *testing.T) {
	fake := webtest.NewFake(noon, webtest.Good())
	r := open(t, serve(t, fake, web.Options{}).URL+"/api/v1/rollouts/churn/stream", "")
	r.until("status")
	fake.HangUp()
	if m, ok := r.next(); ok {
		t.Errorf("got %q, want the end", m.kind)
	}
}
