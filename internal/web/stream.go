package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// errSilent ends a stream whose reader does not read.
var errSilent = errors.New("the client does not read")

// stream sends what is in the journal after the caller's position, the status,
// and then everything as it happens, until either side goes away.
func (s *Server) stream(w http.ResponseWriter, r *http.Request) {
	replay, err := number(r, "replay", startReplay, 0, maxReplay)
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		w.Header().Set("Retry-After", "5")
		fail(w, http.StatusServiceUnavailable,
			fmt.Sprintf("%d streams are open already, which is the limit: close one and try again", cap(s.streams)))
		return
	}
	name := r.PathValue("name")
	// Subscribed before the journal is read, so that nothing falls between.
	updates, err := s.rollouts.Subscribe(r.Context(), name)
	if err != nil {
		s.broken(w, r, "subscribe", err)
		return
	}
	at := parseCursor(r.Header.Get("Last-Event-ID"))
	past, err := s.past(r, at, replay)
	if err != nil {
		s.broken(w, r, "read the journal", err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // a proxy in front must not hold it back
	out := &sender{w: w, control: http.NewResponseController(w), timeout: s.options.WriteTimeout, at: at, sent: map[string]bool{}}
	if err := out.begin(past); err == nil {
		s.follow(r, out, updates)
	}
}

// follow copies updates to the caller, with a beat when there are none.
func (s *Server) follow(r *http.Request, out *sender, updates <-chan Update) {
	beat := time.NewTicker(s.options.Heartbeat)
	defer beat.Stop()
	for {
		var err error
		select {
		case <-r.Context().Done():
			return
		case <-beat.C:
			err = out.write(": beat\n\n")
		case u, open := <-updates:
			if !open {
				return // the caller comes again with its position
			}
			err = s.forward(r, out, u)
		}
		if err != nil {
			s.options.Logger.DebugContext(r.Context(), "a stream ended", "error", err)
			return
		}
	}
}

// forward sends one update. A block that does not follow the one before it
// means that updates were lost on the way: the journal has them.
func (s *Server) forward(r *http.Request, out *sender, u Update) error {
	if u.Block == nil || out.last == 0 || u.Block.Block == out.last+1 {
		return out.update(u)
	}
	past, err := s.past(r, out.at, maxReplay)
	if err != nil {
		return err
	}
	return errors.Join(out.replay(past), out.update(u))
}

// history is what a stream begins with.
type history struct {
	blocks []engine.Block
	events []rollout.Event
	status engine.Status
	end    cursor // of the journal
}

// past reads the journal: what came after a position, or, without one, the
// newest replay blocks and events.
func (s *Server) past(r *http.Request, at cursor, replay int) (h history, err error) {
	name, limit := r.PathValue("name"), max(replay, 1)
	if at != (cursor{}) {
		limit = maxReplay
	}
	if h.blocks, err = s.rollouts.Blocks(r.Context(), name, limit); err != nil {
		return h, err
	}
	if h.events, err = s.rollouts.Events(r.Context(), name, limit); err != nil {
		return h, err
	}
	if n := len(h.blocks); n > 0 {
		h.end.block = blockKey(h.blocks[n-1])
	}
	if n := len(h.events); n > 0 {
		h.end.event = h.events[n-1].ID
	}
	if at == (cursor{}) && replay == 0 {
		h.blocks, h.events = nil, nil
	}
	h.blocks = after(h.blocks, func(b engine.Block) bool { return blockKey(b) == at.block })
	h.events = after(h.events, func(e rollout.Event) bool { return e.ID == at.event })
	h.status, err = s.rollouts.Status(r.Context(), name)
	return h, err
}

// after returns what follows the newest element that is the one last seen, or
// everything if that is no longer there.
func after[T any](all []T, seen func(T) bool) []T {
	for i := len(all) - 1; i >= 0; i-- {
		if seen(all[i]) {
			return all[i+1:]
		}
	}
	return all
}

// cursor is a stream's position: the last block and the last event sent.
type cursor struct{ block, event string }

// blockKey names a block for good: numbers begin again with each attempt.
func blockKey(b engine.Block) string {
	return strconv.FormatInt(b.Block, 10) + "@" + strconv.FormatInt(b.End.UnixNano(), 36)
}

func (c cursor) String() string { return c.block + "~" + url.QueryEscape(c.event) }

// parseCursor reads what String wrote. What it cannot read is no position:
// the caller is then sent the journal from its beginning.
func parseCursor(text string) cursor {
	block, event, ok := strings.Cut(text, "~")
	if !ok || len(text) > 1024 {
		return cursor{}
	}
	event, err := url.QueryUnescape(event)
	if err != nil {
		return cursor{}
	}
	return cursor{block: block, event: event}
}

// sender writes server-sent events to one caller.
type sender struct {
	w       http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration
	at      cursor
	last    int64           // number of the last block sent, 0 if none was
	sent    map[string]bool // what the journal already gave, until the subscription is past it
}

func (o *sender) begin(past history) error {
	if err := o.write("retry: 2000\n\n"); err != nil {
		return err
	}
	err := o.replay(past)
	o.at = past.end
	return errors.Join(err, o.message("status", o.at.String(), past.status))
}

func (o *sender) replay(past history) error {
	for _, b := range past.blocks {
		if err := o.block(b); err != nil {
			return err
		}
	}
	for _, e := range past.events {
		if err := o.event(e); err != nil {
			return err
		}
	}
	return nil
}

func (o *sender) update(u Update) error {
	var errs []error
	if u.Block != nil {
		errs = append(errs, o.block(*u.Block))
	}
	if u.Event != nil {
		errs = append(errs, o.event(*u.Event))
	}
	if u.Status != nil {
		errs = append(errs, o.message("status", "", *u.Status))
	}
	return errors.Join(errs...)
}

func (o *sender) block(b engine.Block) error {
	key := blockKey(b)
	if o.twice("b" + key) {
		return nil
	}
	o.at.block, o.last = key, b.Block
	return o.message("block", o.at.String(), b)
}

func (o *sender) event(e rollout.Event) error {
	if o.twice("e" + e.ID) {
		return nil
	}
	o.at.event = e.ID
	return o.message("event", o.at.String(), e)
}

// twice reports whether the journal and the subscription both hold it, and
// remembers it. The memory is dropped once it is larger than both can overlap.
func (o *sender) twice(key string) bool {
	if o.sent[key] {
		return true
	}
	if len(o.sent) > 4*maxReplay {
		clear(o.sent)
	}
	o.sent[key] = true
	return false
}

func (o *sender) message(kind, id string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", kind, err)
	}
	if id != "" {
		id = "id: " + id + "\n"
	}
	return o.write("event: " + kind + "\n" + id + "data: " + string(body) + "\n\n")
}

// write sends text and flushes, within the time a client has to read it.
func (o *sender) write(text string) error {
	_ = o.control.SetWriteDeadline(time.Now().Add(o.timeout)) // not every writer has one; net/http's has
	if _, err := o.w.Write([]byte(text)); err != nil {
		return fmt.Errorf("%w: %w", errSilent, err)
	}
	if err := o.control.Flush(); err != nil {
		return fmt.Errorf("%w: %w", errSilent, err)
	}
	return nil
}
