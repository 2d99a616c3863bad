package inference

import "strings"

// Protocol is the inference protocol of one request.
type Protocol uint8

const (
	// Unknown is no prediction request as far as can be told: a health check,
	// metadata, metrics, or a method that carries no question.
	Unknown Protocol = iota
	// OpenInference is the Open Inference Protocol, version 2, over REST.
	OpenInference
	// OpenInferenceGRPC is its unary gRPC call ModelInfer.
	OpenInferenceGRPC
	// TFServing is TensorFlow Serving's REST API, which is KServe's version 1.
	TFServing
	// MLflow is the scoring server of MLflow, also found behind SageMaker.
	MLflow
	// OpenAI is the API of chat completions, completions, embeddings and
	// responses.
	OpenAI
	// Custom is any other request that posts something; its answer is read by
	// its shape, or by [Options].Expr.
	Custom
)

var protocolNames = [...]string{"unknown", "open-inference", "open-inference-grpc", "tf-serving", "mlflow", "openai", "custom"}

// String is the protocol's name in logs and metrics.
func (p Protocol) String() string {
	if int(p) < len(protocolNames) {
		return protocolNames[p]
	}
	return protocolNames[Unknown]
}

// Detect tells the protocol from method, path and content type of a request. A
// prefix that an ingress puts before the path and a query after it do no harm.
// It allocates nothing.
func Detect(method, path, contentType string) Protocol {
	if method != "POST" {
		return Unknown
	}
	if i := strings.IndexAny(path, "?#"); i >= 0 {
		path = path[:i]
	}
	path = strings.TrimSuffix(path, "/")
	if isMedia(contentType, "application/grpc") {
		if strings.HasSuffix(path, "/inference.GRPCInferenceService/ModelInfer") {
			return OpenInferenceGRPC
		}
		return Unknown
	}
	last := path[strings.LastIndexByte(path, '/')+1:]
	switch {
	case last == "infer" && strings.Contains(path, "/v2/models/"):
		return OpenInference
	case strings.Contains(path, "/v1/models/") && isTFVerb(last):
		return TFServing
	case last == "invocations":
		return MLflow
	case isOpenAICall(path, last):
		return OpenAI
	case isSilent(path, last):
		return Unknown
	}
	return Custom
}

func isTFVerb(last string) bool {
	i := strings.LastIndexByte(last, ':')
	if i < 0 {
		return false
	}
	switch last[i+1:] {
	case "predict", "classify", "regress":
		return true
	}
	return false
}

func isOpenAICall(path, last string) bool {
	switch last {
	case "completions", "embeddings", "responses":
		return strings.Contains(path, "/v1/") || strings.Contains(path, "/openai/")
	}
	return false
}

// isSilent knows the calls that the served protocols post to but that predict
// nothing: model control, explanation, health.
func isSilent(path, last string) bool {
	switch last {
	case "ready", "live", "health", "healthz", "livez", "readyz", "metrics", "ping", "load", "unload", "index":
		return true
	}
	return strings.Contains(path, "/v1/models/") && strings.HasSuffix(last, ":explain")
}

// IsEventStream reports whether a content type is that of server-sent events,
// the kind of response that a [Stream] reads.
func IsEventStream(contentType string) bool { return isMedia(contentType, "text/event-stream") }

// isMedia reports whether contentType is media, with any parameters and, as in
// application/grpc+proto, any suffix.
func isMedia(contentType, media string) bool {
	contentType = strings.TrimLeft(contentType, " \t")
	if len(contentType) < len(media) || !strings.EqualFold(contentType[:len(media)], media) {
		return false
	}
	rest := contentType[len(media):]
	return rest == "" || rest[0] == ';' || rest[0] == '+' || rest[0] == ' ' || rest[0] == '\t'
}
