package inference

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/encoding/protowire"
)

func TestReadModelInfer(t *testing.T) {
	shape := func(n ...uint64) []uint64 { return n }
	negative := func(n int64) uint64 { return uint64(n) }
	one := grpcBody(inferRequest{id: "a", batch: 1}.encode())
	var topK = grpcBody(inferRequest{batch: 1, extra: []byte("\x32\x10\x12\x0eclassification")}.encode())
	ok := inferResponse(inferOutput{name: "p", datatype: "FP32", shape: shape(1), raw: rawFP32(.75)})

	testRead(t, Options{}, OpenInferenceGRPC, []readCase{
		{"raw scalars", "", grpcBody(inferResponse(inferOutput{name: "p", datatype: "FP32", shape: shape(2, 1), raw: rawFP32(.75, .25)})),
			all(prob(.75), prob(.25))},
		{"raw vectors", "", grpcBody(inferResponse(inferOutput{name: "p", datatype: "FP64", shape: shape(2, 2), raw: rawFP64(.25, .75, .6, .4)})),
			all(class("1").conf(.75).val(.75), class("0").conf(.6).val(.4))},
		{"raw texts", "", grpcBody(inferResponse(inferOutput{name: "y", datatype: "BYTES", shape: shape(2), raw: rawTexts("yes", "no")})),
			all(class("yes"), class("no"))},
		{"raw booleans", "", grpcBody(inferResponse(inferOutput{name: "y", datatype: "BOOL", shape: shape(2), raw: []byte{1, 0}})),
			all(class("true"), class("false"))},
		{"typed floats, packed", "", grpcBody(inferResponse(inferOutput{name: "p", datatype: "FP32", shape: shape(1, 2),
			contents: bytesField(nil, fieldFloat32, rawFP32(.25, .75))})), all(class("1").conf(.75).val(.75))},
		{"typed doubles, unpacked", "", grpcBody(inferResponse(inferOutput{name: "p", datatype: "FP64", shape: shape(2), unpackedShape: true,
			contents: protowire.AppendFixed64(protowire.AppendTag(
				protowire.AppendFixed64(protowire.AppendTag(nil, fieldFloat64, protowire.Fixed64Type), math.Float64bits(.75)),
				fieldFloat64, protowire.Fixed64Type), math.Float64bits(2))})), all(value(.75), value(2))},
		{"typed ints, packed", "", grpcBody(inferResponse(inferOutput{name: "y", datatype: "INT64", shape: shape(3),
			contents: bytesField(nil, fieldInt64, packed(negative(-3), 0, 1<<40))})), all(value(-3), value(0), value(1<<40))},
		{"typed int32, unpacked", "", grpcBody(inferResponse(inferOutput{name: "label", datatype: "INT32", shape: shape(1),
			contents: protowire.AppendVarint(protowire.AppendTag(nil, fieldInt, protowire.VarintType), negative(-1))})), all(class("-1"))},
		{"typed unsigned", "", grpcBody(inferResponse(inferOutput{name: "y", datatype: "UINT64", shape: shape(1),
			contents: bytesField(nil, fieldUint64, packed(7))})), all(value(7))},
		{"typed booleans", "", grpcBody(inferResponse(inferOutput{name: "y", datatype: "BOOL", shape: shape(2),
			contents: bytesField(nil, fieldBool, packed(0, 1))})), all(class("false"), class("true"))},
		{"typed texts", "", grpcBody(inferResponse(inferOutput{name: "y", datatype: "BYTES", shape: shape(1),
			contents: bytesField(nil, fieldBytes, []byte("yes"))})), all(class("yes"))},
		{"label and probabilities, raw", "", grpcBody(inferResponse(
			inferOutput{name: "probabilities", datatype: "FP32", shape: shape(1, 3), raw: rawFP32(.1, .7, .2)},
			inferOutput{name: "label", datatype: "BYTES", shape: shape(1), raw: rawTexts("cat")})), all(class("cat").conf(.7))},
		{"one instance, vector of rank 1", one, grpcBody(inferResponse(inferOutput{name: "p", datatype: "FP32", shape: shape(3), raw: rawFP32(.1, .7, .2)})),
			all(class("1").conf(.7))},
		{"classification of Triton", topK, grpcBody(inferResponse(inferOutput{name: "p", datatype: "BYTES", shape: shape(1, 2), raw: rawTexts("0.75:281:tabby", "0.2:282:tiger")})),
			all(class("tabby").conf(.75))},
		{"not a number", "", grpcBody(inferResponse(inferOutput{name: "p", datatype: "FP32", shape: shape(2), raw: rawFP32(float32(math.NaN()), .75)})),
			all(unread, prob(.75))},
		{"two messages", "", grpcBody(ok, ok), all(prob(.75), prob(.75))},
		{"no message", "", "\x00", nil},
		{"compressed", "", "\x01" + grpcBody(ok)[1:], nil},
		{"cut short", "", grpcBody(ok)[:20], nil},
		{"second message cut short", "", grpcBody(ok, ok)[:len(grpcBody(ok))+9], nil},
		{"no outputs", "", grpcBody(inferResponse()), nil},
		{"malformed", "", grpcBody([]byte{0x2a, 0xff}), nil},
		{"malformed tensor", "", grpcBody(bytesField(nil, fieldTensors, []byte{0x1a, 0xff})), nil},
		{"raw of the wrong length", "", grpcBody(inferResponse(inferOutput{name: "p", datatype: "FP32", shape: shape(1), raw: []byte{1, 2, 3}})), nil},
		{"raw of another count", "", grpcBody(inferResponse(inferOutput{name: "p", datatype: "FP32", shape: shape(2), raw: rawFP32(1)})), nil},
		{"raw text cut short", "", grpcBody(inferResponse(inferOutput{name: "p", datatype: "BYTES", shape: shape(1), raw: rawTexts("yes")[:5]})), nil},
		{"unknown datatype", "", grpcBody(inferResponse(inferOutput{name: "p", datatype: "FP8", shape: shape(1), raw: []byte{1}})), nil},
		{"negative shape", "", grpcBody(inferResponse(inferOutput{name: "p", datatype: "FP32", shape: shape(negative(-1)), raw: rawFP32(1)})), nil},
		{"field of the wrong type", "", grpcBody(inferResponse(inferOutput{name: "p", datatype: "FP32", shape: shape(1),
			contents: protowire.AppendVarint(protowire.AppendTag(nil, fieldFloat32, protowire.VarintType), 1)})), nil},
		{"JSON", "", `{"outputs":[]}`, nil},
	})
}

