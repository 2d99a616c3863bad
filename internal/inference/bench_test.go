package inference

import (
	"fmt"
	"strings"
	"testing"
)

func benchRead(b *testing.B, p Protocol, body string) {
	r := newReader(b, Options{})
	raw := []byte(body)
	dst := make([]Prediction, 0, 256)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		var ok bool
		if dst, ok = r.Read(dst[:0], p, nil, raw, "application/json"); !ok {
			b.Fatal("unread")
		}
	}
}

func BenchmarkReadOIPSingle(b *testing.B) {
	benchRead(b, OpenInference, `{"model_name":"churn","id":"a","outputs":[{"name":"p","shape":[1],"datatype":"FP64","data":[0.8]}]}`)
}

func BenchmarkReadOIPLabelAndScore(b *testing.B) {
	benchRead(b, OpenInference, `{"model_name":"churn","outputs":[{"name":"label","shape":[1],"datatype":"BYTES","data":["yes"]},{"name":"proba","shape":[1,2],"datatype":"FP32","data":[0.1,0.9]}]}`)
}

func BenchmarkReadOIPBatch64(b *testing.B) {
	data := strings.Repeat("0.123456,", 63) + "0.5"
	benchRead(b, OpenInference, fmt.Sprintf(`{"outputs":[{"name":"p","shape":[64,1],"datatype":"FP64","data":[%s]}]}`, data))
}

func BenchmarkReadTFServing1000Classes(b *testing.B) {
	benchRead(b, TFServing, `{"predictions":[[`+strings.Repeat("0.001,", 999)+`0.001]]}`)
}

func BenchmarkReadMLflowObject(b *testing.B) {
	benchRead(b, MLflow, `{"predictions":[{"label":"no","probability":0.7}]}`)
}

func BenchmarkReadChat(b *testing.B) {
	benchRead(b, OpenAI, `{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"`+
		strings.Repeat("word ", 400)+`"},"finish_reason":"stop"}],"usage":{"completion_tokens":400}}`)
}

func BenchmarkReadModelInfer(b *testing.B) {
	benchRead(b, OpenInferenceGRPC, grpcBody(inferResponse(inferOutput{name: "p", datatype: "FP32", shape: []uint64{1, 2}, raw: rawFP32(.1, .9)})))
}

func BenchmarkReadExpression(b *testing.B) {
	r := newReader(b, Options{Expr: "{'class': response.verdict, 'confidence': response.p}"})
	raw := []byte(`{"verdict":"spam","p":0.75}`)
	var dst []Prediction
	b.ReportAllocs()
	for b.Loop() {
		var ok bool
		if dst, ok = r.Read(dst[:0], Custom, nil, raw, ""); !ok {
			b.Fatal("unread")
		}
	}
}

func BenchmarkDetect(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if Detect("POST", "/v2/models/churn/infer", "application/json") != OpenInference {
			b.Fatal("not detected")
		}
	}
}

func BenchmarkRequestID(b *testing.B) {
	body := []byte(`{"id":"3f0c1a52","inputs":[{"name":"x","shape":[1,3],"datatype":"FP64","data":[1,2,3]}]}`)
	b.ReportAllocs()
	for b.Loop() {
		if RequestID(OpenInference, body, "", "") == "" {
			b.Fatal("no ID")
		}
	}
}

func BenchmarkStreamChunk(b *testing.B) {
	s := NewStream(OpenAI)
	chunk := []byte(chatHello)
	b.SetBytes(int64(len(chunk)))
	b.ReportAllocs()
	for b.Loop() {
		s.Write(streamStart, chunk)
	}
}
