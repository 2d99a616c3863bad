package tracing

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/haldane-dev/haldane/internal/gateway"
)

// The names of what a span says, beside those of OpenTelemetry's own
// conventions for HTTP. They are added to, never changed.
const (
	Rollout      = attribute.Key("haldane.rollout")
	Arm          = attribute.Key("haldane.arm") // stable, canary
	Version      = attribute.Key("haldane.version")
	Protocol     = attribute.Key("haldane.protocol")
	Forced       = attribute.Key("haldane.forced")   // by a match: no evidence
	Mirrored     = attribute.Key("haldane.mirrored") // a copy: no user saw the answer
	PredictionID = attribute.Key("haldane.prediction_id")
	Predictions  = attribute.Key("haldane.predictions") // how many the answer holds
)

// Wanted reports whether the environment asks for traces.
func Wanted() bool {
	return os.Getenv("OTEL_SDK_DISABLED") != "true" &&
		(os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != "")
}

// Tracer makes spans. Make it with New.
type Tracer struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	context  propagation.TraceContext
}

var _ gateway.Tracer = (*Tracer)(nil)

// New returns a Tracer that sends spans to the OTLP endpoint, a URL like
// http://127.0.0.1:4318, to which /v1/traces is added where it has no path; ""
// leaves that to the environment. What goes wrong
// with sending is logged, and concerns no request.
func New(ctx context.Context, endpoint string, log *slog.Logger) (*Tracer, error) {
	var options []otlptracehttp.Option
	if endpoint != "" {
		u, err := url.Parse(endpoint)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return nil, fmt.Errorf("send traces: %q is no address: write it like http://127.0.0.1:4318", endpoint)
		}
		if strings.Trim(u.Path, "/") == "" {
			endpoint = u.JoinPath("v1/traces").String()
		}
		options = append(options, otlptracehttp.WithEndpointURL(endpoint))
	}
	exporter, err := otlptracehttp.New(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("send traces: %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("traces are not sent", "error", err) }))
	return with(sdk.WithBatcher(exporter))
}

// with makes a Tracer whose spans go where the option says.
func with(to sdk.TracerProviderOption) (*Tracer, error) {
	name := cmp.Or(os.Getenv("OTEL_SERVICE_NAME"), "haldane-gateway")
	of, err := resource.Merge(resource.Default(), resource.NewSchemaless(attribute.String("service.name", name)))
	if err != nil {
		return nil, fmt.Errorf("name the service of traces: %w", err)
	}
	provider := sdk.NewTracerProvider(to, sdk.WithResource(of))
	return &Tracer{provider: provider, tracer: provider.Tracer("github.com/haldane-dev/haldane/internal/gateway")}, nil
}

// Close sends what is still held, as long as ctx lasts.
func (t *Tracer) Close(ctx context.Context) error {
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("send the last traces: %w", err)
	}
	return nil
}

// Begin implements gateway.Tracer.
func (t *Tracer) Begin(r gateway.TracedRequest, h http.Header) gateway.Span {
	carrier := propagation.HeaderCarrier(h)
	ctx, s := t.tracer.Start(t.context.Extract(context.Background(), carrier), r.Method+" "+r.Arm,
		trace.WithTimestamp(r.Start), trace.WithSpanKind(trace.SpanKindServer))
	t.context.Inject(ctx, carrier)
	if s.IsRecording() {
		s.SetAttributes(attribute.String("http.request.method", r.Method), attribute.String("url.path", r.Path),
			Rollout.String(r.Rollout), Arm.String(r.Arm), Version.String(r.Version), Protocol.String(r.Protocol),
			Forced.Bool(r.Forced), Mirrored.Bool(r.Mirrored))
	}
	return span{s}
}

type span struct{ trace.Span }

// End implements gateway.Span.
func (s span) End(r gateway.TracedResult) {
	if s.IsRecording() {
		if r.Status != 0 {
			s.SetAttributes(attribute.Int("http.response.status_code", r.Status))
		}
		if r.PredictionID != "" {
			s.SetAttributes(PredictionID.String(r.PredictionID), Predictions.Int(r.Predictions))
		}
		switch {
		case r.Cancelled:
			s.AddEvent("the client gave up")
		case r.Failed:
			s.SetStatus(codes.Error, http.StatusText(r.Status))
		}
	}
	s.Span.End()
}