// Raw contents may precede the outputs they belong to: protocol buffers do not
// order fields.
func TestRawContentsFirst(t *testing.T) {
	output := inferResponse(inferOutput{name: "p", datatype: "FP32", shape: []uint64{1}})
	body := grpcBody(append(bytesField(nil, fieldRawOutputs, rawFP32(.75)), output...))
	got, ok := newReader(t, Options{}).Read(nil, OpenInferenceGRPC, nil, []byte(body), "application/grpc")
	if diff := cmp.Diff(all(prob(.75)), got); !ok || diff != "" {
		t.Errorf("ok = %v (-want +got):\n%s", ok, diff)
	}
}

func TestElements(t *testing.T) {
	le := binary.LittleEndian
	u16 := func(v uint16) []byte { return le.AppendUint16(nil, v) }
	u32 := func(v uint32) []byte { return le.AppendUint32(nil, v) }
	u64 := func(v uint64) []byte { return le.AppendUint64(nil, v) }
	for _, tc := range []struct {
		datatype string
		raw      []byte
		want     float64
	}{
		{"UINT8", []byte{200}, 200},
		{"INT8", []byte{200}, -56},
		{"UINT16", u16(65535), 65535},
		{"INT16", u16(65535), -1},
		{"UINT32", u32(math.MaxUint32), math.MaxUint32},
		{"INT32", u32(math.MaxUint32), -1},
		{"UINT64", u64(1 << 60), 1 << 60},
		{"INT64", u64(math.MaxUint64), -1},
		{"FP32", rawFP32(-1.5), -1.5},
		{"FP64", rawFP64(-1.5), -1.5},
		{"BF16", u16(0x3fc0), 1.5},
		// Values of IEEE 754 binary16.
		{"FP16", u16(0x3c00), 1},
		{"FP16", u16(0x3c01), 1 + 1.0/1024},
		{"FP16", u16(0xc000), -2},
		{"FP16", u16(0x7bff), 65504},
		{"FP16", u16(0x0400), math.Ldexp(1, -14)},
		{"FP16", u16(0x0001), math.Ldexp(1, -24)},
		{"FP16", u16(0x03ff), math.Ldexp(1023, -24)},
		{"FP16", u16(0x0000), 0},
		{"FP16", u16(0x7c00), math.Inf(1)},
		{"FP16", u16(0xfc00), math.Inf(-1)},
		{"FP16", u16(0x7c01), math.NaN()},
		{"FP16", u16(0x3555), 0.333251953125},
	} {
		if n := elementSize(tc.datatype); n != len(tc.raw) {
			t.Errorf("%s has %d bytes, want %d", tc.datatype, n, len(tc.raw))
		}
		if got := element(tc.datatype, tc.raw); !cmp.Equal(tc.want, got, cmpopts.EquateNaNs()) {
			t.Errorf("%s %x = %v, want %v", tc.datatype, tc.raw, got, tc.want)
		}
	}
}

func TestReadBinary(t *testing.T) {
	const head = `{"model_name":"m","outputs":[` +
		`{"name":"label","datatype":"BYTES","shape":[2],"parameters":{"binary_data_size":13}},` +
		`{"name":"score","datatype":"FP32","shape":[2],"parameters":{"binary_data_size":8}}]}`
	tail := string(rawTexts("yes", "no")) + string(rawFP32(.75, .5))
	want := all(class("yes").conf(.75).val(.75), class("no").conf(.5).val(.5))
	for name, tc := range map[string]struct {
		body string
		head int
		want []Prediction
	}{
		"whole":          {head + tail, len(head), want},
		"one in JSON":    {`{"outputs":[{"name":"y","shape":[1],"datatype":"FP32","data":[0.75]}]}`, 70, all(prob(.75))},
		"tail too long":  {head + tail + "x", len(head), nil},
		"tail too short": {head + tail[:20], len(head), nil},
		"head too long":  {head + tail, len(head + tail + "x"), nil},
		"no head":        {head + tail, 0, nil},
		"negative head":  {head + tail, -1, nil},
		"head cut short": {head + tail, 10, nil},
		"head of a list": {`[]`, 2, nil},
		"negative size":  {`{"outputs":[{"shape":[1],"datatype":"FP32","parameters":{"binary_data_size":-4}}]}`, 82, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := newReader(t, Options{}).ReadBinary(nil, nil, []byte(tc.body), tc.head)
			if ok != (tc.want != nil) {
				t.Fatalf("ok = %v", ok)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("predictions differ (-want +got):\n%s", diff)
			}
		})
	}
}
