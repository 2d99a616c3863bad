package reading

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// ErrNone means that there is an answer and no number in it.
var ErrNone = errors.New("there is no value")

// Value is a number and the time that it is of.
type Value struct {
	At     time.Time
	Number float64
}

// Finite returns v, or ErrNone if it is no finite number.
func (v Value) Finite() (Value, error) {
	if math.IsNaN(v.Number) || math.IsInf(v.Number, 0) {
		return Value{}, fmt.Errorf("%w: it is %v", ErrNone, v.Number)
	}
	return v, nil
}

// Reader reads one number.
type Reader interface {
	// Read returns the newest number there is at a time. The error wraps ErrNone if
	// there is an answer without a finite number.
	Read(ctx context.Context, of Vars, at time.Time) (Value, error)
}

// Span are the times from Start to End, Step apart, both ends included.
type Span struct {
	Start, End time.Time
	Step       time.Duration
}

// Past is a Reader that knows what was.
type Past interface {
	Reader
	// Past returns the numbers at the times of a span, as they were known then,
	// ascending. Times without a finite number are left out; if all are, the result
	// is empty and no error.
	Past(ctx context.Context, of Vars, s Span) ([]Value, error)
}

// Resample returns the newest of points, which ascend, at each time of a span: one
// no older than a step, under that time. What is not finite is no point.
func Resample(points []Value, s Span) []Value {
	var out []Value
	i, last := 0, -1
	for at := s.Start; !at.After(s.End); at = at.Add(s.Step) {
		for ; i < len(points) && !points[i].At.After(at); i++ {
			if _, err := points[i].Finite(); err == nil {
				last = i
			}
		}
		if last >= 0 && points[last].At.After(at.Add(-s.Step)) {
			out = append(out, Value{at, points[last].Number})
		}
	}
	return out
}

// Newest returns the last finite one of points, which ascend, not later than at.
func Newest(points []Value, at time.Time) (Value, error) {
	for i := len(points) - 1; i >= 0; i-- {
		if v, err := points[i].Finite(); err == nil && !v.At.After(at) {
			return v, nil
		}
	}
	return Value{}, ErrNone
}
