package inference

import (
	"encoding/binary"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers of the messages of inference.GRPCInferenceService that are read.
const (
	fieldID         = 3 // of ModelInferRequest and ModelInferResponse
	fieldTensors    = 5 // inputs of the one, outputs of the other
	fieldRawOutputs = 6

	fieldName     = 1 // of a tensor
	fieldDatatype = 2
	fieldShape    = 3
	fieldContents = 5

	fieldBool    = 1 // of InferTensorContents
	fieldInt     = 2
	fieldInt64   = 3
	fieldUint    = 4
	fieldUint64  = 5
	fieldFloat32 = 6
	fieldFloat64 = 7
	fieldBytes   = 8
)

// frame is the length of the prefix of a gRPC message: a byte that is 1 when the
// message is compressed, and the length in four bytes.
const frame = 5

// nextMessage takes the first message from a gRPC body. A compressed or
// incomplete message is not read.
func nextMessage(body []byte) (message, rest []byte, ok bool) {
	if len(body) < frame || body[0] != 0 {
		return nil, nil, false
	}
	n := binary.BigEndian.Uint32(body[1:frame])
	body = body[frame:]
	if uint64(n) > uint64(len(body)) {
		return nil, nil, false
	}
	return body[:n], body[n:], true
}

// fields calls visit with each field of a message until it returns false. Of a
// length-delimited field b is the content, of any other the encoded value. The
// result is false if the message is malformed or visit returned false.
func fields(message []byte, visit func(n protowire.Number, t protowire.Type, b []byte) bool) bool {
	for len(message) > 0 {
		num, typ, n := protowire.ConsumeTag(message)
		if n < 0 {
			return false
		}
		message = message[n:]
		n = protowire.ConsumeFieldValue(num, typ, message)
		if n < 0 {
			return false
		}
		value := message[:n]
		if typ == protowire.BytesType {
			value, _ = protowire.ConsumeBytes(value)
		}
		if !visit(num, typ, value) {
			return false
		}
		message = message[n:]
	}
	return true
}

// modelInfer collects the outputs of a ModelInferResponse in s.tensors.
func (s *scratch) modelInfer(message []byte) bool {
	raws := 0
	ok := fields(message, func(num protowire.Number, typ protowire.Type, b []byte) bool {
		switch {
		case typ != protowire.BytesType:
		case num == fieldTensors && len(s.tensors) < maxOutputs:
			var t tensor
			if !t.proto(b) {
				return false
			}
			s.tensors = append(s.tensors, t)
		case num == fieldRawOutputs && raws < maxOutputs:
			s.raws[raws] = b
			raws++
		}
		return true
	})
	// Raw contents come in the order of the outputs, possibly before them.
	for i := range s.tensors[:min(raws, len(s.tensors))] {
		s.tensors[i].raw = s.raws[i]
	}
	return ok
}

// proto reads an InferOutputTensor, or the shape of an InferInputTensor, whose
// fields have the same numbers.
func (t *tensor) proto(message []byte) bool {
	shape := newShaper()
	ok := fields(message, func(num protowire.Number, typ protowire.Type, b []byte) bool {
		switch {
		case num == fieldShape:
			return varints(typ, b, func(n uint64) { shape.add(int64(n)) })
		case typ != protowire.BytesType:
		case num == fieldName:
			t.as = outputRole(view(b))
		case num == fieldDatatype:
			t.datatype = view(b)
		case num == fieldContents:
			t.contents = b
		}
		return true
	})
	return ok && shape.settle(t)
}

// varints visits one unpacked or any number of packed varints.
func varints(typ protowire.Type, b []byte, visit func(uint64)) bool {
	if typ != protowire.VarintType && typ != protowire.BytesType {
		return false
	}
	for len(b) > 0 {
		v, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return false
		}
		visit(v)
		b = b[n:]
	}
	return true
}

// contents reads the elements of an InferTensorContents message.
func (f *filler) contents(message []byte) bool {
	return fields(message, func(num protowire.Number, typ protowire.Type, b []byte) bool {
		switch num {
		case fieldBool, fieldInt, fieldInt64, fieldUint, fieldUint64:
			return varints(typ, b, func(v uint64) { f.varint(num, v) })
		case fieldFloat32, fieldFloat64:
			return f.floats(num, typ, b)
		case fieldBytes:
			if typ != protowire.BytesType {
				return false
			}
			f.next().string(view(b))
		}
		return true
	})
}

func (f *filler) varint(num protowire.Number, v uint64) {
	switch num {
	case fieldBool:
		f.next().boolean(v != 0)
	case fieldInt, fieldInt64:
		f.next().number(float64(int64(v)))
	default:
		f.next().number(float64(v))
	}
}

// floats reads one unpacked or any number of packed floating-point numbers.
func (f *filler) floats(num protowire.Number, typ protowire.Type, b []byte) bool {
	size, single := 4, protowire.Fixed32Type
	if num == fieldFloat64 {
		size, single = 8, protowire.Fixed64Type
	}
	if typ != single && typ != protowire.BytesType || len(b)%size != 0 {
		return false
	}
	for ; len(b) > 0; b = b[size:] {
		if size == 4 {
			f.next().number(float64(math.Float32frombits(binary.LittleEndian.Uint32(b))))
		} else {
			f.next().number(math.Float64frombits(binary.LittleEndian.Uint64(b)))
		}
	}
	return true
}

// requestBatchProto is [requestBatch] of a gRPC request.
func requestBatchProto(reqBody []byte) (batch int64) {
	message, _, ok := nextMessage(reqBody)
	if !ok {
		return 0
	}
	fields(message, func(num protowire.Number, typ protowire.Type, b []byte) bool {
		var t tensor
		if num != fieldTensors || typ != protowire.BytesType {
			return true
		}
		if t.proto(b) && t.rank > 0 {
			batch = int64(t.rows)
		}
		return false
	})
	return batch
}

// requestIDProto is the id of a ModelInferRequest, a view of the body.
func requestIDProto(reqBody []byte) (id string) {
	message, _, ok := nextMessage(reqBody)
	if !ok {
		return ""
	}
	fields(message, func(num protowire.Number, typ protowire.Type, b []byte) bool {
		if num == fieldID && typ == protowire.BytesType {
			id = view(b)
		}
		return true
	})
	return id
}
