package inference

import (
	"math"

	"github.com/tidwall/gjson"
)

// nesting is how many objects or lists inside one another describe one
// prediction at most.
const nesting = 4

// value adds the description of one prediction: a scalar, a vector, an object,
// or a list of candidates.
func (e *entry) value(v gjson.Result, depth int) {
	switch {
	case depth == 0:
		e.plain.bad++
	case v.IsObject():
		e.object(v, depth)
	case v.IsArray() && e.candidates(v, depth):
	default:
		e.plain.json(v)
	}
}

// object adds the members whose names say what they are. Without any, an object
// of numbers that sum to one maps classes to probabilities, and an object with a
// single member is that member.
func (e *entry) object(v gjson.Result, depth int) {
	if e.members(v, depth) || e.mapping(v) {
		return
	}
	var only gjson.Result
	count := 0
	v.ForEach(func(_, member gjson.Result) bool {
		only = member
		count++
		return count < 2
	})
	if count == 1 {
		e.value(only, depth-1)
	} else {
		e.plain.bad++
	}
}

// members adds the members with telling names and reports whether there were
// any.
func (e *entry) members(v gjson.Result, depth int) (any bool) {
	v.ForEach(func(key, member gjson.Result) bool {
		if as := memberRole(key.Str); as != roleNone {
			any = true
			e.member(as, member, depth)
		}
		return true
	})
	return any
}

func (e *entry) member(as role, v gjson.Result, depth int) {
	into := e.row(as)
	switch {
	case v.IsObject() && depth > 1:
		if !e.members(v, depth-1) && !e.mapping(v) {
			into.bad++
		}
	case into.elements() > 0:
		// The first of several with one meaning counts.
	default:
		into.json(v)
		if as == roleLabel && v.IsArray() {
			e.labels = v.Raw
		}
	}
}

// mapping adds an object that maps two or more class names to probabilities.
func (e *entry) mapping(v gjson.Result) bool {
	var values row
	var best string
	v.ForEach(func(key, member gjson.Result) bool {
		if member.Type != gjson.Number {
			values.bad++
			return false
		}
		values.number(member.Num)
		if values.argmax == values.n-1 {
			best = key.Str
		}
		return true
	})
	if !values.distribution() {
		return false
	}
	e.best(best, values.max)
	return true
}

// best makes the entry a label and its probability.
func (e *entry) best(label string, score float64) {
	*e = entry{}
	e.label.string(label)
	e.conf.number(score)
}

// candidates adds a list of classes with a score each, as objects or as pairs
// ["label", score], of which the one with the highest score is the prediction.
// It reports whether the list is one.
func (e *entry) candidates(v gjson.Result, depth int) bool {
	var best entry
	top, i := math.Inf(-1), int32(0)
	v.ForEach(func(_, item gjson.Result) bool {
		var one entry
		switch {
		case item.IsObject():
			if !one.members(item, depth-1) {
				top = math.Inf(-1)
				return false
			}
		case item.IsArray() && one.pair(item, i):
		default:
			top = math.Inf(-1)
			return false
		}
		score := &one.score
		if score.elements() == 0 {
			score = &one.conf
		}
		if one.label.elements() == 0 || !score.scalar() {
			top = math.Inf(-1)
			return false
		}
		if score.first > top {
			top, best = score.first, one
		}
		i++
		return true
	})
	if math.IsInf(top, -1) {
		return false
	}
	*e = best
	return true
}

// pair adds ["label", score]. An empty label, which TensorFlow Serving sends for
// a model without a vocabulary, stands for the position.
func (e *entry) pair(v gjson.Result, position int32) bool {
	var both row
	both.json(v)
	if both.texts != 1 || both.n != 1 || both.bools > 0 || both.bad > 0 {
		return false
	}
	if both.text == "" {
		e.label.number(float64(position))
	} else {
		e.label.string(both.text)
	}
	e.score.number(both.first)
	return true
}
