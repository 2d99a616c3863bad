package inference

import (
	"encoding/binary"
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"pgregory.net/rapid"
)

// The messages of inference.GRPCInferenceService that are read, as a descriptor,
// so that the protocol buffers library can write them.
const inferProto = `
name: "infer.proto" package: "inference" syntax: "proto3"
message_type {
  name: "InferTensorContents"
  field { name: "bool_contents"   number: 1 label: LABEL_REPEATED type: TYPE_BOOL }
  field { name: "int_contents"    number: 2 label: LABEL_REPEATED type: TYPE_INT32 }
  field { name: "int64_contents"  number: 3 label: LABEL_REPEATED type: TYPE_INT64 }
  field { name: "uint_contents"   number: 4 label: LABEL_REPEATED type: TYPE_UINT32 }
  field { name: "uint64_contents" number: 5 label: LABEL_REPEATED type: TYPE_UINT64 }
  field { name: "fp32_contents"   number: 6 label: LABEL_REPEATED type: TYPE_FLOAT }
  field { name: "fp64_contents"   number: 7 label: LABEL_REPEATED type: TYPE_DOUBLE }
  field { name: "bytes_contents"  number: 8 label: LABEL_REPEATED type: TYPE_BYTES }
}
message_type {
  name: "InferOutputTensor"
  field { name: "name"     number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
  field { name: "datatype" number: 2 label: LABEL_OPTIONAL type: TYPE_STRING }
  field { name: "shape"    number: 3 label: LABEL_REPEATED type: TYPE_INT64 }
  field { name: "contents" number: 5 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".inference.InferTensorContents" }
}
message_type {
  name: "ModelInferResponse"
  field { name: "model_name"    number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
  field { name: "model_version" number: 2 label: LABEL_OPTIONAL type: TYPE_STRING }
  field { name: "id"            number: 3 label: LABEL_OPTIONAL type: TYPE_STRING }
  field { name: "outputs"       number: 5 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: ".inference.InferOutputTensor" }
  field { name: "raw_output_contents" number: 6 label: LABEL_REPEATED type: TYPE_BYTES }
}`

func inferDescriptors(t testing.TB) protoreflect.MessageDescriptors {
	t.Helper()
	var file descriptorpb.FileDescriptorProto
	if err := prototext.Unmarshal([]byte(inferProto), &file); err != nil {
		t.Fatal(err)
	}
	built, err := protodesc.NewFile(&file, nil)
	if err != nil {
		t.Fatal(err)
	}
	return built.Messages()
}

func setField(m protoreflect.Message, name protoreflect.Name, v any) {
	m.Set(m.Descriptor().Fields().ByName(name), protoreflect.ValueOf(v))
}

func appendTo(m protoreflect.Message, name protoreflect.Name, values ...any) {
	list := m.Mutable(m.Descriptor().Fields().ByName(name)).List()
	for _, v := range values {
		list.Append(protoreflect.ValueOf(v))
	}
}

// numeric is a datatype: the field that holds its elements, and how they are
// written there and as raw bytes.
type numeric struct {
	datatype string
	field    protoreflect.Name
	min, max int64
	typed    func(int64) any
	raw      func([]byte, int64) []byte
}

var le = binary.LittleEndian

var numerics = []numeric{
	{"INT8", "int_contents", math.MinInt8, math.MaxInt8, func(v int64) any { return int32(v) }, func(b []byte, v int64) []byte { return append(b, byte(v)) }},
	{"INT16", "int_contents", math.MinInt16, math.MaxInt16, func(v int64) any { return int32(v) }, func(b []byte, v int64) []byte { return le.AppendUint16(b, uint16(v)) }},
	{"INT32", "int_contents", math.MinInt32, math.MaxInt32, func(v int64) any { return int32(v) }, func(b []byte, v int64) []byte { return le.AppendUint32(b, uint32(v)) }},
	{"INT64", "int64_contents", -1 << 52, 1 << 52, func(v int64) any { return v }, func(b []byte, v int64) []byte { return le.AppendUint64(b, uint64(v)) }},
	{"UINT8", "uint_contents", 0, math.MaxUint8, func(v int64) any { return uint32(v) }, func(b []byte, v int64) []byte { return append(b, byte(v)) }},
	{"UINT16", "uint_contents", 0, math.MaxUint16, func(v int64) any { return uint32(v) }, func(b []byte, v int64) []byte { return le.AppendUint16(b, uint16(v)) }},
	{"UINT32", "uint_contents", 0, math.MaxUint32, func(v int64) any { return uint32(v) }, func(b []byte, v int64) []byte { return le.AppendUint32(b, uint32(v)) }},
	{"UINT64", "uint64_contents", 0, 1 << 52, func(v int64) any { return uint64(v) }, func(b []byte, v int64) []byte { return le.AppendUint64(b, uint64(v)) }},
	{"FP32", "fp32_contents", -1 << 20, 1 << 20, func(v int64) any { return float32(v) }, func(b []byte, v int64) []byte { return le.AppendUint32(b, math.Float32bits(float32(v))) }},
	{"FP64", "fp64_contents", -1 << 50, 1 << 50, func(v int64) any { return float64(v) }, func(b []byte, v int64) []byte { return le.AppendUint64(b, math.Float64bits(float64(v))) }},
}

