package feedback

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// maxRequestID bounds a client's own ID, in bytes.
const maxRequestID = 256

// Item is what came back for one prediction. Exactly one of ID, RequestID and
// User, and exactly one of Label and Value is set.
type Item struct {
	ID        string // a prediction ID, with ".<i>" for one of a batch
	RequestID string // the client's own
	// User stands for the newest prediction that was made for them. Of an event
	// that says At, it must not have been made after that.
	User     string
	At       time.Time
	Event    string // the name of what happened, with Value; "" for feedback
	HasLabel bool
	HasValue bool
	Value    float64

	label label
}

// body is an Item as it is sent. Time, when the label became known, is for the
// client's own records: cohorts go by the time of the prediction.
type body struct {
	ID        *string         `json:"id"`
	RequestID *string         `json:"requestId"`
	Label     json.RawMessage `json:"label"`
	Value     *float64        `json:"value"`
	Time      *time.Time      `json:"time"`
}

// itemError says which item of a request cannot be read.
type itemError struct {
	item int // from 0
	err  error
}

func (e *itemError) Error() string { return fmt.Sprintf("item %d: %v", e.item, e.err) }
func (e *itemError) Unwrap() error { return e.err }

// errTooMany is returned for a request with more items than allowed.
var errTooMany = errors.New("too many items")

// parse reads one item, an array of them, or any number one after the other, as
// in newline-delimited JSON. check makes an item of what was read, nil for null.
func parse[T any](data []byte, maxItems int, check func(*T) (Item, error)) ([]Item, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	data = bytes.TrimLeft(data, " \t\r\n")
	if len(data) == 0 {
		return nil, errors.New("the body is empty")
	}
	array := data[0] == '['
	if array {
		if _, err := dec.Token(); err != nil {
			return nil, err
		}
	}
	var items []Item
	for !array || dec.More() {
		var b *T
		err := dec.Decode(&b)
		if err == io.EOF && !array {
			return items, nil
		}
		if len(items) >= maxItems {
			return nil, fmt.Errorf("%w: at most %d in one request", errTooMany, maxItems)
		}
		if err == nil {
			var it Item
			if it, err = check(b); err == nil {
				items = append(items, it)
				continue
			}
		}
		return nil, &itemError{len(items), readable(err)}
	}
	if _, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("the array is not closed: %w", readable(err))
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("something follows the array")
	}
	return items, nil
}

// readable replaces the decoder's words where they do not help.
func readable(err error) error {
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		return errors.New("the JSON ends too early")
	case errors.As(err, &wrong) && wrong.Field != "":
		return fmt.Errorf("%s cannot be a %s", wrong.Field, wrong.Value)
	case errors.As(err, &wrong):
		return fmt.Errorf("want an object, not a %s", wrong.Value)
	}
	return err
}

// item checks b.
func (b *body) item() (Item, error) {
	var it Item
	switch {
	case b == nil:
		return it, errors.New("want an object, not null")
	case (b.ID != nil) == (b.RequestID != nil):
		return it, errors.New("set exactly one of id and requestId")
	case b.ID != nil && *b.ID == "" || b.RequestID != nil && *b.RequestID == "":
		return it, errors.New("the ID is empty")
	case b.RequestID != nil && len(*b.RequestID) > maxRequestID:
		return it, fmt.Errorf("requestId has %d bytes, more than %d", len(*b.RequestID), maxRequestID)
	}
	// A label of null is one that was not sent.
	hasLabel := len(b.Label) > 0 && string(b.Label) != "null"
	if hasLabel == (b.Value != nil) {
		return it, errors.New("set exactly one of label and value")
	}
	if b.ID != nil {
		it.ID = *b.ID
	} else {
		it.RequestID = *b.RequestID
	}
	if b.Value != nil {
		it.HasValue, it.Value = true, *b.Value
		return it, nil
	}
	var err error
	it.HasLabel = true
	it.label, err = readLabel(b.Label)
	return it, err
}

// Label returns an Item with a label: a string, float64 or bool.
func Label(id string, value any) (Item, error) {
	raw, err := json.Marshal(value)
	if err != nil {
		return Item{}, fmt.Errorf("write label: %w", err)
	}
	return (&body{ID: &id, Label: raw}).item()
}
