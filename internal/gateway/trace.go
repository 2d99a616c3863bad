package gateway

import (
	"net/http"
	"time"
)

// Tracer follows requests through the gateway. Its methods are called from many
// goroutines at once and must not block. Without one nothing is done: a trace
// context that a client sends is passed on as it is.
type Tracer interface {
	// Begin begins the span of a request that is about to be sent to its arm. h
	// is the head as the arm will get it: the context that is in it is the
	// parent, and the span's own takes its place.
	Begin(r TracedRequest, h http.Header) Span
}

// Span is one request on its way.
type Span interface {
	// End ends the span. It is called once.
	End(TracedResult)
}

// TracedRequest is what is known when a request is sent.
type TracedRequest struct {
	Rollout  string
	Arm      string // "stable", "canary"
	Version  string
	Method   string
	Path     string // without the query
	Protocol string // of the inference, "" if unknown
	Start    time.Time
	Forced   bool // by a match: no evidence
	Mirrored bool // a copy: no user sees the answer
}

// TracedResult is how a request ended.
type TracedResult struct {
	Status       int // 0: no answer
	Failed       bool
	Cancelled    bool   // by its client
	PredictionID string // as returned, "" if there was none
	Predictions  int    // read from the answer
}

// traced is d for a Tracer.
func (d *Decision) traced(r *http.Request, mirrored bool) TracedRequest {
	return TracedRequest{
		Rollout: d.route.table.Rollout, Arm: d.Arm.String(), Version: d.Version(), Method: r.Method, Path: r.URL.Path,
		Protocol: d.Protocol.String(), Start: d.Start, Forced: d.Forced, Mirrored: mirrored,
	}
}

// traced is res for a Tracer.
func (res *Result) traced() TracedResult {
	return TracedResult{Status: res.Status, Failed: res.Failed, Cancelled: res.Cancelled, PredictionID: res.id, Predictions: len(res.preds)}
}

// trace begins the span of x, whose request goes out as out. The client's own
// head stays as it was: labels are joined by the trace that it knows of.
func (x *exchange) trace(t Tracer, out *http.Request) {
	out.Header = out.Header.Clone()
	x.span = t.Begin(x.d.traced(x.r, false), out.Header)
	x.traceparent = out.Header["Traceparent"]
}
