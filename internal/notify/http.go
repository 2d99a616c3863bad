package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/haldane-dev/haldane/internal/outbound"
	"github.com/haldane-dev/haldane/internal/outbox"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// attemptWithin bounds one request; the outbox tries again.
const attemptWithin = 15 * time.Second

// EventIDHeader names the event that a webhook is told of, the same when it is
// told again.
const EventIDHeader = "Haldane-Event-Id"

// Form is what a chat's webhook reads.
type Form string

// The forms.
const (
	Slack      Form = "slack"
	Teams      Form = "teams"
	Discord    Form = "discord"
	GoogleChat Form = "googleChat"
)

// Chat is a webhook of a chat.
type Chat struct {
	Form Form
	URL  Secret
}

func (w Chat) send(ctx context.Context, c *Config, n note) error {
	return c.post(ctx, w.URL, nil, nil, w.body(n))
}

// body is the message as the chat reads it. Text is sent as text: names that
// would call everybody in a channel are not written as such.
func (w Chat) body(n note) any {
	switch w.Form {
	case Teams:
		return map[string]any{"type": "message", "attachments": []any{map[string]any{
			"contentType": "application/vnd.microsoft.card.adaptive",
			"content": map[string]any{
				"type": "AdaptiveCard", "version": "1.4", "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
				"body": []any{map[string]any{"type": "TextBlock", "text": n.text, "wrap": true}},
			},
		}}}
	case Discord:
		return map[string]any{"content": n.text, "username": "Haldane", "allowed_mentions": map[string]any{"parse": []string{}}}
	case Slack:
		return map[string]any{"text": slackText.Replace(n.text)}
	}
	return map[string]any{"text": n.text}
}

// PagerDuty opens an incident for bad news of an attempt, and closes it when the
// attempt is promoted, ends with its report, or goes on.
type PagerDuty struct {
	URL      string // "" is the service's usual one
	Key      Secret
	Severity string // of bad news
}

// pagerDutyURL takes Events API v2.
const pagerDutyURL = "https://events.pagerduty.com/v2/enqueue"

func (w PagerDuty) send(ctx context.Context, c *Config, n note) error {
	key, err := read(ctx, "key", w.Key)
	if err != nil {
		return err
	}
	action, severity := "trigger", w.Severity
	switch {
	case n.event.Kind == rollout.EventPromoted || n.event.Kind == rollout.EventCompleted || n.event.Kind == rollout.EventResumed:
		action = "resolve"
	case !grave(n.event.Kind):
		severity = "info"
	}
	url := w.URL
	if url == "" {
		url = pagerDutyURL
	}
	where := c.Name
	if c.Namespace != "" {
		where = c.Namespace + "/" + c.Name
	}
	body := map[string]any{
		"routing_key": string(key), "event_action": action, "client": "Haldane",
		"dedup_key": fmt.Sprintf("haldane/%s/%s/%d", where, n.event.Revision, n.event.Attempt),
		"payload": map[string]any{
			"summary": clip(n.text, 1000), "source": where, "severity": severity,
			"timestamp": n.facts.At, "custom_details": n.facts,
		},
	}
	return c.post(ctx, plainly(url), nil, nil, body)
}

// Webhook is any receiver of JSON.
type Webhook struct {
	URL    Secret
	Header map[string]string
	Sign   Secret // nil leaves requests unsigned
}

func (w Webhook) send(ctx context.Context, c *Config, n note) error {
	h := http.Header{}
	for k, v := range w.Header {
		h.Set(k, v)
	}
	h.Set(EventIDHeader, n.event.ID)
	return c.post(ctx, w.URL, h, w.Sign, map[string]any{
		"rollout": c.Name, "namespace": c.Namespace, "text": n.text, "event": n.event,
		"stable": n.facts.Stable, "phase": n.facts.Phase, "weight": n.facts.Weight, "steps": n.facts.Steps, "link": c.Link,
	})
}

// post sends one request.
func (c *Config) post(ctx context.Context, to Secret, h http.Header, sign Secret, body any) error {
	url, err := read(ctx, "address", to)
	if err != nil {
		return err
	}
	r := outbound.Request{URL: string(url), Header: h}
	if r.Body, err = json.Marshal(body); err != nil {
		return outbox.Refused(fmt.Errorf("write the message: %w", err))
	}
	if sign != nil {
		if r.Secret, err = read(ctx, "secret", sign); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, attemptWithin, fmt.Errorf("no answer within %s", attemptWithin))
	defer cancel()
	a, err := c.Client.Post(ctx, r)
	switch {
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return err
	case a.OK():
		return nil
	}
	err = fmt.Errorf("it says %d %s", a.Status, http.StatusText(a.Status))
	if a.Rejects() {
		return outbox.Refused(err)
	}
	return err
}

func read(ctx context.Context, what string, s Secret) ([]byte, error) {
	v, err := s(ctx)
	if err != nil {
		return nil, fmt.Errorf("find its %s: %w", what, err)
	}
	return v, nil
}

// plainly is an address that is no secret.
func plainly(url string) Secret {
	return func(context.Context) ([]byte, error) { return []byte(url), nil }
}
