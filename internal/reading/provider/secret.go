package provider

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Secret returns a secret. Its errors name the place, and never what is there.
type Secret func(context.Context) ([]byte, error)

// text is the secret as text, "" of none.
func (s Secret) text(ctx context.Context) (string, error) {
	if s == nil {
		return "", nil
	}
	b, err := s(ctx)
	if err != nil {
		return "", fmt.Errorf("read the secret that it is asked with: %w", err)
	}
	return string(b), nil
}

// bare is err without the address that net/http puts into it, whose path and
// query may hold secrets.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// errMany means that a question found several series.
func errMany(system string, n int) error {
	return fmt.Errorf("%s answers with %d series: write a query that yields one", system, n)
}

// host is that of an address, for people.
func host(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "its address"
	}
	return u.Host
}

// line is the beginning of a text, on one line.
func line(text string) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "�")), " ")
	const most = 200
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
