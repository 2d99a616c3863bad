package gateway

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/inference"
)

// stepped is an event stream that sends each text when it is told to.
func stepped(contentType string, texts <-chan string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", contentType)
		_ = http.NewResponseController(w).Flush()
		for text := range texts {
			_, _ = io.WriteString(w, text)
			_ = http.NewResponseController(w).Flush()
		}
	})
}

const chatPath = "/v1/chat/completions"

func chunk(s string) string { return `data: {"choices":[{"delta":{"content":"` + s + `"}}]}` + "\n\n" }

// Each event is sent only after the one before it has been read at the far end,
// so a gateway that held anything back would never finish.
func TestEventsPassOneByOne(t *testing.T) {
	texts := make(chan string)
	r := start(t, stepped("text/event-stream", texts), nil)
	resp := send(t, client(t), "POST", r.url(chatPath), `{"stream":true}`)
	events := bufio.NewReader(resp.Body)
	for _, text := range []string{"a", "b", "c"} {
		texts <- chunk(text)
		got, err := events.ReadString('\n')
		must(t, err)
		if blank, err := events.ReadString('\n'); err != nil || got+blank != chunk(text) {
			t.Fatalf("got %q %q, %v", got, blank, err)
		}
	}
	texts <- "data: [DONE]\n\n"
	close(texts)
	rest, err := io.ReadAll(events)
	if err != nil || string(rest) != "data: [DONE]\n\n" {
		t.Errorf("rest %q, %v", rest, err)
	}
	x := r.ledger.exchange(t, 0)
	if s := x.Stream; s == nil || !s.HasTTFT || s.TTFT <= 0 || s.TTFT > x.Latency || s.Tokens != 3 || s.Failed || x.Failed {
		t.Errorf("recorded %+v, stream %+v", x, s)
	}
	if resp.Header.Get(HeaderPredictionID) == "" {
		t.Error("a streamed answer carries no prediction ID")
	}
}

// send returns the response as soon as its head has come.
func send(t *testing.T, c *http.Client, method, url, body string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	must(t, err)
	resp, err := c.Do(req)
	must(t, err)
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func TestStreamsThatFail(t *testing.T) {
	for name, c := range map[string]struct {
		sent   string
		reason string
	}{
		"error inside":    {chunk("a") + `data: {"error":{"message":"out of memory"}}` + "\n\n", inference.ReasonError},
		"no terminal":     {chunk("a"), inference.ReasonUnterminated},
		"ends as it must": {chunk("a") + "data: [DONE]\n\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			texts := make(chan string, 1)
			texts <- c.sent
			close(texts)
			r := start(t, stepped("text/event-stream", texts), nil)
			if _, body := do(t, client(t), "POST", r.url(chatPath), `{"stream":true}`); body != c.sent {
				t.Errorf("body %q", body)
			}
			x := r.ledger.exchange(t, 0)
			if x.Failed != (c.reason != "") || x.Stream.Reason != c.reason || x.Status != 200 {
				t.Errorf("recorded %+v, stream %+v", x, x.Stream)
			}
		})
	}
}

// dropping answers with a head and a part of the body, and hangs up.
func dropping(head, part string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n"+head+"\r\n\r\n"+part)
		conn.Close()
	})
}

