package embedded

import (
	"encoding/json"
	"fmt"
	"maps"
	"time"
)

// cursor is a position of a Source, as it travels in Sample.Cursor.
type cursor struct {
	Epoch    string `json:"epoch"`              // the process
	Seq      uint64 `json:"seq"`                // the snapshot of that process
	Revision string `json:"revision,omitempty"` // asked about when the block was closed
	// Labels holds, by maturity, up to where cohorts have been counted, in Unix
	// milliseconds.
	Labels map[string]int64 `json:"labels,omitempty"`
	// Classes are the names of the class bins in the order of the evidence.
	Classes []string `json:"classes,omitempty"`
	// LabelClasses are those of predictions that labels are judged by.
	LabelClasses []string `json:"labelClasses,omitempty"`
}

// parse reads a cursor. One that cannot be read is that of no process.
func parse(s string) cursor {
	var c cursor
	if json.Unmarshal([]byte(s), &c) != nil || c.Epoch == "" {
		return cursor{}
	}
	return c
}

func (c cursor) String() string {
	b, err := json.Marshal(c)
	if err != nil {
		panic(fmt.Sprintf("embedded: a cursor does not marshal: %v", err)) // it holds text and integers
	}
	return string(b)
}

// after returns where cohorts of a maturity have been counted to, zero if none were.
func (c cursor) after(maturity time.Duration) time.Time {
	ms, ok := c.Labels[maturity.String()]
	if !ok {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// with returns c with the cohorts of a maturity counted up to t.
func (c cursor) with(maturity time.Duration, t time.Time) cursor {
	labels := maps.Clone(c.Labels)
	if labels == nil {
		labels = map[string]int64{}
	}
	labels[maturity.String()] = t.UnixMilli()
	c.Labels = labels
	return c
}
