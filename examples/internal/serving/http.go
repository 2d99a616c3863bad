package serving

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

const (
	grace    = 5 * time.Second  // for requests under way when a server ends
	patience = 30 * time.Second // of a client
	maxBody  = 1 << 20          // bytes of a request or an answer
)

// HTTP serves h on l, in HTTP/1.1 and in HTTP/2 without TLS, until ctx ends, and
// then finishes the requests under way.
func HTTP(ctx context.Context, l net.Listener, h http.Handler) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: grace, Protocols: new(http.Protocols)}
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetUnencryptedHTTP2(true)
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve on %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := srv.Shutdown(last); err != nil {
		return fmt.Errorf("stop: %w", errors.Join(err, srv.Close()))
	}
	return nil
}

// ReadJSON reads the body of r into v, at most a mebibyte. When it cannot, it
// answers with status 400 and returns false.
func ReadJSON(w http.ResponseWriter, r *http.Request, v any) bool {
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(v); err != nil {
		Fail(w, http.StatusBadRequest, fmt.Errorf("the request is not the JSON that is expected: %w", err))
		return false
	}
	return true
}

// Fail answers with an error, as JSON.
func Fail(w http.ResponseWriter, status int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": err.Error()}) // the client may be gone
}

// Reply answers with v as JSON.
func Reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}

// Client returns an HTTP client for many requests at a time to one server.
func Client() *http.Client {
	return &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: workers}}
}

// NewPost returns a request that posts v as JSON.
func NewPost(ctx context.Context, url string, v any) (*http.Request, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode the request: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	return r, nil
}

// Do sends r and reads the whole answer, which must be a success.
func Do(c *http.Client, r *http.Request) (a Answer, body []byte, err error) {
	resp, err := c.Do(r)
	if err != nil {
		return a, nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer resp.Body.Close()
	a.Version, a.PredictionID = resp.Header.Get("X-Haldane-Version"), resp.Header.Get("X-Haldane-Prediction-Id")
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxBody))
	switch {
	case err != nil:
		return a, body, fmt.Errorf("read the answer: %w", err)
	case resp.StatusCode >= 400:
		return a, body, fmt.Errorf("status %d: %.200s", resp.StatusCode, body)
	}
	return a, body, nil
}