func TestTruncatedAnswerNeverLooksWhole(t *testing.T) {
	for name, c := range map[string]struct {
		head, part string
		begun      bool // the client has the head already when it happens
	}{
		"length, passed on":  {"Content-Length: 100", "abc", true},
		"chunked":            {"Transfer-Encoding: chunked", "3\r\nabc\r\n", true},
		"event stream":       {"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked", "3\r\nabc\r\n", true},
		"length, read first": {"Content-Type: application/json\r\nContent-Length: 100", "{", false},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, dropping(c.head, c.part), nil)
			method := "GET" // asks for no prediction, so nothing is read first
			if !c.begun {
				method = "POST"
			}
			req, err := http.NewRequestWithContext(t.Context(), method, r.url(inferPath), strings.NewReader("{}"))
			must(t, err)
			resp, err := client(t).Do(req)
			status := 0
			if err == nil {
				defer resp.Body.Close()
				status = resp.StatusCode
				_, err = io.ReadAll(resp.Body)
			}
			switch {
			case c.begun && err == nil:
				t.Errorf("got a whole answer with status %d", status)
			case !c.begun && (status != 502 || err != nil):
				t.Errorf("got %d, %v, want a whole 502", status, err)
			}
			if x := r.ledger.exchange(t, 0); !x.Failed || x.Cancelled {
				t.Errorf("recorded %+v", x)
			}
		})
	}
}

func TestClientThatLeavesCancelsTheModel(t *testing.T) {
	for name, stream := range map[string]bool{"before the answer": false, "in a stream": true} {
		t.Run(name, func(t *testing.T) {
			begun, ended := make(chan struct{}), make(chan struct{})
			model := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				if stream {
					w.Header().Set("Content-Type", "text/event-stream")
					_, _ = io.WriteString(w, chunk("a"))
					_ = http.NewResponseController(w).Flush()
				}
				close(begun)
				<-r.Context().Done()
				close(ended)
			})
			r := start(t, model, nil)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, "POST", r.url(chatPath), strings.NewReader("{}"))
			must(t, err)
			done := make(chan struct{})
			go func() {
				defer close(done)
				if resp, err := client(t).Do(req); err == nil {
					_, _ = io.ReadAll(resp.Body)
					resp.Body.Close()
				}
			}()
			<-begun
			cancel()
			select {
			case <-ended:
			case <-time.After(patience):
				t.Fatal("the model works on")
			}
			<-done
			if x := r.ledger.exchange(t, 0); !x.Cancelled || x.Failed || x.Stream != nil {
				t.Errorf("recorded %+v", x)
			}
		})
	}
}

// The upload is larger than anything on the way holds, and its end is sent only
// when the answer has begun.
func TestLargeBodiesStreamBothWaysAtOnce(t *testing.T) {
	const size = 8 << 20
	model := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		_ = http.NewResponseController(w).Flush()
		_, _ = io.Copy(w, r.Body)
	})
	r := start(t, model, nil)
	pr, pw := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), "POST", r.url("/big"), pr)
	must(t, err)
	begun := make(chan struct{})
	sent := make(chan error, 1)
	go func() {
		<-begun
		buf := make([]byte, 64<<10)
		for range size / len(buf) {
			if _, err := pw.Write(buf); err != nil {
				sent <- err
				return
			}
		}
		sent <- pw.Close()
	}()
	// A client that speaks HTTP/2, since Go's for HTTP/1 sends before it reads.
	resp, err := h2Client(t).Do(req)
	must(t, err)
	defer resp.Body.Close()
	close(begun)
	n, err := io.Copy(io.Discard, resp.Body)
	if n != size || err != nil {
		t.Errorf("%d bytes came back, %v", n, err)
	}
	must(t, <-sent)
}

func h2Client(t *testing.T) *http.Client {
	tr := &http.Transport{Protocols: new(http.Protocols), DisableCompression: true}
	tr.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience}
}

func TestHTTP2InClearText(t *testing.T) {
	r := start(t, echo, nil)
	resp, body := do(t, h2Client(t), "POST", r.url("/a?b"), "abc")
	if resp.ProtoMajor != 2 || resp.StatusCode != 200 || !strings.Contains(body, `POST /a?b`) || !strings.Contains(body, `body="abc"`) {
		t.Errorf("got %s %d %q", resp.Proto, resp.StatusCode, body)
	}
	if resp.Header.Get(HeaderVersion) != "v1" {
		t.Errorf("headers %v", resp.Header)
	}
}

