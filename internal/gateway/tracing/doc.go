// Package tracing tells OpenTelemetry of requests: a span for each, with arm and
// version, and the W3C trace context passed on to the model.
//
// The standard variables of OpenTelemetry configure it: where spans go
// (OTEL_EXPORTER_OTLP_ENDPOINT), which are kept (OTEL_TRACES_SAMPLER), what the
// service is called (OTEL_SERVICE_NAME). Spans are sent in the background, over
// OTLP by HTTP; what a server does not take in time is dropped, and no request
// ever waits. A Tracer is safe for concurrent use.
package tracing
