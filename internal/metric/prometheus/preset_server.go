package prometheus

import "github.com/haldane-dev/haldane/internal/analysis"

// The systems that serve models: each process is of one arm.

// kserve is the metrics of KServe's own model servers. They do not count
// failures: those need series of whatever is in front of them.
var kserve = Preset{
	Name: "kserve", Pod: true,
	Kinds: map[Counted]Series{latencies: histogramOf("request_predict_seconds")},
}

// triton is NVIDIA's Triton. It has latencies as a histogram only until the first
// response, and only with --metrics-config histogram_latencies=true. Requests that
// the client gave up are no failures of the model.
var triton = Preset{
	Name: "triton", Pod: true,
	Kinds: map[Counted]Series{
		failures: rate(`{__name__=~"nv_inference_request_success|nv_inference_request_failure",reason!="CANCELED"}`,
			`nv_inference_request_failure{reason!="CANCELED"}`),
		latencies: histogramOf("nv_inference_first_response_histogram_ms"),
	},
}

// vllm is vLLM's OpenAI-compatible server. It counts every finished request as a
// success, with how it finished: error is a failure, and abort a client that left.
var vllm = Preset{
	Name: "vllm", Pod: true,
	Kinds: map[Counted]Series{
		failures: rate(`vllm:request_success_total{finished_reason!="abort"}`,
			`vllm:request_success_total{finished_reason="error"}`),
		latencies:                                 histogramOf("vllm:e2e_request_latency_seconds"),
		{Kind: analysis.Mean, Of: "ttft"}:         meanOf("vllm:time_to_first_token_seconds"),
		{Kind: analysis.Mean, Of: "timePerToken"}: meanOf("vllm:inter_token_latency_seconds"),
	},
}

// seldon is the agent of Seldon Core 2, beside each inference server.
var seldon = Preset{
	Name: "seldon", Pod: true,
	Kinds: map[Counted]Series{
		failures: rate(`seldon_model_infer_api_seconds_count`,
			`seldon_model_infer_api_seconds_count{code=~"5..|Unknown|DeadlineExceeded|Internal|Unavailable|DataLoss"}`),
		latencies: histogramOf("seldon_model_infer_api_seconds"),
	},
}

// bentoml is BentoML's services.
var bentoml = Preset{
	Name: "bentoml", Pod: true,
	Kinds: map[Counted]Series{
		failures:  rate(`bentoml_service_request_total`, `bentoml_service_request_total{http_response_code=~"5.."}`),
		latencies: histogramOf("bentoml_service_request_duration_seconds"),
	},
}

// lecture is the names of a model server that counts by itself: predictions by
// version and status, their latency and confidence. Its model_error_rate and
// model_prediction_drift are levels that it has reckoned itself: they count
// nothing, so that nothing can be told of how sure they are.
var lecture = Preset{
	Name: "model", Pod: true,
	Kinds: map[Counted]Series{
		failures:                                 rate(`model_predictions_total`, `model_predictions_total{status!~"success|ok|2.."}`),
		latencies:                                histogramOf("model_prediction_latency_seconds"),
		confidence:                               meanOf("model_prediction_confidence"),
		{Kind: analysis.Drift, Of: "confidence"}: histogramOf("model_prediction_confidence"),
	},
}
