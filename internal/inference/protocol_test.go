package inference

import "testing"

func TestDetect(t *testing.T) {
	const (
		json  = "application/json"
		proto = "application/grpc+proto"
	)
	for _, tc := range []struct {
		method, path, contentType string
		want                      Protocol
	}{
		{"POST", "/v2/models/churn/infer", json, OpenInference},
		{"POST", "/v2/models/churn/versions/3/infer", json, OpenInference},
		{"POST", "/v2/models/churn/infer/", json, OpenInference},
		{"POST", "/seldon/ns/v2/models/churn/infer?x=1", "", OpenInference},
		{"POST", "/v2/models/churn/infer", "application/octet-stream", OpenInference},
		{"POST", "/inference.GRPCInferenceService/ModelInfer", "application/grpc", OpenInferenceGRPC},
		{"POST", "/inference.GRPCInferenceService/ModelInfer", proto, OpenInferenceGRPC},
		{"POST", "/inference.GRPCInferenceService/ModelReady", proto, Unknown},
		{"POST", "/inference.GRPCInferenceService/ModelInfer", "application/grpcish", Custom},
		{"POST", "/helloworld.Greeter/SayHello", proto, Unknown},
		{"POST", "/v1/models/churn:predict", json, TFServing},
		{"POST", "/v1/models/churn/versions/2:classify", json, TFServing},
		{"POST", "/v1/models/churn/labels/canary:regress", json, TFServing},
		{"POST", "/v1/models/churn:explain", json, Unknown},
		{"POST", "/invocations", json, MLflow},
		{"POST", "/endpoints/churn/invocations", "text/csv", MLflow},
		{"POST", "/v1/chat/completions", json, OpenAI},
		{"POST", "/openai/v1/completions", json, OpenAI},
		{"POST", "/openai/deployments/gpt/chat/completions?api-version=1", json, OpenAI},
		{"POST", "/v1/embeddings", json, OpenAI},
		{"POST", "/v1/responses", json, OpenAI},
		{"POST", "/responses", json, Custom},
		{"POST", "/predict", json, Custom},
		{"POST", "/", "", Custom},
		{"POST", "", "", Custom},
		{"POST", "/v2/repository/models/churn/load", json, Unknown},
		{"POST", "/v2/repository/index", json, Unknown},
		{"GET", "/v2/models/churn/infer", "", Unknown},
		{"GET", "/v2/health/ready", "", Unknown},
		{"OPTIONS", "/predict", "", Unknown},
	} {
		if got := Detect(tc.method, tc.path, tc.contentType); got != tc.want {
			t.Errorf("Detect(%s %s, %q) = %v, want %v", tc.method, tc.path, tc.contentType, got, tc.want)
		}
	}
}

func TestDetectAllocatesNothing(t *testing.T) {
	var got Protocol
	n := testing.AllocsPerRun(100, func() {
		got = Detect("POST", "/openai/v1/chat/completions?x=y", "application/json; charset=utf-8")
	})
	if n != 0 || got != OpenAI {
		t.Errorf("%v allocations, protocol %v", n, got)
	}
}

func TestProtocolString(t *testing.T) {
	seen := map[string]Protocol{}
	for p := Unknown; p <= Custom; p++ {
		name := p.String()
		if other, ok := seen[name]; ok || name == "" {
			t.Errorf("protocol %d is named %q like %d", p, name, other)
		}
		seen[name] = p
	}
	if got := Protocol(200).String(); got != "unknown" {
		t.Errorf("a protocol out of range is named %q", got)
	}
}

func TestIsEventStream(t *testing.T) {
	for contentType, want := range map[string]bool{
		"text/event-stream": true, "text/event-stream; charset=utf-8": true, " Text/Event-Stream": true,
		"text/event-streams": false, "application/json": false, "": false,
	} {
		if got := IsEventStream(contentType); got != want {
			t.Errorf("IsEventStream(%q) = %v", contentType, got)
		}
	}
}
