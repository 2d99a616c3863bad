package outbound

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestLibrariesKeepTheRules(t *testing.T) {
	elsewhere := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("it went to another host") })
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/large":
			_, _ = io.WriteString(w, strings.Repeat("x", MaxRead+1))
		case "/away":
			http.Redirect(w, r, elsewhere, http.StatusFound)
		default:
			_, _ = io.WriteString(w, r.Method)
		}
	})
	c := New(Options{PerHost: 1, Allow: func(a string) error {
		if strings.HasSuffix(a, "/secret") {
			return errors.New("is not allowed")
		}
		return nil
	}}).HTTP()
	get := func(ctx context.Context, path string) (string, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+path, strings.NewReader("a body"))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.Do(r)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return string(body), err
	}
	if got, err := get(t.Context(), "/"); got != "GET" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := get(t.Context(), "/secret"); !errors.Is(err, ErrRefused) {
		t.Errorf("not allowed: %v", err)
	}
	if _, err := get(t.Context(), "/large"); !errors.Is(err, ErrLarge) {
		t.Errorf("large: %v", err)
	}
	if _, err := get(t.Context(), "/away"); err == nil || !strings.Contains(err.Error(), "another host") {
		t.Errorf("redirected: %v", err)
	}
	// A slot is taken until the answer is closed.
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := get(ctx, "/"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without a slot: %v", err)
	}
	_ = resp.Body.Close()
	_ = resp.Body.Close()
	if got, err := get(t.Context(), "/"); got != "GET" || err != nil {
		t.Errorf("afterwards %q, %v", got, err)
	}
}
