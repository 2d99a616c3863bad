package inference

import "github.com/tidwall/gjson"

// tensorsOf collects the outputs of an Open Inference Protocol response in
// s.tensors, none of them if the first is no tensor. It returns false if one of
// them contradicts itself.
func (s *scratch) tensorsOf(outputs gjson.Result) bool {
	ok := true
	outputs.ForEach(func(_, output gjson.Result) bool {
		var t tensor
		isTensor := false
		if isTensor, ok = t.json(output); !isTensor && len(s.tensors) == 0 {
			return false
		}
		s.tensors = append(s.tensors, t)
		return ok && len(s.tensors) < maxOutputs
	})
	return ok
}

// json reads one output. It is a tensor if it has any member of its own; ok is
// false if its data and shape contradict each other.
func (t *tensor) json(output gjson.Result) (isTensor, ok bool) {
	shape, shaped := newShaper(), false
	output.ForEach(func(key, v gjson.Result) bool {
		switch key.Str {
		case "name":
			t.as = outputRole(v.Str)
		case "datatype":
			t.datatype = v.Str
			isTensor = true
		case "data":
			t.data = v.Raw
			isTensor = true
		case "shape":
			shaped = v.IsArray()
			isTensor = true
			shape.json(v)
		case "parameters":
			if size := v.Get("binary_data_size"); size.Type == gjson.Number {
				t.rawSize = int(min(max(size.Num, -1), 1<<31))
			}
		}
		return true
	})
	if !shaped {
		return isTensor, t.data != "" && t.nested(gjson.Parse(t.data))
	}
	return isTensor, shape.settle(t)
}

// json adds dimensions given as a list of numbers.
func (s *shaper) json(dimensions gjson.Result) {
	dimensions.ForEach(func(_, n gjson.Result) bool {
		if n.Type != gjson.Number || !isIndex(n.Num) {
			s.bad = true
		}
		s.add(int64(n.Num))
		return true
	})
}

// nested takes rows and columns from the data itself: an element of the outer
// list for each instance.
func (t *tensor) nested(data gjson.Result) bool {
	var all row
	all.json(data)
	elements := int(all.elements())
	t.rows = 1
	if data.IsArray() {
		t.rows = 0
		data.ForEach(func(_, _ gjson.Result) bool {
			t.rows++
			return true
		})
	}
	if t.rows == 0 {
		return true
	}
	t.cols = elements / t.rows
	return t.cols > 0 && elements%t.rows == 0
}

// columns reads TensorFlow Serving's column format with several outputs, which
// maps names to tensors.
func (s *scratch) columns(outputs gjson.Result) bool {
	ok := true
	outputs.ForEach(func(key, v gjson.Result) bool {
		t := tensor{as: outputRole(key.Str), data: v.Raw}
		ok = t.nested(v)
		s.tensors = append(s.tensors, t)
		return ok && len(s.tensors) < maxOutputs
	})
	return ok && s.read(nil, requestBatch)
}

// requestBatch is the number of instances of a request: the first dimension of
// its first input, 0 if it does not say.
func requestBatch(reqBody []byte) int64 {
	return gjson.Get(view(reqBody), "inputs.0.shape.0").Int()
}

// attach gives the outputs of Triton's binary extension their part of the bytes
// that follow the JSON head.
func (s *scratch) attach(tail []byte) bool {
	for i := range s.tensors {
		t := &s.tensors[i]
		if t.data != "" {
			continue
		}
		if t.rawSize < 0 || t.rawSize > len(tail) {
			return false
		}
		t.raw, tail = tail[:t.rawSize:t.rawSize], tail[t.rawSize:]
	}
	return len(tail) == 0
}