// Whatever the protocol buffers library writes is read back, in every datatype,
// typed and raw.
func TestLibraryEncodedResponses(t *testing.T) {
	messages := inferDescriptors(t)
	r := newReader(t, Options{})
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(numerics).Draw(t, "datatype")
		// The first lies outside [0, 1], so that all are values.
		values := append([]int64{7}, rapid.SliceOfN(rapid.Int64Range(kind.min, kind.max), 0, 8).Draw(t, "values")...)

		output := dynamicpb.NewMessage(messages.ByName("InferOutputTensor"))
		setField(output, "name", "y")
		setField(output, "datatype", kind.datatype)
		appendTo(output, "shape", int64(len(values)))
		response := dynamicpb.NewMessage(messages.ByName("ModelInferResponse"))
		setField(response, "id", "42")
		var want []Prediction
		for _, v := range values {
			want = append(want, value(float64(v)))
		}
		if rapid.Bool().Draw(t, "raw") {
			var raw []byte
			for _, v := range values {
				raw = kind.raw(raw, v)
			}
			appendTo(response, "raw_output_contents", raw)
		} else {
			contents := dynamicpb.NewMessage(messages.ByName("InferTensorContents"))
			for _, v := range values {
				appendTo(contents, kind.field, kind.typed(v))
			}
			setField(output, "contents", contents)
		}
		appendTo(response, "outputs", output)

		encoded, err := proto.Marshal(response)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := r.Read(nil, OpenInferenceGRPC, nil, []byte(grpcBody(encoded)), "application/grpc")
		if diff := cmp.Diff(want, got); !ok || diff != "" {
			t.Fatalf("%v: ok = %v (-want +got):\n%s", response, ok, diff)
		}
	})
}

func TestLibraryEncodedTexts(t *testing.T) {
	messages := inferDescriptors(t)
	r := newReader(t, Options{})
	rapid.Check(t, func(t *rapid.T) {
		// Letters only: what looks like JSON is read as such.
		texts := rapid.SliceOfN(rapid.StringMatching(`[a-zé]{0,20}`), 1, 8).Draw(t, "texts")
		output := dynamicpb.NewMessage(messages.ByName("InferOutputTensor"))
		setField(output, "datatype", "BYTES")
		appendTo(output, "shape", int64(len(texts)), int64(1))
		response := dynamicpb.NewMessage(messages.ByName("ModelInferResponse"))
		contents := dynamicpb.NewMessage(messages.ByName("InferTensorContents"))
		var want []Prediction
		for _, text := range texts {
			want = append(want, class(text))
			appendTo(contents, "bytes_contents", []byte(text))
		}
		if rapid.Bool().Draw(t, "raw") {
			appendTo(response, "raw_output_contents", rawTexts(texts...))
		} else {
			setField(output, "contents", contents)
		}
		appendTo(response, "outputs", output)
		encoded, err := proto.Marshal(response)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := r.Read(nil, OpenInferenceGRPC, nil, []byte(grpcBody(encoded)), "application/grpc")
		if diff := cmp.Diff(want, got); !ok || diff != "" {
			t.Fatalf("%q: ok = %v (-want +got):\n%s", texts, ok, diff)
		}
	})
}

func ExampleReader_Read() {
	r, err := New(Options{Classes: []string{"stays", "leaves"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	body := []byte(`{"model_name":"churn","outputs":[{"name":"p","shape":[2,1],"datatype":"FP64","data":[0.25,0.75]}]}`)
	preds, ok := r.Read(nil, Detect("POST", "/v2/models/churn/infer", "application/json"), nil, body, "application/json")
	fmt.Println(ok)
	for _, p := range preds {
		fmt.Println(p.Class, p.Confidence, p.Value)
	}
	// Output:
	// true
	// stays 0.75 0.25
	// leaves 0.75 0.75
}
