package prometheus

import (
	"context"
	"net/http"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
)

// Client asks one Prometheus server what a user has written. Its errors are
// those of a Source, and so are the bounds of its answers.
type Client struct{ server *server }

// NewClient makes a client of an address, and asks nobody anything. transport nil
// is the default one; token, if there is one, is asked for a bearer token with
// every question.
func NewClient(address string, transport http.RoundTripper, token func(context.Context) (string, error)) (*Client, error) {
	s, err := connect(address, transport, token)
	if err != nil {
		return nil, err
	}
	return &Client{s}, nil
}

// Instant returns what a query yields at a time.
func (c *Client) Instant(ctx context.Context, query string, at time.Time) (model.Value, error) {
	return c.server.ask(ctx, query, at)
}

// Range returns what a query yields at each step of a range of time.
func (c *Client) Range(ctx context.Context, query string, r v1.Range) (model.Value, error) {
	v, _, _, err := c.server.api.QueryRange(ctx, query, r)
	return v, c.server.explained(query, err)
}
