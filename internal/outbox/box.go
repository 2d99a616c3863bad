package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
)

const (
	// SendWithin bounds one attempt at a message, its own retries included.
	SendWithin = time.Minute
	// longestPause is between two attempts at a message.
	longestPause = 5 * time.Minute
	// closeWithin is how long messages under way may take at an orderly end.
	closeWithin = 5 * time.Second
	// echo is how long the same sentence of the same kind is not repeated, for
	// conditions that come and go.
	echo = 10 * time.Minute
)

// Message is an event and the rollout that it is of, as it is by now.
type Message struct {
	Event rollout.Event
	State rollout.State
}

// Channel is somebody who is told.
type Channel struct {
	Name string // unique and lasting: positions are kept under it
	// Wants says which events; nil means all.
	Wants func(rollout.Event) bool
	// Send delivers one message. It must come back when ctx ends. An error is
	// tried again unless it is Refused. Errors carry no secrets.
	Send func(context.Context, Message) error
}

// refused is an error that trying again does not end.
type refused struct{ error }

// Unwrap returns the cause.
func (r refused) Unwrap() error { return r.error }

// Refused marks an error as one that the same message would meet again.
func Refused(err error) error { return refused{err} }

// IsRefused reports whether err is marked so.
func IsRefused(err error) bool {
	var r refused
	return errors.As(err, &r)
}

// Box tells the channels of one rollout. It implements engine.Listeners.
type Box struct {
	log  *slog.Logger
	ctx  context.Context // of messages under way
	stop context.CancelFunc
	wake func()
	all  []*line

	mu     sync.Mutex
	closed bool
	state  rollout.State
	work   sync.WaitGroup
}

var _ engine.Listeners = (*Box)(nil)

// line is a channel and how far it is.
type line struct {
	Channel
	at      uint64
	told    []rollout.Event // what waits, oldest first
	busy    bool
	rests   bool // until it is tried again
	failed  int  // attempts at the first of told
	trouble string
	pause   *backoff.ExponentialBackOff
	said    map[string]time.Time // when a sentence was last sent
}

// New returns a box that does nothing until it is told of something.
func New(channels []Channel, log *slog.Logger) *Box {
	if log == nil {
		log = slog.Default()
	}
	ctx, stop := context.WithCancel(context.Background())
	b := &Box{log: log, ctx: ctx, stop: stop, wake: func() {}}
	for _, c := range channels {
		p := backoff.NewExponentialBackOff()
		p.InitialInterval, p.Multiplier, p.MaxInterval = time.Second, 2, longestPause
		b.all = append(b.all, &line{Channel: c, pause: p, said: map[string]time.Time{}})
	}
	return b
}

// Bind implements engine.Listeners.
func (b *Box) Bind(wake func()) { b.wake = wake }

// Names implements engine.Listeners.
func (b *Box) Names() []string {
	var out []string
	for _, l := range b.all {
		out = append(out, l.Name)
	}
	return out
}

// Tell implements engine.Listeners.
func (b *Box) Tell(a engine.About) map[string]uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.state = a.State
	for _, l := range b.all {
		l.at = max(l.at, a.State.Told[l.Name])
		l.told = nil
		for _, e := range a.State.Events {
			if e.Number > l.at {
				l.told = append(l.told, e)
			}
		}
		b.next(l)
	}
	return b.positions()
}

func (b *Box) positions() map[string]uint64 {
	out := make(map[string]uint64, len(b.all))
	for _, l := range b.all {
		out[l.Name] = l.at
	}
	return out
}

// next sends the oldest message that waits, if there is one and none is on its
// way; b.mu is held.
func (b *Box) next(l *line) {
	for !l.busy && len(l.told) > 0 && (l.Wants != nil && !l.Wants(l.told[0]) || l.echoes(l.told[0])) {
		l.at, l.told = l.told[0].Number, l.told[1:]
	}
	if l.busy || l.rests || b.closed || len(l.told) == 0 {
		return
	}
	l.busy = true
	m := Message{l.told[0], b.state}
	b.work.Go(func() {
		ctx, cancel := context.WithTimeout(b.ctx, SendWithin)
		defer cancel()
		err := l.Send(ctx, m)
		b.done(l, m.Event, err)
		b.wake()
	})
}

// echoes reports whether the same was said a short while ago.
func (l *line) echoes(e rollout.Event) bool {
	switch e.Kind {
	case rollout.EventHeld, rollout.EventInvalid, rollout.EventWarned:
		last, said := l.said[string(e.Kind)+e.Message]
		return said && e.At.Sub(last) < echo && l.failed == 0
	}
	return false
}

// done notes what became of a message.
func (b *Box) done(l *line, e rollout.Event, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l.busy = false
	if err != nil && !IsRefused(err) {
		if b.closed {
			return
		}
		l.failed++
		l.trouble = fmt.Sprintf("%s cannot be told that %q: %s", l.Name, clip(e.Message, 80), clip(err.Error(), 200))
		if l.failed&(l.failed-1) == 0 {
			b.log.Warn("a message cannot be delivered, and is tried again", "channel", l.Name, "event", e.ID, "attempts", l.failed, "error", clip(err.Error(), 400))
		}
		l.rests = true
		time.AfterFunc(l.pause.NextBackOff(), func() { b.again(l) })
		return
	}
	if err != nil {
		l.trouble = fmt.Sprintf("%s refuses messages: %s", l.Name, clip(err.Error(), 200))
		b.log.Error("a message was refused and is not sent again", "channel", l.Name, "event", e.ID, "error", clip(err.Error(), 400))
	} else {
		l.trouble = ""
		l.remember(e)
	}
	l.failed = 0
	l.pause.Reset()
	l.at = max(l.at, e.Number)
	for len(l.told) > 0 && l.told[0].Number <= l.at {
		l.told = l.told[1:]
	}
	b.next(l)
}

// remember notes that something was said, and forgets what was said long ago.
func (l *line) remember(e rollout.Event) {
	maps.DeleteFunc(l.said, func(_ string, at time.Time) bool { return e.At.Sub(at) >= echo })
	l.said[string(e.Kind)+e.Message] = e.At
}

// again tries the message that failed.
func (b *Box) again(l *line) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l.rests = false
	b.next(l)
}

// Warnings returns what stands in the way of messages, for a status.
func (b *Box) Warnings() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for _, l := range b.all {
		if l.trouble != "" {
			out = append(out, l.trouble)
		}
	}
	slices.Sort(out)
	return out
}

// Close implements engine.Listeners. Messages under way get a few seconds.
func (b *Box) Close() map[string]uint64 {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	done := make(chan struct{})
	go func() { b.work.Wait(); close(done) }()
	late := time.NewTimer(closeWithin)
	defer late.Stop()
	select {
	case <-done:
	case <-late.C:
	}
	b.stop()
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.positions()
}

// clip is s on one line of at most n bytes.
func clip(s string, n int) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n], "") + "…"
	}
	return s
}
