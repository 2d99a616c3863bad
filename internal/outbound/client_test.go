package outbound

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func serve(t *testing.T, f http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return s.URL
}

func TestPostSignsAndSends(t *testing.T) {
	var got http.Header
	var body string
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got, body = r.Header, r.Method+" "+r.URL.RequestURI()+" "+string(b)
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, strings.Repeat("x", 2*MaxAnswer))
	})
	c := New(Options{Now: func() time.Time { return time.Unix(1700000000, 0) }})
	a, err := c.Post(t.Context(), Request{URL: url + "/a?b=c", Body: []byte(`{}`), Header: http.Header{"X-Team": {"a"}}, Secret: []byte("key")})
	if err != nil || !a.OK() || len(a.Body) != MaxAnswer {
		t.Fatalf("answer %d, %d bytes, %v", a.Status, len(a.Body), err)
	}
	if body != "POST /a?b=c {}" || got.Get("X-Team") != "a" || got.Get("Content-Type") != "application/json" {
		t.Errorf("sent %q with %v", body, got)
	}
	// printf '1700000000.{}' | openssl dgst -sha256 -hmac key
	const want = "sha256=9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae"
	if got.Get(TimestampHeader) != "1700000000" || got.Get(SignatureHeader) != want {
		t.Errorf("signed %q %q, want %q", got.Get(TimestampHeader), got.Get(SignatureHeader), want)
	}
}

func TestRedirects(t *testing.T) {
	elsewhere := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("it went to another host") })
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, elsewhere, http.StatusTemporaryRedirect)
		case "/login":
			http.Redirect(w, r, "/page", http.StatusFound)
		case "/round":
			http.Redirect(w, r, "/round", http.StatusTemporaryRedirect)
		case "/moved":
			http.Redirect(w, r, "/here", http.StatusPermanentRedirect)
		case "/kept":
			http.Redirect(w, r, "/secret", http.StatusPermanentRedirect)
		case "/here":
			if b, _ := io.ReadAll(r.Body); r.Method != http.MethodPost || string(b) != "body" {
				t.Errorf("after the redirect %s %q", r.Method, b)
			}
		default:
			t.Errorf("called %s", r.URL.Path)
		}
	})
	c := New(Options{Allow: func(a string) error {
		if strings.Contains(a, "secret") {
			return errors.New("is not allowed")
		}
		return nil
	}})
	for path, want := range map[string]string{
		"/away": "another host", "/login": "a login", "/round": "again and again", "/kept": "is not allowed", "/moved": "",
	} {
		_, err := c.Post(t.Context(), Request{URL: url + path, Body: []byte("body")})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

// TestErrorsKeepSecrets: what stands in a path, a query or a password is in no
// error.
func TestErrorsKeepSecrets(t *testing.T) {
	c := New(Options{Allow: func(a string) error {
		if strings.Contains(a, "refuse") {
			return errors.New("is not allowed")
		}
		return nil
	}})
	for _, url := range []string{
		"http://127.0.0.1:1/s3cret?token=s3cret", "http://user:s3cret@127.0.0.1:1/", "ftp://host/s3cret", "http://host:bad/s3cret",
		"http://refuse.example/s3cret", "%zz/s3cret", "http://no-such-host.invalid/s3cret", "http://host/\x7f/s3cret",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		_, err := c.Post(ctx, Request{URL: url})
		cancel()
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func TestWhatIsRefusedIsNotSent(t *testing.T) {
	url := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("it was sent") })
	c := New(Options{Allow: func(string) error { return errors.New("is not allowed") }})
	if _, err := c.Post(t.Context(), Request{URL: url}); !errors.Is(err, ErrRefused) {
		t.Errorf("error %v", err)
	}
}

func TestEachHostHasItsSlots(t *testing.T) {
	var now, most atomic.Int64
	open := make(chan struct{})
	url := serve(t, func(http.ResponseWriter, *http.Request) {
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		<-open
		now.Add(-1)
	})
	c := New(Options{PerHost: 2})
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			if _, err := c.Post(t.Context(), Request{URL: url}); err != nil {
				t.Error(err)
			}
		})
	}
	for now.Load() < 2 {
		time.Sleep(time.Millisecond)
	}
	// Who waits for a slot is not kept longer than its context.
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := c.Post(ctx, Request{URL: url}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	other := serve(t, func(http.ResponseWriter, *http.Request) {})
	if _, err := c.Post(t.Context(), Request{URL: other}); err != nil {
		t.Errorf("another host: %v", err)
	}
	close(open)
	wg.Wait()
	if n := most.Load(); n != 2 {
		t.Errorf("%d at the same time, want 2", n)
	}
}

func TestRetryAfter(t *testing.T) {
	for value, want := range map[string]time.Duration{"": 0, "7": 7 * time.Second, "-1": 0, "soon": 0, "99999": 10 * time.Minute} {
		url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", value)
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		a, err := New(Options{}).Post(t.Context(), Request{URL: url})
		if err != nil || a.After != want || !a.Unavailable() || a.OK() {
			t.Errorf("%q: %+v, %v", value, a, err)
		}
	}
}
