package notify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/haldane-dev/haldane/internal/outbound"
	"github.com/haldane-dev/haldane/internal/outbox"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// maxText is how long a message may be, in bytes.
const maxText = 2000

// Secret reads a secret when it is needed.
type Secret func(context.Context) ([]byte, error)

// Notification is somebody who is told.
type Notification struct {
	Name     string // unique and lasting
	When     []rollout.EventKind
	Template *template.Template // of Facts; nil is the usual text
	Via      Way
}

// Way is how a message goes out: a Chat, a PagerDuty, a Mail or a Webhook.
type Way interface {
	send(context.Context, *Config, note) error
}

// Config is what the notifications of one rollout share.
type Config struct {
	Name      string // of the rollout
	Namespace string // "" outside a cluster
	Link      string // to the dashboard, "" if there is none
	Client    *outbound.Client
	// Allow refuses mail servers, as smtp://HOST:PORT; nil allows all.
	Allow func(address string) error
}

// Facts are what a template may say.
type Facts struct {
	Rollout   string
	Namespace string
	Kind      string // of the event: RolledBack
	Message   string // what happened, one sentence
	Revision  string // the candidate
	Stable    string
	Attempt   int
	Step      int // from 1
	Steps     int
	Weight    string // wanted by now
	Phase     string // by now
	By        string // who asked for it, "" if nobody
	At        string // RFC 3339
	Link      string
}

// note is one message.
type note struct {
	facts Facts
	text  string
	event rollout.Event
}

const usual = `{{with .Namespace}}{{.}}/{{end}}{{.Rollout}}: {{.Kind}}. {{.Message}}{{with .Link}}
{{.}}{{end}}`

var usualText = template.Must(template.New("message").Parse(usual))

// Channels returns a channel of an outbox for each notification. The error
// names one whose template asks for what there is not.
func (c *Config) Channels(all []Notification) ([]outbox.Channel, error) {
	var out []outbox.Channel
	for _, n := range all {
		if n.Template == nil {
			n.Template = usualText
		}
		if _, err := write(n.Template, Facts{}); err != nil {
			return nil, fmt.Errorf("the template of notification %s: %w", n.Name, err)
		}
		out = append(out, outbox.Channel{
			Name:  "notification/" + n.Name,
			Wants: func(e rollout.Event) bool { return slices.Contains(n.When, e.Kind) },
			Send: func(ctx context.Context, m outbox.Message) error {
				x := note{facts: c.facts(m), event: m.Event}
				var err error
				if x.text, err = write(n.Template, x.facts); err != nil {
					x.text, _ = write(usualText, x.facts) // better than nothing
				}
				return n.Via.send(ctx, c, x)
			},
		})
	}
	return out, nil
}

func (c *Config) facts(m outbox.Message) Facts {
	e, s := m.Event, m.State
	return Facts{
		Rollout: c.Name, Namespace: c.Namespace, Link: c.Link,
		Kind: string(e.Kind), Message: e.Message, Revision: e.Revision, Attempt: e.Attempt, Step: e.Step + 1, By: e.By,
		At: e.At.UTC().Format(time.RFC3339), Stable: s.Plan.Stable.String(), Steps: len(s.Plan.Steps),
		Weight: s.Weight().String(), Phase: string(s.Phase),
	}
}

var errLong = errors.New("the text is too long")

// bounded takes so many bytes and then no more.
type bounded struct {
	strings.Builder
}

func (b *bounded) Write(p []byte) (int, error) {
	room := maxText - b.Len()
	if len(p) > room {
		b.Builder.Write(p[:room])
		return room, errLong
	}
	return b.Builder.Write(p)
}

var _ io.Writer = (*bounded)(nil)

// write fills the template in; what is too long is cut.
func write(t *template.Template, f Facts) (string, error) {
	var b bounded
	err := t.Execute(&b, f)
	text := strings.ToValidUTF8(b.String(), "")
	switch {
	case errors.Is(err, errLong):
		return text + "…", nil
	case err != nil:
		return "", fmt.Errorf("fill in the message: %s", strings.TrimPrefix(err.Error(), "template: "))
	}
	return text, nil
}

// grave reports whether an event is bad news.
func grave(k rollout.EventKind) bool {
	switch k {
	case rollout.EventInvalid, rollout.EventHeld, rollout.EventWarned, rollout.EventDeadline, rollout.EventRollback, rollout.EventRolledBack:
		return true
	}
	return false
}
