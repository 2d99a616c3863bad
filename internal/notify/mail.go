package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"

	"github.com/wneessen/go-mail"

	"github.com/haldane-dev/haldane/internal/outbox"
)

// Encryption is how a mail server is talked to.
type Encryption string

// The encryptions.
const (
	StartTLS Encryption = "StartTLS" // required, after a greeting in the open
	TLS      Encryption = "TLS"      // from the first byte
	None     Encryption = "None"
)

// Mail is a mail to all of To at once.
type Mail struct {
	Host       string
	Port       int
	Encryption Encryption
	From       string
	To         []string
	Username   string
	Password   Secret // nil: nobody logs in
}

func (w Mail) send(ctx context.Context, c *Config, n note) error {
	at := net.JoinHostPort(w.Host, strconv.Itoa(w.Port))
	if c.Allow != nil {
		if err := c.Allow("smtp://" + at); err != nil {
			return fmt.Errorf("%s %w", at, err)
		}
	}
	m, err := w.message(c, n)
	if err != nil {
		return outbox.Refused(err)
	}
	options, err := w.options(ctx)
	if err != nil {
		return err
	}
	var line net.Conn
	defer func() {
		if line != nil {
			_ = line.Close() // the client leaves it open when the greeting fails
		}
	}()
	options = append(options, mail.WithDialContextFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
		var err error
		line, err = w.dial(ctx, network, address)
		return line, err
	}))
	client, err := mail.NewClient(w.Host, options...)
	if err != nil {
		return fmt.Errorf("set up mail to %s: %w", at, err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, attemptWithin, fmt.Errorf("%s has not taken the mail within %s", at, attemptWithin))
	defer cancel()
	err = client.DialAndSendWithContext(ctx, m)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("mail by %s: %w", at, err)
	}
	return nil
}

// options are how the server is talked to.
func (w Mail) options(ctx context.Context) ([]mail.Option, error) {
	options := []mail.Option{mail.WithPort(w.Port), mail.WithTimeout(attemptWithin), mail.WithHELO("haldane.invalid"), mail.WithoutNoop()}
	switch w.Encryption {
	case TLS:
		options = append(options, mail.WithSSL())
	case None:
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	default:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	if w.Password != nil {
		password, err := read(ctx, "password", w.Password)
		if err != nil {
			return nil, err
		}
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(w.Username), mail.WithPassword(string(password)))
	}
	return options, nil
}

// dial opens the connection that a mail goes through.
func (w Mail) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if w.Encryption == TLS {
		d := tls.Dialer{Config: &tls.Config{ServerName: w.Host, MinVersion: tls.VersionTLS12}}
		return d.DialContext(ctx, network, address)
	}
	var d net.Dialer
	return d.DialContext(ctx, network, address)
}

// message is the mail. Its ID is that of the event, so that one sent twice can
// be told.
func (w Mail) message(c *Config, n note) (*mail.Msg, error) {
	m := mail.NewMsg()
	if err := errors.Join(m.From(w.From), m.To(w.To...)); err != nil {
		return nil, fmt.Errorf("address the mail: %w", err)
	}
	m.Subject(clip(strings.Join(strings.Fields(fmt.Sprintf("%s: %s", c.Name, n.event.Message)), " "), 150))
	m.SetMessageIDWithValue(fmt.Sprintf("%s.%s@haldane.invalid", notID.ReplaceAllString(n.event.ID, "-"), c.Name))
	m.SetDateWithValue(n.event.At)
	m.SetBodyString(mail.TypeTextPlain, n.text+"\n")
	return m, nil
}

var notID = regexp.MustCompile(`[^0-9A-Za-z.-]`)

// slackText keeps text from being read as a mention or a link.
var slackText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// clip is s in at most n bytes.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n-len("…")], "") + "…"
}
