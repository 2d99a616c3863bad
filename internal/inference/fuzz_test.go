package inference

import (
	"math"
	"testing"
	"unicode/utf8"
)

// checkPredictions fails unless every prediction keeps what its type promises.
func checkPredictions(t *testing.T, preds []Prediction) {
	t.Helper()
	if len(preds) > MaxPredictions {
		t.Fatalf("%d predictions", len(preds))
	}
	for i, p := range preds {
		switch {
		case p.HasConfidence && !(p.Confidence >= 0 && p.Confidence <= 1):
			t.Fatalf("prediction %d has confidence %v", i, p.Confidence)
		case math.IsNaN(p.Value) || math.IsInf(p.Value, 0):
			t.Fatalf("prediction %d has value %v", i, p.Value)
		case len(p.Class) > MaxClass || !utf8.ValidString(p.Class):
			t.Fatalf("prediction %d has class %q", i, p.Class)
		case !p.HasClass && p.Class != "", !p.HasConfidence && p.Confidence != 0, !p.HasValue && p.Value != 0:
			t.Fatalf("prediction %d has what it says it has not: %+v", i, p)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, body := range []string{
		`{"outputs":[{"name":"label","shape":[2,1],"datatype":"BYTES","data":["a","b"]},{"name":"p","shape":[2,2],"datatype":"FP32","data":[[0.1,NaN],[1,0]]}]}`,
		`{"outputs":[{"name":"p","shape":[2],"datatype":"BYTES","data":["0.5:1:x","{\"label\":\"y\",\"score\":1}"]}]}`,
		`{"outputs":{"classes":["a"],"scores":[[0.5,0.5]]}}`,
		`{"predictions":[{"classes":["a","b"],"scores":[0.2,0.8]},{"label":1,"probability":0.2},[["",1]],null,-Infinity]}`,
		`{"result":[[["a",0.1],["b",0.9]]]}`,
		`{"choices":[{"finish_reason":"stop"}],"usage":{"completion_tokens":3}}`,
		`{"object":"response","status":"completed","usage":{"output_tokens":1e300}}`,
		`[{"label":"a","score":0.5},{"label":"b","score":0.5}]`,
		`{"prediction":{"class":{"a":0.5,"b":0.5}},"confidence":[0.5,1]}`,
	} {
		for p := Unknown; p <= Custom; p++ {
			f.Add(uint8(p), []byte(`{"inputs":[{"shape":[1]}],"outputs":[{"parameters":{"classification":1}}]}`), []byte(body))
		}
	}
	plain := newReader(f, Options{})
	named := newReader(f, Options{Classes: []string{"a", "b", "c"}, Threshold: 0.2})
	f.Fuzz(func(t *testing.T, p uint8, request, response []byte) {
		before := string(response)
		for _, r := range []*Reader{plain, named} {
			preds, ok := r.Read(nil, Protocol(p), request, response, "application/json")
			if !ok && preds != nil {
				t.Fatal("predictions of a response that could not be read")
			}
			checkPredictions(t, preds)
		}
		if string(response) != before {
			t.Fatal("the response was changed")
		}
	})
}

func FuzzModelInfer(f *testing.F) {
	f.Add([]byte(grpcBody(inferRequest{id: "a", batch: 1}.encode())), []byte(grpcBody(inferResponse(
		inferOutput{name: "p", datatype: "FP32", shape: []uint64{2}, raw: rawFP32(.1, .9)},
		inferOutput{name: "label", datatype: "BYTES", shape: []uint64{1}, raw: rawTexts("a")}))))
	f.Add([]byte{}, []byte(grpcBody(inferResponse(
		inferOutput{name: "y", datatype: "INT64", shape: []uint64{2}, contents: bytesField(nil, fieldInt64, packed(1, 2))}))))
	f.Add([]byte{}, []byte(grpcBody(inferResponse(
		inferOutput{name: "p", datatype: "FP64", shape: []uint64{1}, unpackedShape: true, contents: bytesField(nil, fieldFloat64, rawFP64(.5))}))))
	r := newReader(f, Options{})
	f.Fuzz(func(t *testing.T, request, response []byte) {
		preds, ok := r.Read(nil, OpenInferenceGRPC, request, response, "application/grpc")
		if !ok && preds != nil {
			t.Fatal("predictions of a response that could not be read")
		}
		checkPredictions(t, preds)
	})
}

func FuzzReadBinary(f *testing.F) {
	head := `{"outputs":[{"name":"p","datatype":"FP16","shape":[2],"parameters":{"binary_data_size":4}}]}`
	f.Add([]byte(head+"\x00\x3c\x00\x00"), len(head))
	f.Add([]byte(head), -1)
	r := newReader(f, Options{})
	f.Fuzz(func(t *testing.T, body []byte, headLen int) {
		preds, _ := r.ReadBinary(nil, nil, body, headLen)
		checkPredictions(t, preds)
	})
}
