package feedback

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
)

// Receipt answers feedback: how many items became what, and what became
// of each.
type Receipt struct {
	Items   int            `json:"items"`
	Counts  map[Status]int `json:"counts"`
	Results []Result       `json:"results"`
}

// Result is what became of one item.
type Result struct {
	Item   int    `json:"item"` // from 0, in the order sent
	Status Status `json:"status"`
}

// refusal is the answer to feedback that was not taken at all.
type refusal struct {
	Error string `json:"error"`
	Item  *int   `json:"item,omitempty"` // which one is at fault, from 0
}

// ServeHTTP takes POSTed feedback: a JSON object {"id" or "requestId", "label" or
// "value"}, an array of them, or one a line. The answer is 202 with a Receipt
// once everything is on disk; 400 if an item cannot be read, and then none was
// taken; 413 if there are too many; 503 if the database cannot be written, after
// which the same may be sent again.
func (l *Ledger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.serve(w, r, taken{l.opt.MaxBody, l.readFeedback, l.Put})
}

// taken is how a body is read and its items put.
type taken struct {
	limit int64 // bytes
	read  func(body []byte) ([]Item, error)
	put   func(context.Context, []Item) ([]Status, error)
}

// readFeedback reads labels and values.
func (l *Ledger) readFeedback(data []byte) ([]Item, error) {
	return parse(data, l.opt.MaxItems, (*body).item)
}

// serve answers a POST of items.
func (l *Ledger) serve(w http.ResponseWriter, r *http.Request, as taken) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		refuse(w, http.StatusMethodNotAllowed, errors.New("feedback and events are sent by POST"))
		return
	}
	if err := checkType(r.Header); err != nil {
		refuse(w, http.StatusUnsupportedMediaType, err)
		return
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, as.limit))
	var tooLong *http.MaxBytesError
	if errors.As(err, &tooLong) {
		refuse(w, http.StatusRequestEntityTooLarge, fmt.Errorf("the body has more than %d bytes: send less at once", as.limit))
		return
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, fmt.Errorf("the body ended early: %w", err))
		return
	}
	items, err := as.read(data)
	if errors.Is(err, errTooMany) {
		refuse(w, http.StatusRequestEntityTooLarge, err)
		return
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	statuses, err := as.put(r.Context(), items)
	if err != nil {
		l.opt.Logger.Error("feedback was not taken", "rollout", l.opt.Rollout, "items", len(items), "error", err)
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusServiceUnavailable, errLater)
		return
	}
	receipt := Receipt{Items: len(items), Counts: map[Status]int{}, Results: make([]Result, len(items))}
	for i, s := range statuses {
		receipt.Counts[s]++
		receipt.Results[i] = Result{i, s}
	}
	respond(w, http.StatusAccepted, receipt)
}

// errLater does not say that nothing was taken: of several replicas one may have.
// Sent again, what was is a duplicate.
var errLater = errors.New("feedback cannot be written now: send all of it again later")

// checkType refuses what is said to be no JSON. A missing type is taken for it.
func checkType(h http.Header) error {
	if e := h.Get("Content-Encoding"); e != "" && e != "identity" {
		return fmt.Errorf("Content-Encoding %s is not read: send plain JSON", e)
	}
	sent := h.Get("Content-Type")
	if sent == "" {
		return nil
	}
	media, _, err := mime.ParseMediaType(sent)
	if err != nil {
		return fmt.Errorf("Content-Type cannot be read: %w", err)
	}
	switch media {
	case "application/json", "application/x-ndjson", "application/ndjson", "application/jsonl":
		return nil
	}
	return fmt.Errorf("Content-Type is %s: send application/json or application/x-ndjson", media)
}

func refuse(w http.ResponseWriter, status int, err error) {
	no := refusal{Error: err.Error()}
	var at *itemError
	if errors.As(err, &at) {
		no.Item = &at.item
	}
	respond(w, status, no)
}

func respond(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	// The client has gone if this fails; there is nobody to tell.
	_ = json.NewEncoder(w).Encode(v)
}
