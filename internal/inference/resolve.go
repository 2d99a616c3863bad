package inference

import (
	"math"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// resolve appends the prediction that each entry of s amounts to.
//
// Whether a lone number is a probability is decided for a response as a whole:
// if one number of the batch lies outside [0, 1], all are results of a
// regression.
func (r *Reader) resolve(dst []Prediction, s *scratch) []Prediction {
	unitPlain, unitScore := true, true
	for i := range s.entries {
		e := &s.entries[i]
		r.expand(e)
		if e.conf.vector() && e.score.elements() == 0 {
			e.score = e.conf
		}
		if e.plain.scalar() && !e.plain.inUnit() {
			unitPlain = false
		}
		if e.score.scalar() && !e.score.inUnit() {
			unitScore = false
		}
	}
	for i := range s.entries {
		e := &s.entries[i]
		var p Prediction
		switch {
		case s.topK && r.topK(&p, e):
		case e.score.elements() > 0:
			r.scored(&p, e, unitScore)
		default:
			r.unscored(&p, e, unitPlain)
		}
		if e.conf.scalar() && e.conf.inUnit() {
			p.Confidence, p.HasConfidence = clampUnit(e.conf.first), true
		}
		dst = append(dst, p)
	}
	return dst
}

// expand reads a text that is itself a JSON object or array, as servers of
// language models put into tensors of bytes.
func (r *Reader) expand(e *entry) {
	text := e.plain.text
	if e.plain.texts != 1 || e.plain.n > 0 || text == "" || text[0] != '{' && text[0] != '[' {
		return
	}
	if shape := scan(bytesOf(text)); shape.open || shape.tokens || shape.depth > MaxDepth || !gjson.Valid(text) {
		return
	}
	var inner entry
	inner.value(gjson.Parse(text), nesting)
	if inner.label.elements()+inner.score.elements()+inner.conf.elements() > 0 {
		*e = inner
	}
}

// unscored resolves an entry without a score: a label, or a bare output.
func (r *Reader) unscored(p *Prediction, e *entry, unit bool) {
	if r.label(p, &e.label) {
		return
	}
	bare := &e.plain
	if bare.elements() == 0 {
		bare = &e.label
		unit = bare.inUnit()
	}
	switch {
	case bare.scalar():
		r.number(p, bare.first, unit)
	case bare.vector():
		r.distributed(p, bare)
	case bare.texts == 1 && bare.n == 1 && bare.bad == 0:
		// A pair such as ["yes", 0.9].
		r.setClass(p, r.names.class(bare.text))
		if bare.inUnit() {
			p.Confidence, p.HasConfidence = clampUnit(bare.first), true
		}
	case bare.texts > 0 || bare.bools > 0:
		r.label(p, bare)
	}
}

// scored resolves an entry with a score, which is the label's own if there is a
// label.
func (r *Reader) scored(p *Prediction, e *entry, unit bool) {
	label := &e.label
	if label.elements() == 0 {
		label = &e.plain
	}
	labelled := r.label(p, label) || r.chosen(p, e)
	score := &e.score
	switch {
	case !labelled && score.scalar():
		r.number(p, score.first, unit)
	case !labelled:
		r.distributed(p, score)
	case score.scalar() && score.inUnit():
		p.Confidence, p.HasConfidence = labelScore(label, score.first), true
		p.Value, p.HasValue = score.first, true
	case score.scalar():
		p.Value, p.HasValue = score.first, true
	case score.vector() && score.inUnit():
		p.Confidence, p.HasConfidence = vectorScore(label, score)
		if score.n == 2 {
			p.Value, p.HasValue = clampUnit(score.last), true
		}
	}
	if !labelled && label.scalar() && !p.HasValue {
		p.Value, p.HasValue = label.first, true
	}
}

// labelScore is the confidence that a lone score of a label stands for. Beside
// the label 0 a score below one half is the probability of 1.
func labelScore(label *row, score float64) float64 {
	if label.n == 1 && label.first == 0 && score < 0.5 {
		return clampUnit(1 - score)
	}
	return clampUnit(score)
}

// vectorScore is the element of a score vector that belongs to the label. Of
// more than two elements only the largest is known; a numeric label that is not
// its index has no known score.
func vectorScore(label, score *row) (confidence float64, ok bool) {
	switch {
	case label.n == 0 || label.first == float64(score.argmax):
		return clampUnit(score.max), true
	case score.n == 2 && label.first == 0:
		return clampUnit(score.first), true
	case score.n == 2 && label.first == 1:
		return clampUnit(score.last), true
	}
	return 0, false
}

// label takes a row that is one text, one boolean or one whole number as the
// class.
func (r *Reader) label(p *Prediction, label *row) bool {
	switch {
	case label.bad > 0:
		return false
	case label.texts == 1 && label.n == 0:
		r.setClass(p, r.names.class(label.text))
	case label.texts > 0 || label.n != 1:
		return false
	case label.bools == 1:
		r.setClass(p, r.boolName(label.first == 1))
	case isIndex(label.first):
		r.setClass(p, r.className(int64(label.first)))
	default:
		return false
	}
	return true
}

// chosen takes the label with the highest score when the entry has as many
// labels as scores.
func (r *Reader) chosen(p *Prediction, e *entry) (found bool) {
	if e.labels == "" || !e.score.vector() || e.label.texts != e.score.n || e.label.elements() != e.score.n {
		return false
	}
	i := int32(0)
	gjson.Parse(e.labels).ForEach(func(_, v gjson.Result) bool {
		if found = i == e.score.argmax && v.Type == gjson.String; found {
			r.setClass(p, r.names.class(v.Str))
		}
		i++
		return !found
	})
	return found
}

// number takes a lone number: an index if there are more than two classes to
// index, the probability of the second class if it may be one, else the result
// of a regression.
func (r *Reader) number(p *Prediction, x float64, unit bool) {
	switch {
	case len(r.classes) > 2 && isIndex(x) && x >= 0 && x < float64(len(r.classes)):
		r.setClass(p, r.classes[int(x)])
	case len(r.classes) > 2 || !unit:
		p.Value, p.HasValue = x, true
	default:
		x = clampUnit(x)
		class := int64(0)
		if x >= r.threshold {
			class = 1
		}
		r.setClass(p, r.className(class))
		p.Confidence, p.HasConfidence = max(x, 1-x), true
		p.Value, p.HasValue = x, true
	}
}

// distributed takes a vector: probabilities of the classes, or one number of
// any kind for each of the classes named in Options.
func (r *Reader) distributed(p *Prediction, v *row) {
	switch {
	case v.distribution():
		p.Confidence, p.HasConfidence = clampUnit(v.max), true
		if v.n == 2 {
			p.Value, p.HasValue = clampUnit(v.last), true
		}
	case !v.vector() || int(v.n) != len(r.classes):
		return
	}
	r.setClass(p, r.className(int64(v.argmax)))
}

// topK takes the first of the classes that Triton lists, best first, when a
// request asks for classification: "value:index" or "value:index:label".
func (r *Reader) topK(p *Prediction, e *entry) bool {
	value, rest, _ := strings.Cut(e.plain.text, ":")
	digits, label, named := strings.Cut(rest, ":")
	score, err := strconv.ParseFloat(value, 64)
	if err != nil || math.IsNaN(score) || math.IsInf(score, 0) {
		return false
	}
	index, err := strconv.ParseUint(digits, 10, 31)
	if err != nil {
		return false
	}
	if named && label != "" {
		r.setClass(p, r.names.class(label))
	} else {
		r.setClass(p, r.className(int64(index)))
	}
	if score >= 0 && score <= 1 {
		p.Confidence, p.HasConfidence = score, true
	} else {
		p.Value, p.HasValue = score, true
	}
	return true
}

func (r *Reader) setClass(p *Prediction, name string) { p.Class, p.HasClass = name, true }

// className is the name of the class with an index.
func (r *Reader) className(i int64) string {
	if i >= 0 && i < int64(len(r.classes)) {
		return r.classes[i]
	}
	return r.names.index(i)
}

// boolName is the class of a boolean: the second of two names for true.
func (r *Reader) boolName(b bool) string {
	switch {
	case len(r.classes) == 2 && b:
		return r.classes[1]
	case len(r.classes) == 2:
		return r.classes[0]
	case b:
		return "true"
	}
	return "false"
}

// isIndex reports whether x is a whole number that float64 holds exactly.
func isIndex(x float64) bool { return x == math.Trunc(x) && math.Abs(x) < 1<<53 }
