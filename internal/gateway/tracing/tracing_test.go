package tracing

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/haldane-dev/haldane/internal/gateway"
	"github.com/haldane-dev/haldane/internal/inference"
	"github.com/haldane-dev/haldane/internal/predictionid"
	"github.com/haldane-dev/haldane/internal/telemetry"
	"github.com/haldane-dev/haldane/internal/traffic"
)

const (
	clientTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	clientSpan  = "00f067aa0ba902b7"
)

// arm is a model that notes the trace context of what it gets.
type arm struct {
	mu   sync.Mutex
	got  []http.Header
	url  string
	fail bool
}

func newArm(t *testing.T, fail bool) *arm {
	a := &arm{fail: fail}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		a.got = append(a.got, r.Header.Clone())
		a.mu.Unlock()
		if a.fail {
			http.Error(w, "no", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"model_name":"m","outputs":[{"name":"p","datatype":"FP64","shape":[1],"data":[0.9]}]}`)
	}))
	t.Cleanup(s.Close)
	a.url = s.URL
	return a
}

func (a *arm) parents() []trace.SpanContext {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []trace.SpanContext
	for _, h := range a.got {
		out = append(out, parse(h.Get("Traceparent")))
	}
	return out
}

func parse(traceparent string) trace.SpanContext {
	parts := strings.Split(traceparent, "-")
	if len(parts) != 4 {
		return trace.SpanContext{}
	}
	of, _ := trace.TraceIDFromHex(parts[1])
	span, _ := trace.SpanIDFromHex(parts[2])
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: of, SpanID: span})
}

// through sends requests through a gateway with these arms, and returns it.
func through(t *testing.T, tracer gateway.Tracer, split traffic.Split, stable, canary *arm, heads ...http.Header) (requestIDs []string) {
	t.Helper()
	reader, err := inference.New(inference.Options{})
	if err != nil {
		t.Fatal(err)
	}
	codec, err := predictionid.New([]byte("0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	g, err := gateway.New(gateway.Config{
		Recorder: telemetry.New(telemetry.Options{}), Reader: reader, Codec: codec, Tracer: tracer,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		OnPrediction: func(e gateway.PredictionEvent) {
			mu.Lock()
			defer mu.Unlock()
			requestIDs = append(requestIDs, e.RequestID)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	split.Generation, split.Open = 1, true
	table := gateway.Table{Rollout: "churn", Revision: "r", Split: split}
	table.Upstreams = [2]gateway.Upstream{{URL: stable.url, Version: "v1"}, {URL: canary.url, Version: "v2"}}
	if err := g.SetTable(table); err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(g.Handler())
	defer front.Close()
	for _, h := range heads {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, front.URL+"/v2/models/m/infer?secret=1", strings.NewReader(`{"inputs":[]}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = h.Clone()
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	if split.Mirror > 0 { // the copies are waited for
		for end := time.Now().Add(30 * time.Second); len(canary.parents()) < len(heads) && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
	}
	front.Close()
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	return requestIDs
}

func recorded(t *testing.T) (*Tracer, *tracetest.SpanRecorder) {
	t.Helper()
	r := tracetest.NewSpanRecorder()
	tracer, err := with(sdk.WithSpanProcessor(r))
	if err != nil {
		t.Fatal(err)
	}
	return tracer, r
}

func attributes(s sdk.ReadOnlySpan) map[string]string {
	out := map[string]string{}
	for _, a := range s.Attributes() {
		out[string(a.Key)] = a.Value.String()
	}
	return out
}

var traced = http.Header{"Traceparent": {"00-" + clientTrace + "-" + clientSpan + "-01"}, "Tracestate": {"vendor=1"}, "Baggage": {"user=7"}}

// TestSpan: a child of the client's, parent of the model's, with arm and version.
func TestSpan(t *testing.T) {
	tracer, spans := recorded(t)
	stable, canary := newArm(t, false), newArm(t, false)
	ids := through(t, tracer, traffic.Split{Canary: traffic.Percent(100)}, stable, canary, traced, http.Header{})
	ended := spans.Ended()
	if len(ended) != 2 || len(canary.parents()) != 2 {
		t.Fatalf("%d spans, %d requests at the canary", len(ended), len(canary.parents()))
	}
	s := ended[0]
	if s.SpanContext().TraceID().String() != clientTrace || s.Parent().SpanID().String() != clientSpan {
		t.Errorf("the span is %v below %v", s.SpanContext(), s.Parent())
	}
	if p := canary.parents()[0]; p.TraceID() != s.SpanContext().TraceID() || p.SpanID() != s.SpanContext().SpanID() {
		t.Errorf("the model was told %v, not the gateway's span", p)
	}
	if h := canary.got[0]; h.Get("Tracestate") != "vendor=1" || h.Get("Baggage") != "user=7" {
		t.Errorf("passed on: %v", h)
	}
	got := attributes(s)
	for name, want := range map[string]string{
		"haldane.rollout": "churn", "haldane.arm": "canary", "haldane.version": "v2", "haldane.forced": "false", "haldane.mirrored": "false",
		"http.request.method": "POST", "http.response.status_code": "200", "haldane.predictions": "1", "url.path": "/v2/models/m/infer",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	if got["haldane.prediction_id"] == "" || s.Name() != "POST canary" {
		t.Errorf("%s: %v", s.Name(), got)
	}
	if p := canary.parents()[1]; !p.IsValid() || p.TraceID().String() == clientTrace {
		t.Errorf("a request without a trace got %v", p)
	}
	// Labels are joined by what the client knows: the trace it sent, or none.
	if len(ids) != 2 || ids[0] != clientTrace || ids[1] != "" {
		t.Errorf("request IDs %q", ids)
	}
}

func TestFailedSpan(t *testing.T) {
	tracer, spans := recorded(t)
	through(t, tracer, traffic.Split{}, newArm(t, true), newArm(t, false), traced)
	if ended := spans.Ended(); len(ended) != 1 || ended[0].Status().Description != "Internal Server Error" || attributes(ended[0])["haldane.arm"] != "stable" {
		t.Errorf("%+v", ended)
	}
}

// TestMirroredSpan: the copy's span is below that of the request it copies.
func TestMirroredSpan(t *testing.T) {
	tracer, spans := recorded(t)
	stable, canary := newArm(t, false), newArm(t, false)
	through(t, tracer, traffic.Split{Mirror: traffic.Percent(100)}, stable, canary, traced)
	by := map[string]sdk.ReadOnlySpan{}
	for _, s := range spans.Ended() {
		by[attributes(s)["haldane.mirrored"]] = s
	}
	if len(by) != 2 {
		t.Fatalf("%d spans", len(spans.Ended()))
	}
	if by["true"].Parent().SpanID() != by["false"].SpanContext().SpanID() || attributes(by["true"])["haldane.version"] != "v2" {
		t.Errorf("the copy is below %v, with %v", by["true"].Parent(), attributes(by["true"]))
	}
	if p := canary.parents()[0]; p.SpanID() != by["true"].SpanContext().SpanID() {
		t.Errorf("the canary was told %v", p)
	}
}

// TestWithoutATracer: what a client sends is passed on as it is.
func TestWithoutATracer(t *testing.T) {
	stable := newArm(t, false)
	through(t, nil, traffic.Split{}, stable, newArm(t, false), traced)
	if h := stable.got[0]; h.Get("Traceparent") != traced.Get("Traceparent") || h.Get("Tracestate") != "vendor=1" {
		t.Errorf("passed on: %v", h)
	}
}

// TestExport: spans arrive at an OTLP server, named by the environment or not.
func TestExport(t *testing.T) {
	for name, option := range map[string]bool{"by option": true, "by the environment": false} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var got bytes.Buffer
			collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				if r.URL.Path == "/v1/traces" {
					_, _ = io.Copy(&got, r.Body)
				}
			}))
			defer collector.Close()
			endpoint := collector.URL
			if !option {
				t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
				endpoint = ""
				if !Wanted() {
					t.Error("not wanted, though the environment names an endpoint")
				}
			}
			tracer, err := New(t.Context(), endpoint, slog.New(slog.NewTextHandler(io.Discard, nil)))
			if err != nil {
				t.Fatal(err)
			}
			through(t, tracer, traffic.Split{}, newArm(t, false), newArm(t, false), traced)
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			if err := tracer.Close(ctx); err != nil {
				t.Fatal(err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, want := range []string{"haldane-gateway", "haldane.arm", "v1"} {
				if !bytes.Contains(got.Bytes(), []byte(want)) {
					t.Errorf("%q did not arrive in %d bytes", want, got.Len())
				}
			}
		})
	}
}

func TestNoAddress(t *testing.T) {
	for _, endpoint := range []string{"127.0.0.1:4318", "collector", "ftp://x", "http://"} {
		if _, err := New(t.Context(), endpoint, slog.Default()); err == nil || !strings.Contains(err.Error(), "http://127.0.0.1:4318") {
			t.Errorf("%q: error %v", endpoint, err)
		}
	}
}

func TestWanted(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "")
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "")
	if Wanted() {
		t.Error("wanted, though nobody asked")
	}
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:4318/v1/traces")
	t.Setenv("OTEL_SDK_DISABLED", "true")
	if Wanted() {
		t.Error("wanted, though it is disabled")
	}
}
