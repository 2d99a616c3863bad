package judge

import (
	"fmt"

	"github.com/haldane-dev/haldane/internal/analysis"
)

// Block is one recorded stretch of time of one rollout.
type Block struct {
	T        float64                     // seconds at its end, on any clock that does not go back
	Seconds  float64                     // its length; 0 if it began where the block before it ended
	Weight   float64                     // the canary's share of live traffic in [0,1]
	Assigned []analysis.Assignment       // random decisions, for the traffic check; nil takes the requests of the first error rate
	Metrics  map[string]analysis.Measure // by name; only what the rollout compares
}

// LineError is one line of a record that cannot be used.
type LineError struct {
	File    string
	Line    int64  // from 1
	Field   string // "metrics.errors.canary.k", "" for the whole line
	Message string // what is wrong and what to write instead
}

// Error returns "FILE:LINE: FIELD: MESSAGE".
func (e *LineError) Error() string {
	at := fmt.Sprintf("%s:%d: ", e.File, e.Line)
	if e.Field != "" {
		at += e.Field + ": "
	}
	return at + e.Message
}

// fieldError is a LineError that does not know yet where it stands.
type fieldError struct{ field, message string }

func (e *fieldError) Error() string { return e.field + ": " + e.message }

func wrong(field, format string, args ...any) error {
	return &fieldError{field, fmt.Sprintf(format, args...)}
}

// within puts the name of the enclosing field before that of err.
func within(field string, err error) error {
	e, ok := err.(*fieldError)
	if !ok {
		return err
	}
	if e.field == "" || e.field[0] == '[' {
		return &fieldError{field + e.field, e.message}
	}
	return &fieldError{field + "." + e.field, e.message}
}
