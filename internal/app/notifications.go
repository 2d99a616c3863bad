package app

import (
	"context"
	"text/template"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/notify"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// notifications are those of a valid file. Without secrets nothing can be sent.
func notifications(m *v1alpha1.ModelRollout, of secrets) []notify.Notification {
	var out []notify.Notification
	for _, n := range m.Spec.Notifications {
		one := notify.Notification{Name: n.Name, Template: messageTemplate(n.Template), Via: way(n, of)}
		for _, k := range n.When {
			one.When = append(one.When, rollout.EventKind(k))
		}
		out = append(out, one)
	}
	return out
}

// messageTemplate is nil for the usual text; the file was refused if it cannot
// be read.
func messageTemplate(text string) *template.Template {
	if text == "" {
		return nil
	}
	t, err := v1alpha1.MessageTemplate(text)
	if err != nil {
		return nil
	}
	return t
}

// way is how a notification goes out.
func way(n v1alpha1.Notification, of secrets) notify.Way {
	from := func(s v1alpha1.SecretFrom) notify.Secret {
		return func(ctx context.Context) ([]byte, error) { return of(ctx, s) }
	}
	maybe := func(s *v1alpha1.SecretFrom) notify.Secret {
		if s == nil {
			return nil
		}
		return from(*s)
	}
	switch {
	case n.Slack != nil:
		return notify.Chat{Form: notify.Slack, URL: from(n.Slack.URLFrom)}
	case n.Teams != nil:
		return notify.Chat{Form: notify.Teams, URL: from(n.Teams.URLFrom)}
	case n.Discord != nil:
		return notify.Chat{Form: notify.Discord, URL: from(n.Discord.URLFrom)}
	case n.GoogleChat != nil:
		return notify.Chat{Form: notify.GoogleChat, URL: from(n.GoogleChat.URLFrom)}
	case n.PagerDuty != nil:
		return notify.PagerDuty{Key: from(n.PagerDuty.KeyFrom), Severity: n.PagerDuty.Severity, URL: n.PagerDuty.URL}
	case n.Email != nil:
		e := n.Email
		return notify.Mail{
			Host: e.Host, Port: int(e.Port), Encryption: notify.Encryption(e.Encryption), From: e.From, To: e.To,
			Username: e.Username, Password: maybe(e.PasswordFrom),
		}
	}
	w := notify.Webhook{URL: maybe(n.Webhook.URLFrom), Header: texts(n.Webhook.Headers), Sign: maybe(n.Webhook.SecretFrom)}
	if w.URL == nil {
		w.URL = func(context.Context) ([]byte, error) { return []byte(n.Webhook.URL), nil }
	}
	return w
}
