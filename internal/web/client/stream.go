package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/haldane-dev/haldane/internal/web"
)

// StreamOptions says how a stream begins and what happens when it breaks.
type StreamOptions struct {
	// Replay is how many of the newest blocks and events come first.
	Replay int
	// Lost, if set, is told of each lost connection and of the wait before the
	// next try. An error that it returns ends the stream.
	Lost func(err error, wait time.Duration) error
	// Silence is how long nothing at all may arrive before the connection
	// counts as lost; 0 means twenty seconds. The server beats every five.
	Silence time.Duration
}

// Stream calls each with everything that happens to one rollout, in order,
// and once with the status at the beginning of each connection. A broken
// connection is made again, with growing waits up to ten seconds, from where
// it broke. Stream returns when ctx ends (its cause), when each or
// StreamOptions.Lost returns an error (that error), or when the server refuses
// for good (an *Error); the first connection is not retried.
func (c *Client) Stream(ctx context.Context, name string, o StreamOptions, each func(web.Update) error) error {
	if o.Silence <= 0 {
		o.Silence = 20 * time.Second
	}
	t := &tail{client: c, name: name, options: o, each: each}
	const first = 250 * time.Millisecond
	for wait := first; ; {
		heard, err := t.connect(ctx)
		var refused *Error
		var mine *callerError
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.As(err, &mine):
			return mine.err
		case errors.As(err, &refused) && refused.Status < 500, !heard && !t.connected:
			return err
		}
		if heard {
			wait = first
		}
		if o.Lost != nil {
			if err := o.Lost(err, wait); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(wait):
		}
		wait = min(2*wait, 10*time.Second)
	}
}

// tail is one Stream call's memory over its connections.
type tail struct {
	client    *Client
	name      string
	options   StreamOptions
	each      func(web.Update) error
	position  string // the last id seen
	connected bool   // at least once
}

// callerError marks an error of the caller's own function.
type callerError struct{ err error }

func (e *callerError) Error() string { return e.err.Error() }

// connect reads one connection to its end; heard says that it was opened.
func (t *tail) connect(parent context.Context) (heard bool, err error) {
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	header := http.Header{"Accept": {"text/event-stream"}}
	if t.position != "" {
		header.Set("Last-Event-ID", t.position)
	}
	path := address(t.name, "/stream") + "?replay=" + strconv.Itoa(t.options.Replay)
	resp, err := t.client.do(ctx, http.MethodGet, path, nil, header)
	if err != nil {
		return false, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return false, t.client.refused(resp)
	}
	t.connected = true
	silence := time.AfterFunc(t.options.Silence, cancel)
	defer silence.Stop()
	alive := func() { silence.Reset(t.options.Silence) }
	err = readEvents(resp.Body, alive, t.take)
	if err == nil {
		err = fmt.Errorf("%s ended the stream: %w", t.client.base, io.ErrUnexpectedEOF)
	}
	return true, err
}

// take hands one message to the caller.
func (t *tail) take(m message) error {
	var u web.Update
	var err error
	switch m.kind {
	case "status":
		err = json.Unmarshal(m.data, &u.Status)
	case "block":
		err = json.Unmarshal(m.data, &u.Block)
	case "event":
		err = json.Unmarshal(m.data, &u.Event)
	default:
		return nil // of a newer server
	}
	if err != nil {
		return fmt.Errorf("read a %s from %s: %w", m.kind, t.client.base, err)
	}
	if m.id != "" {
		t.position = m.id
	}
	if err := t.each(u); err != nil {
		return &callerError{err}
	}
	return nil
}

// message is one server-sent event.
type message struct {
	kind, id string
	data     []byte
}

// maxLine bounds one line of a stream.
const maxLine = 8 << 20

// readEvents parses server-sent events (HTML standard, §9.2) as far as the
// server uses them, calling alive for every line.
func readEvents(r io.Reader, alive func(), take func(message) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	var m message
	for lines.Scan() {
		alive()
		line := lines.Text()
		if line == "" {
			if len(m.data) > 0 {
				if err := take(m); err != nil {
					return err
				}
			}
			m = message{}
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			m.kind = value
		case "id":
			m.id = value
		case "data":
			if len(m.data) > 0 {
				m.data = append(m.data, '\n')
			}
			m.data = append(m.data, value...)
		}
	}
	return lines.Err()
}
