package notify

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/haldane-dev/haldane/internal/rollout"
)

// post is a mail server on loopback that takes everything.
type post struct {
	mu    sync.Mutex
	lines []string
	wg    sync.WaitGroup
}

func (p *post) serve(t *testing.T) (host string, port int) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close(); p.wg.Wait() })
	p.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			p.wg.Go(func() { p.talk(c) })
		}
	})
	a := ln.Addr().(*net.TCPAddr)
	return a.IP.String(), a.Port
}

func (p *post) talk(c net.Conn) {
	defer c.Close()
	fmt.Fprint(c, "220 post\r\n")
	data := false
	for in := bufio.NewScanner(c); in.Scan(); {
		line := in.Text()
		p.mu.Lock()
		p.lines = append(p.lines, line)
		p.mu.Unlock()
		switch verb, _, _ := strings.Cut(line, " "); {
		case data && line == ".":
			data = false
			fmt.Fprint(c, "250 taken\r\n")
		case data:
		case verb == "EHLO":
			fmt.Fprint(c, "250-post\r\n250 AUTH PLAIN\r\n")
		case verb == "AUTH":
			fmt.Fprint(c, "235 welcome\r\n")
		case verb == "DATA":
			data = true
			fmt.Fprint(c, "354 go on\r\n")
		case verb == "QUIT":
			fmt.Fprint(c, "221 bye\r\n")
			return
		default:
			fmt.Fprint(c, "250 ok\r\n")
		}
	}
}

func TestMail(t *testing.T) {
	p := &post{}
	host, port := p.serve(t)
	m := Mail{Host: host, Port: port, Encryption: None, From: "haldane@shop.example", To: []string{"ann@shop.example", "bob@shop.example"}}
	if err := send(t, m, event(rollout.EventRolledBack, "v2 was taken back\nBcc: eve@evil.example")); err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	text := strings.Join(p.lines, "\n")
	p.mu.Unlock()
	for _, want := range []string{
		"MAIL FROM:<haldane@shop.example>", "RCPT TO:<ann@shop.example>", "RCPT TO:<bob@shop.example>",
		"Subject: churn: v2 was taken back Bcc: eve@evil.example", "Message-ID: <20260301T120000.000000000Z-000007.churn@haldane.invalid>",
		"shop/churn: RolledBack. v2 was taken back",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "RCPT TO:<eve@evil.example>") {
		t.Error("a message added somebody")
	}
}

func TestMailNeedsWhatIsAskedFor(t *testing.T) {
	p := &post{}
	host, port := p.serve(t)
	// This server knows no TLS: nothing is sent in the open instead.
	m := Mail{Host: host, Port: port, Encryption: StartTLS, From: "a@b.example", To: []string{"c@d.example"}}
	if err := send(t, m, event(rollout.EventPromoted, "x")); err == nil {
		t.Error("it was sent without TLS")
	}
	cfg := config()
	cfg.Allow = func(address string) error {
		if address != fmt.Sprintf("smtp://%s:%d", host, port) {
			t.Errorf("asked to allow %q", address)
		}
		return errors.New("is not allowed")
	}
	m.Encryption = None
	cs, err := cfg.Channels([]Notification{{Name: "a", Via: m}})
	if err != nil {
		t.Fatal(err)
	}
	if err := cs[0].Send(t.Context(), event(rollout.EventPromoted, "x")); err == nil || !strings.Contains(err.Error(), "is not allowed") {
		t.Errorf("error %v", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.lines {
		if strings.HasPrefix(l, "MAIL") {
			t.Errorf("sent %q", l)
		}
	}
}
