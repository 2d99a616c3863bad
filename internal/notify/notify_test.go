package notify

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/outbound"
	"github.com/haldane-dev/haldane/internal/outbox"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// inbox is a server that keeps what it was sent.
type inbox struct {
	mu     sync.Mutex
	status int
	header http.Header
	bodies []map[string]any
}

func (b *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	text, _ := io.ReadAll(r.Body)
	var body map[string]any
	_ = json.Unmarshal(text, &body)
	b.bodies, b.header = append(b.bodies, body), r.Header
	if b.status != 0 {
		http.Error(w, "s3cret is no such room", b.status)
	}
}

func open(t *testing.T) (*inbox, string) {
	t.Helper()
	b := &inbox{}
	s := httptest.NewServer(b)
	t.Cleanup(s.Close)
	return b, s.URL
}

func known(v string) Secret {
	return func(context.Context) ([]byte, error) { return []byte(v), nil }
}

func config() *Config {
	return &Config{Name: "churn", Namespace: "shop", Link: "http://dashboard", Client: outbound.New(outbound.Options{})}
}

func event(k rollout.EventKind, message string) outbox.Message {
	s := rollout.State{Phase: rollout.Progressing, Attempt: 2, Plan: rollout.Plan{
		Stable: rollout.Revision{Version: "v1", Hash: "a"}, Canary: rollout.Revision{Version: "v2", Hash: "b"}, Steps: make([]rollout.Step, 4),
	}}
	s.Want.Split.Canary = traffic.Percent(25)
	return outbox.Message{State: s, Event: rollout.Event{
		ID: "20260301T120000.000000000Z-000007", Number: 7, At: time.Unix(1772366400, 0), Kind: k, Revision: "v2", Attempt: 2, Step: 1, Message: message,
	}}
}

func send(t *testing.T, w Way, m outbox.Message) error {
	t.Helper()
	cs, err := config().Channels([]Notification{{Name: "a", When: []rollout.EventKind{m.Event.Kind}, Via: w}})
	if err != nil {
		t.Fatal(err)
	}
	if cs[0].Name != "notification/a" || !cs[0].Wants(m.Event) || cs[0].Wants(rollout.Event{Kind: rollout.EventReady}) {
		t.Fatalf("channel %+v", cs[0])
	}
	return cs[0].Send(t.Context(), m)
}

const said = "shop/churn: RolledBack. v2 was <taken> back & more\nhttp://dashboard"

// TestBodies are those that each service's own documentation asks for.
func TestBodies(t *testing.T) {
	bad := event(rollout.EventRolledBack, "v2 was <taken> back & more")
	for name, c := range map[string]struct {
		way  func(url string) Way
		want map[string]any
	}{
		"slack": {
			func(u string) Way { return Chat{Slack, known(u + "/services/T/B/s3cret")} },
			map[string]any{"text": "shop/churn: RolledBack. v2 was &lt;taken&gt; back &amp; more\nhttp://dashboard"},
		},
		"discord": {
			func(u string) Way { return Chat{Discord, known(u + "/api/webhooks/1/s3cret")} },
			map[string]any{"content": said, "username": "Haldane", "allowed_mentions": map[string]any{"parse": []any{}}},
		},
		"google": {
			func(u string) Way { return Chat{GoogleChat, known(u + "/v1/spaces/A/messages?key=k&token=s3cret")} },
			map[string]any{"text": said},
		},
		"teams": {
			func(u string) Way { return Chat{Teams, known(u + "/workflows/s3cret")} },
			map[string]any{"type": "message", "attachments": []any{map[string]any{
				"contentType": "application/vnd.microsoft.card.adaptive",
				"content": map[string]any{
					"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4",
					"body": []any{map[string]any{"type": "TextBlock", "text": said, "wrap": true}},
				},
			}}},
		},
		"webhook": {
			func(u string) Way {
				return Webhook{URL: known(u), Header: map[string]string{"X-Team": "ml"}, Sign: known("key")}
			},
			map[string]any{
				"rollout": "churn", "namespace": "shop", "text": said, "stable": "v1", "phase": "Progressing", "weight": "25%", "steps": 4.0, "link": "http://dashboard",
				"event": map[string]any{"id": bad.Event.ID, "number": 7.0, "at": bad.Event.At.Format(time.RFC3339Nano), "kind": "RolledBack", "revision": "v2",
					"attempt": 2.0, "step": 1.0, "message": "v2 was <taken> back & more"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b, url := open(t)
			if err := send(t, c.way(url), bad); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, b.bodies[0]); d != "" {
				t.Errorf("body (-want +got):\n%s", d)
			}
			if name == "webhook" && (b.header.Get("X-Team") != "ml" || b.header.Get(EventIDHeader) != bad.Event.ID || b.header.Get(outbound.SignatureHeader) == "") {
				t.Errorf("header %v", b.header)
			}
		})
	}
}

