package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/haldane-dev/haldane/internal/outbound"
)

// MaxAnswer is how much of an answer is read, in bytes. A longer one fails.
const MaxAnswer = 1 << 20

// Request is one over HTTP.
type Request struct {
	Method string
	Path   string // with its query
	Header map[string]string
	Body   []byte
}

// Answer is what came back.
type Answer struct {
	Status  int
	Header  http.Header
	Body    []byte
	Latency time.Duration // from the first packet sent to the last byte read, the connection's set-up included
}

// Expect looks at an answer: nil, or one sentence that says what is wrong.
type Expect func(Answer) error

// HTTP returns a probe that sends r as the check of a name, and wants the answer
// to meet all expectations; the first that it does not meet is told. Redirects
// are answers like others. transport is nil for one of its own, which keeps no
// connection: it would lead to one pod for ever.
func HTTP(name string, r Request, transport http.RoundTripper, all ...Expect) Probe {
	if transport == nil {
		transport = direct
	}
	c := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return func(ctx context.Context, address string) error {
		a, err := r.send(ctx, c, name, address)
		if err != nil {
			return err
		}
		for _, expect := range all {
			if err := expect(a); err != nil {
				return fmt.Errorf("%w: it answered %s", err, a.said())
			}
		}
		return nil
	}
}

var direct = &http.Transport{DisableKeepAlives: true, Proxy: nil, MaxResponseHeaderBytes: 64 << 10}

func (r Request) send(ctx context.Context, c *http.Client, name, address string) (Answer, error) {
	at := strings.TrimSuffix(address, "/") + r.Path
	req, err := http.NewRequestWithContext(ctx, r.Method, at, bytes.NewReader(r.Body))
	if err != nil {
		return Answer{}, Unsent(bare(err))
	}
	for k, v := range r.Header {
		if strings.EqualFold(k, "Host") {
			req.Host = v
			continue
		}
		req.Header.Set(k, v)
	}
	if len(r.Body) > 0 && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "haldane-check")
	}
	req.Header.Set(Header, name)
	begun := time.Now()
	resp, err := c.Do(req)
	if err != nil {
		return Answer{}, silent(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxAnswer+1))
	if err != nil {
		return Answer{}, silent(err)
	}
	if len(body) > MaxAnswer {
		return Answer{}, fmt.Errorf("answers more than %d bytes, which are not read", MaxAnswer)
	}
	return Answer{Status: resp.StatusCode, Header: resp.Header, Body: body, Latency: time.Since(begun)}, nil
}

// silent says in a few words why there was no answer.
func silent(err error) error {
	var timeout net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return errors.New("does not answer in time")
	case errors.Is(err, syscall.ECONNREFUSED):
		return errors.New("accepts no connection")
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return errors.New("hangs up without an answer")
	}
	return fmt.Errorf("does not answer: %w", bare(err))
}

// bare is err without the address that net/http puts into it.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// said is a short form of an answer for people.
func (a Answer) said() string {
	out := strings.TrimSpace(fmt.Sprintf("%d %s", a.Status, http.StatusText(a.Status))) + " in " + a.Latency.Round(100*time.Microsecond).String()
	if text := outbound.Gist(a.Body, 160); text != "" {
		out += ": " + text
	}
	return out
}