func TestUpstreamSpeech(t *testing.T) {
	proto := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.ProtoMajor) })
	url := serveUpstream(t, proto)
	for _, c := range []struct {
		speech Speech
		grpc   bool
		want   string
	}{{SpeechAuto, false, "1"}, {SpeechAuto, true, "2"}, {SpeechHTTP1, true, "1"}, {SpeechHTTP2, false, "2"}} {
		var table Table
		table.Upstreams[0] = Upstream{URL: url, Speech: c.speech}
		r := startTable(t, table)
		var header []string
		if c.grpc {
			header = []string{"Content-Type", "application/grpc"}
		}
		if _, body := do(t, h2Client(t), "POST", r.url("/"), "x", header...); body != c.want {
			t.Errorf("speech %q, gRPC %v: HTTP/%s upstream, want %s", c.speech, c.grpc, body, c.want)
		}
	}
}

func TestEarlyAnswerToAnUnfinishedUpload(t *testing.T) {
	r := start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	}), nil)
	conn := dial(t, r.addr)
	conn.send("POST /plain HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\nabc")
	if resp, _ := conn.receive("POST"); resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("got %d", resp.StatusCode)
	}
	if x := r.ledger.exchange(t, 0); x.Failed || x.Cancelled || x.Status != 413 {
		t.Errorf("recorded %+v", x)
	}
	if _, err := conn.r.ReadByte(); err == nil {
		t.Error("the connection goes on in the middle of a body")
	}
}

func TestEncodedAnswersPassUnread(t *testing.T) {
	const body = "\x1f\x8b not really gzip"
	r := start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = io.WriteString(w, body)
	}), nil)
	resp, got := do(t, client(t), "POST", r.url(inferPath), "{}")
	if got != body || resp.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("got %q %v", got, resp.Header)
	}
	if x := r.ledger.exchange(t, 0); !x.Readable || x.Read {
		t.Errorf("recorded %+v, want readable and unread", x)
	}
}

func TestAnswersOfUnknownLengthAreReadToo(t *testing.T) {
	r := start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for _, b := range []byte(oip("0.25")) {
			_, _ = w.Write([]byte{b})
			_ = http.NewResponseController(w).Flush()
		}
	}), nil)
	resp, body := do(t, client(t), "POST", r.url(inferPath), "{}")
	if body != oip("0.25") || resp.ContentLength != -1 {
		t.Errorf("got %q, length %d", body, resp.ContentLength)
	}
	x := r.ledger.exchange(t, 0)
	if !x.Read || len(x.Predictions) != 1 {
		t.Errorf("recorded %+v", x)
	}
	claims, err := r.codec.Decode(resp.Header.Get(HeaderPredictionID))
	if err != nil || claims.HasScore {
		t.Errorf("an ID sent before the body says %+v, %v", claims, err)
	}
}

func TestDrainWaitsForRequestsUnderWay(t *testing.T) {
	begun, finish := make(chan struct{}), make(chan struct{})
	r := start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		<-finish
		_, _ = io.WriteString(w, "done")
	}), nil)
	type result struct {
		body string
		err  error
	}
	got := make(chan result, 1)
	go func() {
		resp, err := client(t).Get(r.url("/"))
		if err != nil {
			got <- result{"", err}
			return
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		got <- result{string(body), err}
	}()
	<-begun
	stopped := make(chan error, 1)
	go func() { stopped <- r.stop() }()
	// New connections are refused while the request is still under way.
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", r.addr)
		if err != nil {
			break
		}
		c.Close()
		if time.Now().After(end) {
			t.Fatal("the gateway still takes connections")
		}
	}
	close(finish)
	if g := <-got; g.err != nil || g.body != "done" {
		t.Errorf("the request under way got %+v", g)
	}
	if err := <-stopped; err != nil && !errors.Is(err, net.ErrClosed) {
		t.Errorf("serve returned %v", err)
	}
}
