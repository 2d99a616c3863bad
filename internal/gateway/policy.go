package gateway

import (
	"net/netip"
	"time"

	"github.com/haldane-dev/haldane/internal/inference"
	"github.com/haldane-dev/haldane/internal/telemetry"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// Policy is everything the gateway decides and records, without the moving of
// bytes. A transport calls Decide once for a request, Identify before it sends
// the head of the answer, and Observe once at the end. All three are safe for
// concurrent use; Decide and Observe allocate nothing.
type Policy interface {
	// Decide says where r goes and notes the assignment.
	Decide(r *Request) Decision
	// Identify reads res.Body, if the transport has the whole answer already,
	// and returns the prediction ID to send, "" if there is none to send.
	Identify(d *Decision, res *Result) string
	// Observe records how the request ended. It reads res.Body if Identify has
	// not.
	Observe(d *Decision, res *Result)
}

// Head gives the fields of a request's head. Names are spelled canonically.
type Head interface {
	Header(name string) string // the first value, "" if there is none
	Cookie(name string) string // likewise
}

// Request is what a transport knows of a request when it must be decided.
type Request struct {
	Head   Head
	Method string
	Path   string
	Peer   netip.Addr // the other end of the connection
	// Preview is a request to the candidate's own address: it goes there
	// whatever the split and its matches say, while the candidate may be reached.
	Preview bool

	policy  *policy
	country string
	located bool // country was looked for
	brought string
}

// Decision is where a request goes. Its zero Arm with no endpoint and not Ready
// means that the gateway has no table yet.
type Decision struct {
	traffic.Choice
	Protocol inference.Protocol
	Warmup   bool      // a warm-up request: no evidence
	Closed   bool      // a request to preview a candidate that may not be reached now: it goes nowhere
	Load     bool      // of Haldane's own load: no user waits for it, and no label comes
	Start    time.Time // when it was decided; latency counts from here

	route *route
}

// Ready reports whether there was a table to decide by.
func (d *Decision) Ready() bool { return d.route != nil }

// Version is the version that the chosen arm serves.
func (d *Decision) Version() string { return d.upstream().version }

func (d *Decision) upstream() *upstream { return &d.route.arms[d.Arm] }

// Result is how a request ended. A transport may use one again after Reset.
type Result struct {
	Head        Head   // of the request
	RequestBody []byte // when it was held in memory

	Status      int
	ContentType string
	Encoded     bool   // the answer has a Content-Encoding: it is not read
	BinaryHead  int    // bytes of JSON before raw tensors (Inference-Header-Content-Length); 0: all of it
	Body        []byte // the whole answer, nil if the transport does not have it

	Latency   time.Duration // from Decision.Start
	Failed    bool          // besides what Status says: no answer, or one cut short
	Cancelled bool          // the client went away first
	Stream    *inference.StreamResult

	id       string
	inID     bool // id carries the only prediction
	looked   bool // for predictions
	read     bool // and found some, or that there were none
	preds    []inference.Prediction
	exchange telemetry.Exchange
}

// maxKeptPredictions is the largest list that a Result takes along.
const maxKeptPredictions = 256

// Reset empties r and keeps its memory, unless a large batch made it large.
func (r *Result) Reset() {
	preds := r.preds[:cap(r.preds)]
	if len(preds) > maxKeptPredictions {
		preds = nil
	}
	clear(preds)
	*r = Result{preds: preds[:0]}
}
