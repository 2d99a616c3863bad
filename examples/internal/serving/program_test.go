package serving

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// echo is a program whose model says who it is.
var echo = Program{
	Variants: []string{"v1", "v2"},
	Serve: func(ctx context.Context, variant string, l net.Listener) error {
		return HTTP(ctx, l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			Reply(w, variant)
		}))
	},
	Dial: func(base string) (Ask, error) {
		c := Client()
		return func(ctx context.Context, n int) (Answer, error) {
			r, err := NewPost(ctx, base+"/", n)
			if err != nil {
				return Answer{}, err
			}
			a, _, err := Do(c, r)
			a.Truth = "yes"
			return a, err
		}, nil
	},
}

func TestServes(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	out, printed := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- echo.Run(ctx, []string{"--variant", "v2"}, printed, io.Discard)
	}()
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post("http://"+strings.TrimSpace(addr), "application/json", strings.NewReader("1"))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || string(body) != "\"v2\"\n" {
		t.Errorf("answered %q, %v", body, err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
}

// A gateway that fails at first, answers for a while, takes labels, and goes.
func TestClients(t *testing.T) {
	var asked, labels atomic.Int64
	var gateway *httptest.Server
	gone := sync.OnceFunc(func() { go gateway.Close() })
	gateway = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/feedback" {
			body, _ := io.ReadAll(r.Body)
			labels.Add(int64(strings.Count(string(body), `"label":"yes"`)))
			gone()
			return
		}
		n := asked.Add(1)
		w.Header().Set("X-Haldane-Version", "v1")
		if n == 1 || n%10 == 0 {
			Fail(w, http.StatusServiceUnavailable, errors.New("not now"))
			return
		}
		w.Header().Set("X-Haldane-Prediction-Id", fmt.Sprint(n))
		Reply(w, n)
	}))
	var out strings.Builder
	if err := echo.Run(t.Context(), []string{"--send", gateway.URL + "/", "--rate", "500"}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"waiting for " + gateway.URL + ": status 503", "by v1", "the last error: status 503"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("printed %q, want %q in it", out.String(), want)
		}
	}
	if labels.Load() == 0 {
		t.Error("no label was sent")
	}
}

func TestBadArguments(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"--variant v3", "choose one of v1, v2"},
		{"--send http://127.0.0.1:1 --rate 0", "--rate 0"},
		{"--listen nowhere", "nowhere"},
		{"extra", "unexpected argument"},
		{"--unknown", "unknown"},
	} {
		err := echo.Run(t.Context(), strings.Fields(c.args), io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q in it", c.args, err, c.want)
		}
	}
	if err := echo.Run(t.Context(), []string{"--help"}, io.Discard, io.Discard); err != nil {
		t.Errorf("--help: %v", err)
	}
}

func TestReadJSON(t *testing.T) {
	for _, body := range []string{"", "{", `"text"`, "[" + strings.Repeat("1,", maxBody) + "1]"} {
		var v []int
		w := httptest.NewRecorder()
		if ReadJSON(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body)), &v) || w.Code != http.StatusBadRequest {
			t.Errorf("%.10q: status %d, want 400", body, w.Code)
		}
	}
}

func TestNobodyAnswers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	r, err := NewPost(t.Context(), "http://"+l.Addr().String(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Do(Client(), r); !errors.Is(err, ErrUnreachable) {
		t.Errorf("%v, want %v", err, ErrUnreachable)
	}
}
