package feedback

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// maxEvent and maxUser bound the name of an event and of a user, in bytes.
const (
	maxEvent = 63
	maxUser  = 1024
)

// eventBody is an event as it is sent.
type eventBody struct {
	Name      string     `json:"name"`
	Value     *float64   `json:"value"`
	ID        *string    `json:"id"`
	RequestID *string    `json:"requestId"`
	User      *string    `json:"user"`
	At        *time.Time `json:"at"`
}

// Events takes POSTed events: a JSON object {"name", "id", "requestId" or "user",
// "value", "at"}, an array of them, or one a line. An event without a value has
// the value 1. It answers as [Ledger.ServeHTTP] does.
func (l *Ledger) Events() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.serve(w, r, taken{l.opt.MaxBody, l.readEvents, l.Put})
	})
}

// readEvents reads events.
func (l *Ledger) readEvents(data []byte) ([]Item, error) {
	return parse(data, l.opt.MaxItems, func(b *eventBody) (Item, error) {
		it, err := b.item()
		if err == nil && it.User != "" && l.opt.UserKey == nil {
			err = errors.New("user: nobody knows which predictions were made for whom, since the rollout has no stickyBy: quote the prediction's id")
		}
		return it, err
	})
}

// item checks b.
func (b *eventBody) item() (Item, error) {
	if b == nil {
		return Item{}, errors.New("want an object, not null")
	}
	if b.Name == "" || len(b.Name) > maxEvent {
		return Item{}, fmt.Errorf("name: an event has one of 1 to %d bytes", maxEvent)
	}
	it := Item{Event: b.Name, HasValue: true, Value: 1}
	if b.Value != nil {
		it.Value = *b.Value
	}
	if b.At != nil {
		it.At = *b.At
	}
	whose := 0
	for _, x := range []struct {
		name string
		sent *string
		to   *string
		most int
	}{{"id", b.ID, &it.ID, 0}, {"requestId", b.RequestID, &it.RequestID, maxRequestID}, {"user", b.User, &it.User, maxUser}} {
		switch {
		case x.sent == nil:
			continue
		case *x.sent == "":
			return it, fmt.Errorf("%s is empty", x.name)
		case x.most > 0 && len(*x.sent) > x.most:
			return it, fmt.Errorf("%s has %d bytes, more than %d", x.name, len(*x.sent), x.most)
		}
		whose++
		*x.to = *x.sent
	}
	if whose != 1 {
		return it, errors.New("set exactly one of id, requestId and user")
	}
	return it, nil
}

// indexed is what an item without a prediction ID is looked up by.
func (l *Ledger) indexed(it *Item) string {
	if it.User != "" && l.opt.UserKey != nil {
		return userIndex(l.opt.UserKey(it.User))
	}
	return it.RequestID
}

// precedes reports whether the prediction that a user's event was looked up to is
// no younger than the event: that of an older one is not known any more.
func (l *Ledger) precedes(id string, it *Item) bool {
	if it.User == "" || it.At.IsZero() {
		return true
	}
	claims, err := l.codec.Decode(id)
	return err == nil && !claims.Time.After(it.At)
}