func TestIncidents(t *testing.T) {
	b, url := open(t)
	p := PagerDuty{URL: url, Key: known("k3y"), Severity: "critical"}
	for _, c := range []struct {
		kind             rollout.EventKind
		action, severity string
	}{
		{rollout.EventDeadline, "trigger", "critical"}, {rollout.EventStep, "trigger", "info"},
		{rollout.EventRolledBack, "trigger", "critical"}, {rollout.EventPromoted, "resolve", "info"}, {rollout.EventCompleted, "resolve", "info"}, {rollout.EventResumed, "resolve", "info"},
	} {
		if err := send(t, p, event(c.kind, "it happened")); err != nil {
			t.Fatal(err)
		}
		got := b.bodies[len(b.bodies)-1]
		payload := got["payload"].(map[string]any)
		if got["event_action"] != c.action || got["routing_key"] != "k3y" || got["dedup_key"] != "haldane/shop/churn/v2/2" ||
			c.action == "trigger" && payload["severity"] != c.severity || payload["source"] != "shop/churn" || payload["summary"] == "" {
			t.Errorf("%s: %v", c.kind, got)
		}
	}
}

// TestErrorsKeepSecrets: and say whether it is worth trying again.
func TestErrorsKeepSecrets(t *testing.T) {
	b, url := open(t)
	for status, again := range map[int]bool{404: true, 403: true, 429: true, 500: true, 400: false, 413: false} {
		b.status = status
		err := send(t, Chat{Slack, known(url + "/s3cret")}, event(rollout.EventPromoted, "x"))
		if err == nil || strings.Contains(err.Error(), "s3cret") || outbox.IsRefused(err) == again {
			t.Errorf("%d: %v, want it tried again: %v", status, err, again)
		}
	}
	for _, w := range []Way{
		Chat{Slack, known("http://127.0.0.1:1/s3cret")}, Chat{Slack, known("s3cret")}, Webhook{URL: known("ftp://a/s3cret")},
		Mail{Host: "127.0.0.1", Port: 1, Encryption: None, From: "a@b", To: []string{"c@d"}, Username: "u", Password: known("s3cret")},
	} {
		if err := send(t, w, event(rollout.EventPromoted, "x")); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%T: %v", w, err)
		}
	}
	lost := func(context.Context) ([]byte, error) { return nil, errors.New("SLACK is empty or not there") }
	if err := send(t, Chat{Slack, lost}, event(rollout.EventPromoted, "x")); err == nil || !strings.Contains(err.Error(), "SLACK is empty") || outbox.IsRefused(err) {
		t.Errorf("a secret that is not there: %v", err)
	}
}

func TestTemplates(t *testing.T) {
	b, url := open(t)
	tell := func(text string, m outbox.Message) (string, error) {
		tm, err := v1alpha1.MessageTemplate(text)
		if err != nil {
			return "", err
		}
		cs, err := config().Channels([]Notification{{Name: "a", Template: tm, Via: Chat{GoogleChat, known(url)}}})
		if err != nil {
			return "", err
		}
		if err := cs[0].Send(t.Context(), m); err != nil {
			return "", err
		}
		return b.bodies[len(b.bodies)-1]["text"].(string), nil
	}
	m := event(rollout.EventStep, "on")
	const all = "{{.Rollout}} {{.Namespace}} {{.Kind}} {{.Message}} {{.Revision}} {{.Stable}} {{.Attempt}} {{.Step}}/{{.Steps}} {{.Weight}} {{.Phase}} {{.At}} {{.Link}}{{with .By}} by {{.}}{{end}}"
	if got, err := tell(all, m); err != nil || got != "churn shop Step on v2 v1 2 2/4 25% Progressing 2026-03-01T12:00:00Z http://dashboard" {
		t.Errorf("%q, %v", got, err)
	}
	// What the file's reader cannot see shows when the channel is made, or is
	// told as usual.
	if _, err := tell("{{.Nothing}}", m); err == nil || !strings.Contains(err.Error(), "notification a") {
		t.Errorf("error %v", err)
	}
	if got, err := tell("{{if .Message}}{{.Nothing}}{{end}}", m); err != nil || !strings.Contains(got, "shop/churn: Step. on") {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := tell(strings.Repeat("long ", 1000), m); err != nil || len(got) > maxText+3 || !strings.HasSuffix(got, "…") {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	for _, bad := range []string{"{{range 1000000000}}{{end}}", `{{define "a"}}{{template "a"}}{{end}}{{template "a"}}`, "{{if true}}{{range .}}{{end}}{{end}}", "{{.Message"} {
		if _, err := tell(bad, m); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
