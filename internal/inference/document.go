package inference

import "github.com/tidwall/gjson"

// document reads a JSON response of any protocol by its members; the path has
// said no more than what to expect. It fills s.entries, or s.direct where the
// predictions need no resolving, and reports whether it found an answer.
func (s *scratch) document(root gjson.Result, reqBody []byte) bool {
	if root.IsArray() {
		return s.list(root)
	}
	if !root.IsObject() {
		return s.rows(root)
	}
	var m members
	m.read(root)
	if m.outputs.IsArray() {
		// Tensors of the Open Inference Protocol, or TensorFlow Serving's only
		// output.
		ok := s.tensorsOf(m.outputs)
		if len(s.tensors) > 0 {
			return ok && s.read(reqBody, requestBatch)
		}
	}
	switch {
	case m.predictions.Exists():
		return s.rows(m.predictions)
	case m.outputs.IsObject():
		return s.columns(m.outputs)
	case m.outputs.Exists():
		return s.rows(m.outputs)
	case m.choices.IsArray():
		return s.choices(m.choices, m.usage)
	case isReport(m.err):
		return false
	case m.result.Exists():
		return s.rows(m.result)
	}
	e := s.grow(1)
	if e[0].members(root, nesting) || e[0].mapping(root) {
		return true
	}
	s.entries = s.entries[:0]
	return m.data.Exists() && s.rows(m.data)
}

// members are the members of a response that decide how it is read.
type members struct {
	outputs, predictions, result, choices, usage, data, err gjson.Result
}

func (m *members) read(root gjson.Result) {
	root.ForEach(func(key, v gjson.Result) bool {
		switch key.Str {
		case "outputs":
			m.outputs = v
		case "predictions":
			m.predictions = v
		case "result", "results":
			m.result = v
		case "choices":
			m.choices = v
		case "usage":
			m.usage = v
		case "data", "output", "response":
			m.data = v
		case "error":
			m.err = v
		}
		return true
	})
}

// rows reads a list with one element for each prediction, or a single one.
func (s *scratch) rows(v gjson.Result) bool {
	if !v.IsArray() {
		s.grow(1)[0].value(v, nesting)
		return true
	}
	v.ForEach(func(_, item gjson.Result) bool {
		e := s.grow(1)
		e[0].value(item, nesting)
		return len(s.entries) < MaxPredictions
	})
	return true
}

// list reads a document that is a list. It is one prediction for each element,
// except where that cannot be meant: numbers that sum to one, and labels whose
// scores do.
func (s *scratch) list(root gjson.Result) bool {
	var whole entry
	whole.plain.json(root)
	if whole.plain.distribution() && isFlat(root) {
		s.grow(1)[0] = whole
		return true
	}
	s.rows(root)
	var scores row
	for i := range s.entries {
		e := &s.entries[i]
		if e.label.texts != 1 || !e.score.scalar() {
			return true
		}
		scores.number(e.score.first)
	}
	if scores.distribution() {
		s.entries[0] = s.entries[scores.argmax]
		s.entries = s.entries[:1]
	}
	return true
}

// isFlat reports whether a list holds no other list.
func isFlat(v gjson.Result) bool {
	flat := true
	v.ForEach(func(_, item gjson.Result) bool {
		flat = item.Type != gjson.JSON
		return flat
	})
	return flat
}

// choices reads the completions of a unary answer of OpenAI's API. The tokens
// are told for the answer as a whole, so only a lone completion has a value.
func (s *scratch) choices(v, usage gjson.Result) bool {
	v.ForEach(func(_, choice gjson.Result) bool {
		var p Prediction
		if reason := choice.Get("finish_reason"); reason.Type == gjson.String {
			p.Class, p.HasClass = constant(reason.Str), true
		}
		s.direct = append(s.direct, p)
		return len(s.direct) < MaxPredictions
	})
	if tokens, ok := outputTokens(usage); ok && len(s.direct) == 1 {
		s.direct[0].Value, s.direct[0].HasValue = float64(tokens), true
	}
	return true
}

// openAI reads an answer of OpenAI's API. Embeddings and other lists of data are
// read, with no prediction in them.
func (s *scratch) openAI(root gjson.Result) bool {
	var m members
	m.read(root)
	switch {
	case isReport(m.err):
		return false
	case m.choices.IsArray():
		return s.choices(m.choices, m.usage)
	case root.Get("object").Str == "response":
		p := Prediction{Class: constant(root.Get("status").Str)}
		p.HasClass = p.Class != ""
		if tokens, ok := outputTokens(m.usage); ok {
			p.Value, p.HasValue = float64(tokens), true
		}
		s.direct = append(s.direct, p)
		return true
	}
	return m.data.IsArray()
}
