package inference

import (
	"encoding/binary"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// The encoders below write what clients and servers of
// inference.GRPCInferenceService send.

// grpcBody puts the frames of a gRPC body around messages.
func grpcBody(messages ...[]byte) string {
	var b []byte
	for _, m := range messages {
		b = append(b, 0)
		b = binary.BigEndian.AppendUint32(b, uint32(len(m)))
		b = append(b, m...)
	}
	return string(b)
}

func bytesField(b []byte, n protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), v)
}

func packed(values ...uint64) (b []byte) {
	for _, v := range values {
		b = protowire.AppendVarint(b, v)
	}
	return b
}

type inferRequest struct {
	id    string
	batch uint64
	extra []byte
}

func (r inferRequest) encode() []byte {
	b := bytesField(nil, 1, []byte("churn"))
	b = bytesField(b, fieldID, []byte(r.id))
	input := bytesField(nil, fieldName, []byte("x"))
	input = bytesField(input, fieldDatatype, []byte("FP32"))
	input = bytesField(input, fieldShape, packed(r.batch, 19))
	b = bytesField(b, fieldTensors, input)
	return append(b, r.extra...)
}

type inferOutput struct {
	name, datatype string
	shape          []uint64
	contents       []byte
	raw            []byte
	unpackedShape  bool
}

func inferResponse(outputs ...inferOutput) []byte {
	b := bytesField(nil, 1, []byte("churn"))
	b = bytesField(b, 2, []byte("1"))
	b = bytesField(b, fieldID, []byte("42"))
	for _, o := range outputs {
		t := bytesField(nil, fieldName, []byte(o.name))
		t = bytesField(t, fieldDatatype, []byte(o.datatype))
		if o.unpackedShape {
			for _, n := range o.shape {
				t = protowire.AppendVarint(protowire.AppendTag(t, fieldShape, protowire.VarintType), n)
			}
		} else {
			t = bytesField(t, fieldShape, packed(o.shape...))
		}
		if o.contents != nil {
			t = bytesField(t, fieldContents, o.contents)
		}
		b = bytesField(b, fieldTensors, t)
	}
	for _, o := range outputs {
		if o.raw != nil {
			b = bytesField(b, fieldRawOutputs, o.raw)
		}
	}
	return b
}

func rawFP32(values ...float32) (b []byte) {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

func rawFP64(values ...float64) (b []byte) {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	}
	return b
}

func rawTexts(values ...string) (b []byte) {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(v)))
		b = append(b, v...)
	}
	return b
}
