package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// DefaultURL is where a Haldane on this machine answers unless told otherwise.
const DefaultURL = "http://127.0.0.1:7600"

// maxAnswer bounds what is read of one answer.
const maxAnswer = 64 << 20

// Client asks one Haldane. Make it with New.
type Client struct {
	base  string
	token string
	http  *http.Client
}

// Error is an answer of the server that is not a success. Its text is a
// sentence for a person.
type Error struct {
	Status  int    // HTTP status
	Message string // what the server said
	base    string
}

// Error says what the server said, and what to do where that is known.
func (e *Error) Error() string {
	switch e.Status {
	case http.StatusUnauthorized:
		return fmt.Sprintf("%s wants a token: give the one haldane was started with, by --token or HALDANE_TOKEN", e.base)
	case http.StatusMisdirectedRequest:
		return fmt.Sprintf("%s: %s", e.base, e.Message)
	}
	return e.Message
}

// ErrUnreachable is wrapped by the error of every call that got no answer.
var ErrUnreachable = errors.New("no answer")

// NotFound reports whether err says that there is no such rollout.
func NotFound(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == http.StatusNotFound
}

// New returns a Client of the Haldane at baseURL ("" for DefaultURL), which
// presents token if it is not empty.
func New(baseURL, token string) (*Client, error) {
	if baseURL == "" {
		baseURL = DefaultURL
	}
	u, err := url.Parse(baseURL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.User != nil {
		return nil, fmt.Errorf("server address %q: write it like %s", baseURL, DefaultURL)
	}
	// No timeout for the whole exchange, which would end a stream: the caller's
	// context bounds it, and these bound what a dead server can hold up.
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		ResponseHeaderTimeout: 20 * time.Second,
		TLSHandshakeTimeout:   5 * time.Second,
		MaxIdleConnsPerHost:   2,
	}
	return &Client{base: strings.TrimRight(baseURL, "/"), token: token, http: &http.Client{
		Transport: transport,
		// A token is not carried to where a redirect points.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// List returns the status of every rollout.
func (c *Client) List(ctx context.Context) ([]engine.Status, error) {
	var out struct {
		Rollouts []engine.Status `json:"rollouts"`
	}
	err := c.get(ctx, "/api/v1/rollouts", &out)
	return out.Rollouts, err
}

// Status returns the status of one rollout.
func (c *Client) Status(ctx context.Context, name string) (engine.Status, error) {
	var out engine.Status
	err := c.get(ctx, address(name, ""), &out)
	return out, err
}

// Blocks returns up to limit of the newest blocks, oldest first.
func (c *Client) Blocks(ctx context.Context, name string, limit int) ([]engine.Block, error) {
	var out struct {
		Blocks []engine.Block `json:"blocks"`
	}
	err := c.get(ctx, address(name, "/blocks")+"?limit="+strconv.Itoa(limit), &out)
	return out.Blocks, err
}

// Events returns up to limit of the newest events, oldest first.
func (c *Client) Events(ctx context.Context, name string, limit int) ([]rollout.Event, error) {
	var out struct {
		Events []rollout.Event `json:"events"`
	}
	err := c.get(ctx, address(name, "/events")+"?limit="+strconv.Itoa(limit), &out)
	return out.Events, err
}

// Submit hands a command over and returns what became of it. A command that
// was understood and not obeyed is a Reply with Accepted false, not an error.
// Command.At is the server's to set.
func (c *Client) Submit(ctx context.Context, name string, command rollout.Command) (rollout.Reply, error) {
	body, err := json.Marshal(struct {
		ID       string       `json:"id,omitempty"`
		Verb     rollout.Verb `json:"verb"`
		Full     bool         `json:"full,omitempty"`
		Revision string       `json:"revision,omitempty"`
		Step     *int         `json:"step,omitempty"`
		Reason   string       `json:"reason,omitempty"`
		By       string       `json:"by,omitempty"`
	}{command.ID, command.Verb, command.Full, command.Revision, command.Step, command.Reason, command.By})
	if err != nil {
		return rollout.Reply{}, fmt.Errorf("encode the command: %w", err)
	}
	resp, err := c.do(ctx, http.MethodPost, address(name, "/commands"), bytes.NewReader(body), nil)
	if err != nil {
		return rollout.Reply{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	var reply rollout.Reply
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusConflict {
		return reply, c.refused(resp)
	}
	return reply, c.decode(resp, &reply)
}

func address(name, rest string) string {
	return "/api/v1/rollouts/" + url.PathEscape(name) + rest
}

func (c *Client) get(ctx context.Context, path string, into any) error {
	resp, err := c.do(ctx, http.MethodGet, path, nil, nil)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return c.refused(resp)
	}
	return c.decode(resp, into)
}

func (c *Client) do(ctx context.Context, method, path string, body io.Reader, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", c.base, err)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err == nil {
		return resp, nil
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("ask %s: %w", c.base, context.Cause(ctx))
	}
	return nil, fmt.Errorf("no haldane answers at %s: is `haldane run` running? Use --server for another address (%w: %w)",
		c.base, ErrUnreachable, reason(err))
}

// reason is the innermost words of a failed dial: "connection refused" rather
// than the whole chain with the address said thrice.
func reason(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	return err
}

// refused reads an error answer. Something that is no Haldane at all may be
// answering there, and its words are not repeated.
func (c *Client) refused(resp *http.Response) error {
	var p struct {
		Error string `json:"error"`
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if json.Unmarshal(body, &p) != nil || p.Error == "" {
		return &Error{Status: resp.StatusCode, base: c.base,
			Message: fmt.Sprintf("%s answers %s, and not as a haldane does: check --server", c.base, resp.Status)}
	}
	return &Error{Status: resp.StatusCode, Message: p.Error, base: c.base}
}

func (c *Client) decode(resp *http.Response, into any) error {
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(into); err != nil {
		return fmt.Errorf("%s does not answer as a haldane does, check --server (%w)", c.base, err)
	}
	return nil
}
