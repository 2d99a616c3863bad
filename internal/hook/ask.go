package hook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/haldane-dev/haldane/internal/outbound"
)

// reply is what became of a question.
type reply struct {
	yes     bool
	known   bool   // there was an answer at all
	message string // one sentence for a person, "" for a plain yes
}

// ask puts a question, with all its retries.
func (c *Config) ask(ctx context.Context, h Hook, body []byte) reply {
	a, err := c.post(ctx, h, body)
	switch {
	case err != nil:
		return reply{message: "cannot be asked: " + err.Error()}
	case a.OK():
		return reply{yes: true, known: true}
	}
	return reply{known: true, message: said(a)}
}

// post sends body until there is an answer, or the retries are used up.
func (c *Config) post(ctx context.Context, h Hook, body []byte) (outbound.Answer, error) {
	r := outbound.Request{URL: h.URL, Body: body, Header: http.Header{}}
	for k, v := range h.Header {
		r.Header.Set(k, v)
	}
	if h.Secret != nil {
		secret, err := h.Secret(ctx)
		if err != nil {
			return outbound.Answer{}, fmt.Errorf("read the secret that it is signed with: %w", err)
		}
		r.Secret = secret
	}
	pause := backoff.NewExponentialBackOff()
	pause.Multiplier, pause.MaxInterval = 2, 30*time.Second
	return backoff.Retry(ctx, func() (outbound.Answer, error) {
		ctx, cancel := context.WithTimeoutCause(ctx, h.Timeout, fmt.Errorf("no answer within %s", h.Timeout))
		defer cancel()
		a, err := c.Client.Post(ctx, r)
		switch {
		case errors.Is(err, outbound.ErrRefused):
			return a, backoff.Permanent(err)
		case err != nil && ctx.Err() != nil:
			return a, context.Cause(ctx)
		case err != nil:
			return a, err
		case a.Unavailable() && a.After > 0 && a.After <= pause.MaxInterval:
			return a, fmt.Errorf("it says %s: %w", said(a), backoff.RetryAfter(int(a.After/time.Second)))
		case a.Unavailable():
			return a, errors.New("it says " + said(a))
		}
		return a, nil
	}, backoff.WithBackOff(pause), backoff.WithMaxTries(uint(h.Retries)+1))
}

// said is a short form of an answer for people: its status and first line.
func said(a outbound.Answer) string {
	out := fmt.Sprintf("%d %s", a.Status, http.StatusText(a.Status))
	if text := outbound.Gist(a.Body, 200); text != "" {
		out += ": " + text
	}
	return out
}
