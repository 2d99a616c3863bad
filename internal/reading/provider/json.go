package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/theory/jsonpath"

	"github.com/haldane-dev/haldane/internal/reading"
)

// JSONConfig is a number in a document that an HTTP server returns to a GET.
type JSONConfig struct {
	URL    string
	Path   string            // JSONPath (RFC 9535) that finds one number
	Header map[string]string // sent along
	Token  Secret            // bearer token; nil for none
	HTTP   *http.Client
}

type document struct {
	JSONConfig
	path *jsonpath.Path
	now  func() time.Time
}

// JSON reads a number of a document.
func JSON(c JSONConfig) (reading.Reader, error) {
	p, err := jsonpath.Parse(c.Path)
	if err != nil {
		return nil, fmt.Errorf("%q is no JSONPath: %w", c.Path, err)
	}
	return &document{c, p, time.Now}, nil
}

// Read implements reading.Reader. The number is of the time of the answer: a
// document does not tell what was.
func (d *document) Read(ctx context.Context, of reading.Vars, _ time.Time) (reading.Value, error) {
	address, err := reading.Fill(d.URL, of, url.QueryEscape)
	if err != nil {
		return reading.Value{}, err
	}
	text, err := d.get(ctx, address)
	if err != nil {
		return reading.Value{}, err
	}
	at := d.now()
	var whole any
	if err := json.Unmarshal(text, &whole); err != nil {
		return reading.Value{}, fmt.Errorf("%s answers with what is no JSON: %w", host(address), err)
	}
	found := d.path.Select(whole)
	switch {
	case len(found) == 0:
		return reading.Value{}, fmt.Errorf("%w: %s finds nothing in the answer of %s", reading.ErrNone, d.Path, host(address))
	case len(found) > 1:
		return reading.Value{}, fmt.Errorf("%s finds %d values in the answer of %s: write a path that finds one", d.Path, len(found), host(address))
	}
	v, err := number(found[0])
	if err != nil {
		return reading.Value{}, fmt.Errorf("%s in the answer of %s: %w", d.Path, host(address), err)
	}
	return reading.Value{At: at, Number: v}.Finite()
}

// get returns the document.
func (d *document) get(ctx context.Context, address string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", host(address), bare(err))
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "haldane")
	for k, v := range d.Header {
		r.Header.Set(k, v)
	}
	if token, err := d.Token.text(ctx); err != nil {
		return nil, err
	} else if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return fetch(d.HTTP, r)
}

// fetch sends a request and returns the body of an answer that is a yes.
func fetch(c *http.Client, r *http.Request) ([]byte, error) {
	resp, err := c.Do(r)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", r.URL.Host, bare(err))
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", r.URL.Host, bare(err))
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, fmt.Errorf("%s answers %s: %s", r.URL.Host, resp.Status, line(string(text)))
	}
	return text, nil
}

// number is a value of JSON as a number: one, or a text that holds one, as some
// systems write them.
func number(v any) (float64, error) {
	switch v := v.(type) {
	case float64:
		return v, nil
	case nil:
		return 0, fmt.Errorf("%w: it is null", reading.ErrNone)
	case string:
		x, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return 0, fmt.Errorf("%q is no number", line(v))
		}
		return x, nil
	}
	return 0, fmt.Errorf("a %T is no number", v)
}
