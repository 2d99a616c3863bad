package inference

import (
	"math"

	"github.com/tidwall/gjson"
)

// row is what is kept of one prediction's part of one tensor: enough to tell a
// scalar from a distribution, and never the elements themselves.
type row struct {
	n      int32 // finite numbers, booleans included
	bad    int32 // null, not finite, or of no use
	bools  int32
	texts  int32
	argmax int32 // index of max among the numbers

	sum, min, max, first, last float64
	text                       string // the first text, a view of the body
}

// sumTolerance is how far from 1 the sum of a distribution may lie: models
// round to two digits or compute in half precision.
const sumTolerance = 0.01

func (r *row) elements() int32 { return r.n + r.bad + r.texts }

func (r *row) number(x float64) {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		r.bad++
		return
	}
	if r.n == 0 {
		r.min, r.max, r.first, r.argmax = x, x, x, 0
	} else if x > r.max {
		r.max, r.argmax = x, r.n
	}
	r.min = min(r.min, x)
	r.sum += x
	r.last = x
	r.n++
}

func (r *row) boolean(b bool) {
	r.bools++
	if b {
		r.number(1)
	} else {
		r.number(0)
	}
}

func (r *row) string(s string) {
	if r.texts == 0 {
		r.text = s
	}
	r.texts++
}

// json adds one JSON value, an array with all its elements.
func (r *row) json(v gjson.Result) {
	switch {
	case v.Type == gjson.Number:
		r.number(v.Num)
	case v.IsBool():
		r.boolean(v.Type == gjson.True)
	case v.Type == gjson.String:
		r.string(v.Str)
	case v.IsArray():
		v.ForEach(func(_, e gjson.Result) bool {
			r.json(e)
			return true
		})
	default:
		r.bad++
	}
}

// scalar reports whether the row is a single number.
func (r *row) scalar() bool { return r.n == 1 && r.bad == 0 && r.texts == 0 && r.bools == 0 }

// vector reports whether the row is two or more numbers and nothing else.
func (r *row) vector() bool { return r.n > 1 && r.bad == 0 && r.texts == 0 }

// inUnit reports whether every number lies in [0, 1], give or take rounding.
func (r *row) inUnit() bool { return r.n > 0 && r.min >= -1e-6 && r.max <= 1+1e-6 }

// distribution reports whether the row is a probability for each class.
func (r *row) distribution() bool {
	return r.vector() && r.inUnit() && math.Abs(r.sum-1) <= sumTolerance
}

// entry is one prediction while it is read: what a model called its label, the
// score of the label, its confidence, and what it gave no telling name.
type entry struct {
	label, score, conf, plain row

	labels string // a label that is an array, as JSON
}

// role is what the name of an output or member says about it.
type role uint8

const (
	roleNone role = iota
	rolePlain
	roleLabel
	roleScore
	roleConfidence
	roles // how many there are
)

// row returns the part of the entry that holds values of the role.
func (e *entry) row(as role) *row {
	switch as {
	case roleLabel:
		return &e.label
	case roleScore:
		return &e.score
	case roleConfidence:
		return &e.conf
	}
	return &e.plain
}
