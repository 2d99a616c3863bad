package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/haldane-dev/haldane/internal/inference"
)

// Answers are read, and the clients know what is true more often than the model
// guesses.
func TestAnswersAndTruth(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, "v1", l) }()
	reader, err := inference.New(inference.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var class string
	gateway := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: l.Addr().String()}) },
		ModifyResponse: func(r *http.Response) error {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return err
			}
			p := inference.Detect(r.Request.Method, r.Request.URL.Path, "application/json")
			got, ok := reader.Read(nil, p, nil, body, r.Header.Get("Content-Type"))
			if p != inference.MLflow || !ok || len(got) != 1 {
				t.Errorf("%s: read %+v of %s", p, got, body)
				return nil
			}
			class = got[0].Class
			r.Body = io.NopCloser(strings.NewReader(string(body)))
			return nil
		},
	}
	s := httptest.NewServer(gateway)
	defer s.Close()
	ask, err := dial(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	const asked = 200
	right := 0
	for n := range asked {
		a, err := ask(ctx, n)
		if err != nil {
			t.Fatal(err)
		}
		if a.Truth == class {
			right++
		}
	}
	if right < asked/2 || right == asked {
		t.Errorf("the model is right %d times of %d: it should be so for most customers", right, asked)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
