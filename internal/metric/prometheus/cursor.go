package prometheus

import (
	"encoding/json"
	"fmt"
	"time"
)

// cursor is up to where a Source has counted, as it travels in Sample.Cursor.
// Times are in Unix milliseconds.
type cursor struct {
	Revision string `json:"revision"`
	At       int64  `json:"at"` // samples up to here have been counted
	// Floor is when the present share of traffic began: what a counter gained
	// since a sample before that is partly of another share, or of nobody.
	Floor  int64   `json:"floor"`
	Weight float64 `json:"weight"`
	Slots  string  `json:"slots,omitempty"` // likewise
	// What the evidence relies on: the edges of histograms in seconds, and the
	// names of classes in their order, by metric.
	Edges map[string][]float64 `json:"edges,omitempty"`
	Bins  map[string][]string  `json:"bins,omitempty"`
	// Labels that wait for the predictions they are of, by metric.
	Owed map[string]arrears `json:"owed,omitempty"`
}

// parse reads a cursor; ok is false for one that cannot be read.
func parse(s string) (c cursor, ok bool) {
	if json.Unmarshal([]byte(s), &c) != nil || c.At <= 0 || c.Floor <= 0 {
		return cursor{}, false
	}
	return c, true
}

func (c cursor) String() string {
	b, err := json.Marshal(c)
	if err != nil {
		panic(fmt.Sprintf("prometheus: a cursor does not marshal: %v", err)) // it holds text and finite numbers
	}
	return string(b)
}

func (c cursor) at() time.Time { return time.UnixMilli(c.At) }
