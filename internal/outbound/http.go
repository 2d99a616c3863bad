package outbound

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
)

// MaxRead is how much of an answer a client of HTTP reads, in bytes.
const MaxRead = 8 << 20

// ErrLarge means an answer that is larger than that.
var ErrLarge = fmt.Errorf("the answer is larger than %d MiB", MaxRead>>20)

// HTTP returns a client for libraries that make requests of their own, any
// method among them. It keeps what Post keeps: the addresses that are allowed,
// the slots of each host, which a request holds until its answer is closed, and
// redirects on the same host alone. Errors are as net/http makes them, with the
// whole address, unless it is not allowed: then they wrap ErrRefused.
func (c *Client) HTTP() *http.Client {
	return &http.Client{Transport: carrier{c}, CheckRedirect: c.stay}
}

// carrier carries the requests of others.
type carrier struct{ c *Client }

// RoundTrip implements http.RoundTripper.
func (t carrier) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := t.c.allow(r.URL.String()); err != nil {
		closed(r)
		return nil, fmt.Errorf("%w: %s %w", ErrRefused, r.URL.Host, err)
	}
	back, err := t.c.slots.take(r.Context(), r.URL.Host)
	if err != nil {
		closed(r)
		return nil, fmt.Errorf("it is busy with other requests: %w", err)
	}
	resp, err := t.c.http.Transport.RoundTrip(r)
	if err != nil {
		back()
		return nil, err
	}
	resp.Body = &bounded{ReadCloser: resp.Body, left: MaxRead, back: sync.OnceFunc(back)}
	return resp, nil
}

// closed does for a request that is not sent what a RoundTripper must.
func closed(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}

// bounded is an answer that is read up to a bound and gives its slot back.
type bounded struct {
	io.ReadCloser
	left int64
	back func()
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 && (err == nil || errors.Is(err, io.EOF)) {
		return n, ErrLarge
	}
	return n, err
}

// Close implements io.Closer.
func (b *bounded) Close() error {
	defer b.back()
	return b.ReadCloser.Close()
}
