package outbound

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// MaxAnswer is how much of an answer is read, in bytes.
const MaxAnswer = 64 << 10

// DefaultPerHost is how many requests one host gets at the same time.
const DefaultPerHost = 8

// Options are those of New; the zero value is useful.
type Options struct {
	// Allow refuses addresses that the operator does not want called; nil allows all.
	Allow func(address string) error
	// PerHost bounds the requests to one host at the same time; 0 is DefaultPerHost.
	PerHost int
	// Transport is nil for one of its own.
	Transport http.RoundTripper
	// Now is nil for the machine's clock; signatures carry it.
	Now func() time.Time
}

// Client sends requests.
type Client struct {
	http  *http.Client
	allow func(string) error
	now   func() time.Time
	slots slots
}

// New returns a client.
func New(o Options) *Client {
	if o.Allow == nil {
		o.Allow = func(string) error { return nil }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxResponseHeaderBytes = 64 << 10
		t.MaxIdleConnsPerHost = 2
		o.Transport = t
	}
	c := &Client{allow: o.Allow, now: o.Now, slots: slots{most: cmp.Or(o.PerHost, DefaultPerHost)}}
	c.http = &http.Client{Transport: o.Transport, CheckRedirect: c.stay}
	return c
}

// Request is one POST.
type Request struct {
	URL    string
	Header http.Header
	Body   []byte
	// Secret signs the request, see Sign; nil leaves it unsigned.
	Secret []byte
}

// Answer is what came back.
type Answer struct {
	Status int
	Body   []byte // its first MaxAnswer bytes
	// After is how long the server asks to be left alone (Retry-After), 0 if it
	// does not say.
	After time.Duration
}

// OK reports whether the answer is a yes: 200 to 299.
func (a Answer) OK() bool { return a.Status >= 200 && a.Status < 300 }

// Unavailable reports whether it says nothing about what was asked: somebody in
// between answered, or the server has no time. Asking again may help.
func (a Answer) Unavailable() bool {
	switch a.Status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// Rejects reports whether it says that this very body will never be taken.
func (a Answer) Rejects() bool {
	switch a.Status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return true
	}
	return false
}

// ErrRefused means that the request was not sent and never will be as it is.
var ErrRefused = errors.New("not sent")

// Post sends r and returns the answer, whatever its status. The error is
// ErrRefused for an address that is none or not allowed, the context's when that
// ended first, and otherwise says why there was no answer. It never contains
// more of the address than the host.
func (c *Client) Post(ctx context.Context, r Request) (Answer, error) {
	u, err := url.Parse(r.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return Answer{}, fmt.Errorf("%w: what is configured is no address of a server: write it like https://hooks.example.com/path", ErrRefused)
	}
	if err := c.allow(r.URL); err != nil {
		return Answer{}, fmt.Errorf("%w: %s %w", ErrRefused, u.Host, err)
	}
	back, err := c.slots.take(ctx, u.Host)
	if err != nil {
		return Answer{}, fmt.Errorf("ask %s: it is busy with other requests: %w", u.Host, err)
	}
	defer back()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return Answer{}, fmt.Errorf("%w: %s: %w", ErrRefused, u.Host, bare(err))
	}
	if u.User != nil {
		pass, _ := u.User.Password()
		req.SetBasicAuth(u.User.Username(), pass)
	}
	for k, vs := range r.Header {
		req.Header[http.CanonicalHeaderKey(k)] = vs
	}
	if req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("User-Agent", "haldane")
	if r.Secret != nil {
		Sign(req.Header, r.Secret, c.now(), r.Body)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return Answer{}, fmt.Errorf("ask %s: %w", u.Host, bare(err))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxAnswer))
	if err != nil {
		return Answer{}, fmt.Errorf("read the answer of %s: %w", u.Host, bare(err))
	}
	return Answer{Status: resp.StatusCode, Body: body, After: after(resp.Header)}, nil
}

// stay follows a redirect on the same host that keeps method and body.
func (c *Client) stay(req *http.Request, via []*http.Request) error {
	first := via[0]
	switch {
	case len(via) > 3:
		return errors.New("it redirects again and again")
	case req.URL.Host != first.URL.Host || first.URL.Scheme == "https" && req.URL.Scheme != "https":
		return errors.New("it redirects to another host, where nothing is sent: write that address if it is right")
	case req.Method != first.Method:
		return errors.New("it redirects to a page (a login, mostly): that is no answer")
	}
	return c.allow(req.URL.String())
}

// bare is err without the address that net/http puts into it.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
