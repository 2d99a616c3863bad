package prometheus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/haldane-dev/haldane/internal/metric"
)

// largestAnswer bounds what one question may bring, in bytes.
const largestAnswer = 64 << 20

// errLarge means an answer that is larger than that.
var errLarge = fmt.Errorf("the answer is larger than %d MiB: narrow the series by match, or scrape fewer buckets", largestAnswer>>20)

// server is one Prometheus.
type server struct {
	address string
	api     v1.API
}

// connect makes a server of an address. Nothing is asked before the first
// question. transport nil is the default one; token, if there is one, is asked for
// a bearer token with every question.
func connect(address string, transport http.RoundTripper, token func(context.Context) (string, error)) (*server, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("the address of Prometheus %q is none: write it like http://prometheus.monitoring:9090", address)
	}
	if transport == nil {
		transport = http.DefaultTransport
	}
	client := &http.Client{
		Transport: &carrier{next: transport, host: u.Host, token: token},
		// Somebody may have allowed this address and no other, and the token is
		// for it alone.
		CheckRedirect: func(r *http.Request, _ []*http.Request) error {
			return fmt.Errorf("it sends on to %s://%s%s: write that address", r.URL.Scheme, r.URL.Host, strings.TrimSuffix(r.URL.Path, "/api/v1/query"))
		},
	}
	c, err := api.NewClient(api.Config{Address: address, Client: client})
	if err != nil {
		return nil, fmt.Errorf("the address of Prometheus: %w", err)
	}
	return &server{address, v1.NewAPI(c)}, nil
}

// ranged asks for the samples that a selector finds over the time up to end.
func (s *server) ranged(ctx context.Context, selector string, end time.Time, over time.Duration) (model.Matrix, error) {
	query := selector + "[" + strconv.FormatInt(max(over.Milliseconds(), 1), 10) + "ms]"
	v, err := s.ask(ctx, query, end)
	if err != nil {
		return nil, err
	}
	m, ok := v.(model.Matrix)
	if !ok {
		return nil, fmt.Errorf("ask Prometheus for %s: got a %s, want samples: write a selector of a counter", query, v.Type())
	}
	return m, nil
}

// last asks for the newest sample, at most over old, of what a selector finds.
func (s *server) last(ctx context.Context, selector string, end time.Time, over time.Duration) (model.Vector, error) {
	query := "last_over_time(" + selector + "[" + strconv.FormatInt(over.Milliseconds(), 10) + "ms])"
	v, err := s.ask(ctx, query, end)
	if err != nil {
		return nil, err
	}
	x, ok := v.(model.Vector)
	if !ok {
		return nil, fmt.Errorf("ask Prometheus for %s: got a %s, want the newest samples", query, v.Type())
	}
	return x, nil
}

func (s *server) ask(ctx context.Context, query string, at time.Time) (model.Value, error) {
	v, _, _, err := s.api.Query(ctx, query, at)
	return v, s.explained(query, err)
}

// explained is an error as a sentence for people, nil for none.
func (s *server) explained(query string, err error) error {
	if err == nil {
		return nil
	}
	var answer *v1.Error
	var way *url.Error
	var secret *tokenError
	switch {
	case errors.As(err, &secret):
		return fmt.Errorf("%w: the token for Prometheus at %s: %w", metric.ErrUnavailable, s.address, secret.error)
	case errors.Is(err, errLarge):
		return fmt.Errorf("ask Prometheus for %s: %w", shortened(query), errLarge)
	case errors.As(err, &answer) && (answer.Type == v1.ErrBadData || answer.Type == v1.ErrExec):
		return fmt.Errorf("ask Prometheus for %s: it refuses the question: %s", shortened(query), answer.Msg)
	case errors.As(err, &answer) && answer.Type == v1.ErrClient:
		return fmt.Errorf("%w: Prometheus at %s turns the question away (%s): see its address and tokenFrom", metric.ErrUnavailable, s.address, answer.Msg)
	case errors.As(err, &answer):
		return fmt.Errorf("%w: Prometheus at %s answers %s to %s", metric.ErrUnavailable, s.address, answer.Msg, shortened(query))
	case errors.As(err, &way):
		err = way.Err // without the method and the path
	}
	return fmt.Errorf("%w: Prometheus at %s does not answer %s: %w", metric.ErrUnavailable, s.address, shortened(query), err)
}

// tokenError means that there is no token.
type tokenError struct{ error }

// shortened keeps a question readable: names of many pods make it long.
func shortened(query string) string {
	const longest = 300
	if len(query) <= longest {
		return query
	}
	return query[:longest/2] + " … " + query[len(query)-longest/2:]
}

// carrier carries questions: with the token, and answers up to a size.
type carrier struct {
	next  http.RoundTripper
	host  string
	token func(context.Context) (string, error)
}

// RoundTrip implements http.RoundTripper.
func (c *carrier) RoundTrip(r *http.Request) (*http.Response, error) {
	if c.token != nil && r.URL.Host == c.host {
		token, err := c.token(r.Context())
		if err != nil {
			return nil, &tokenError{err}
		}
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = &bounded{resp.Body, largestAnswer}
	return resp, nil
}

// bounded is a body that ends with an error when it is too large.
type bounded struct {
	io.ReadCloser
	left int64
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n, errLarge
	}
	return n, err
}
