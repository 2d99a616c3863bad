package gateway

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/haldane-dev/haldane/internal/inference"
	"github.com/haldane-dev/haldane/internal/predictionid"
	"github.com/haldane-dev/haldane/internal/telemetry"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// Recorder takes what the gateway saw. Its methods are called from many
// goroutines at once and must not block.
type Recorder interface {
	// Assign tells of a request that was sent to an arm under the table of split
	// s, which is valid only during the call.
	Assign(c traffic.Choice, s *traffic.Split)
	// Observe tells how a request ended. x is valid only during the call.
	Observe(x *telemetry.Exchange)
	// ObservePair tells how the two answers to a mirrored request compare.
	ObservePair(p telemetry.Pair)
	// MirrorDropped counts a request that was to be mirrored and was not.
	MirrorDropped()
}

// PredictionEvent tells of one answered prediction request, for whoever joins
// later labels to it.
type PredictionEvent struct {
	RequestID    string // the client's own: the protocol's id, X-Request-Id or traceparent; "" if it sent none
	PredictionID string // as returned in the response
	Arm          traffic.Arm
	Time         time.Time // of the request
	Count        int       // predictions in the answer; 0 if it could not be read
	Class        string    // of the only prediction, if HasClass
	Score        float64   // of the only prediction, if HasScore: its value, else its confidence
	HasClass     bool
	HasScore     bool
	User         uint64 // traffic.KeyHash of the sticky key; 0 if the request has none
	Keyed        bool   // decided by a sticky key, whose bucket is Bucket
	Bucket       uint16 // in [0, traffic.Full)
	InID         bool   // PredictionID says class and score too; it does not where the answer was read after its head had been sent
	Forced       bool   // by a match: no evidence
	Mirrored     bool   // a mirrored copy: no user saw the answer
}

// Limits bound what strangers can make the gateway hold. A zero field takes its
// default; a negative one is refused.
type Limits struct {
	HeaderBytes    int           // request line and headers; beyond it 431. Default 64 KiB
	HeldBody       int           // a request body up to this size is held in memory, so that it can be mirrored and its record ID read; larger ones are streamed. Default 256 KiB
	ReadBody       int           // an answer up to this size is read for its predictions. Default 1 MiB
	Requests       int           // at once; beyond it 503. Default 4096
	Mirrors        int           // copies at once; beyond it dropped and counted. Default 64
	Dial           time.Duration // to connect to an upstream. Default 2 s
	Redial         time.Duration // a refused connection is tried again for so long, within Dial; nothing was sent. Default 0: not at all
	ResponseHeader time.Duration // from the whole request sent to the first byte of the answer. Default 30 s
	Stall          time.Duration // without a byte in either direction once the answer has begun, or while a body is uploaded. Default 60 s
	UpstreamIdle   time.Duration // an unused upstream connection is kept. Default 4 s: model servers commonly hang up after five
	ReadHeader     time.Duration // for a client to send its headers. Default 10 s
	ClientIdle     time.Duration // an unused client connection is kept. Default 120 s
	Tunnel         time.Duration // without a byte in either direction of an upgraded connection. Default 10 min
	Drain          time.Duration // for requests under way when serving ends. Default 10 s
}

// DefaultLimits returns the limits that hold where Config says nothing.
func DefaultLimits() Limits {
	return Limits{
		HeaderBytes: 64 << 10, HeldBody: 256 << 10, ReadBody: 1 << 20,
		Requests: 4096, Mirrors: 64,
		Dial: 2 * time.Second, ResponseHeader: 30 * time.Second, Stall: time.Minute,
		UpstreamIdle: 4 * time.Second, ReadHeader: 10 * time.Second,
		ClientIdle: 2 * time.Minute, Tunnel: 10 * time.Minute, Drain: 10 * time.Second,
	}
}

// orDefault fills zero fields and refuses negative ones.
func (l Limits) orDefault() (Limits, error) {
	d := DefaultLimits()
	var bad []string
	number := func(name string, v *int, def int) {
		if *v < 0 {
			bad = append(bad, name)
		}
		if *v == 0 {
			*v = def
		}
	}
	duration := func(name string, v *time.Duration, def time.Duration) {
		if *v < 0 {
			bad = append(bad, name)
		}
		if *v == 0 {
			*v = def
		}
	}
	number("HeaderBytes", &l.HeaderBytes, d.HeaderBytes)
	number("HeldBody", &l.HeldBody, d.HeldBody)
	number("ReadBody", &l.ReadBody, d.ReadBody)
	number("Requests", &l.Requests, d.Requests)
	number("Mirrors", &l.Mirrors, d.Mirrors)
	duration("Dial", &l.Dial, d.Dial)
	duration("Redial", &l.Redial, d.Redial)
	duration("ResponseHeader", &l.ResponseHeader, d.ResponseHeader)
	duration("Stall", &l.Stall, d.Stall)
	duration("UpstreamIdle", &l.UpstreamIdle, d.UpstreamIdle)
	duration("ReadHeader", &l.ReadHeader, d.ReadHeader)
	duration("ClientIdle", &l.ClientIdle, d.ClientIdle)
	duration("Tunnel", &l.Tunnel, d.Tunnel)
	duration("Drain", &l.Drain, d.Drain)
	if len(bad) > 0 {
		return l, fmt.Errorf("gateway limits %s: negative; leave out for the default", strings.Join(bad, ", "))
	}
	return l, nil
}

// Config is what a gateway is made of.
type Config struct {
	Recorder Recorder            // required
	Codec    *predictionid.Codec // nil: answers carry no prediction ID
	Reader   *inference.Reader   // nil: answers are not read

	// Date turns a moment that time.Now told into the date that its predictions
	// carry; nil leaves it as it is.
	Date func(time.Time) time.Time

	// OnPrediction, if set, is told of every answered prediction request. It is
	// called while the client waits and must be quick.
	OnPrediction func(PredictionEvent)

	// Tracer, if set, follows every request to its arm.
	Tracer Tracer

	// Feedback, if set, serves FeedbackPath (default /feedback), POST only.
	Feedback     http.Handler
	FeedbackPath string
	// Events, if set, serves EventsPath (default /events), POST only.
	Events     http.Handler
	EventsPath string

	// Own, if set, answers everything but the questions whether the gateway is
	// well: no request is forwarded. It decides by Evaluate.
	Own http.Handler
	// Countries says that all who are evaluated bring their countries along.
	Countries bool

	// TrustedProxies are the networks whose forwarding headers, and whose
	// CountryHeader, are believed. Those of anybody else are replaced.
	TrustedProxies []netip.Prefix
	CountryHeader  string // set by a trusted proxy: an ISO 3166-1 alpha-2 code
	CountryDB      string // path of a MaxMind file; CountryHeader goes first

	Limits Limits
	Logger *slog.Logger // default slog.Default()
}

// Where feedback and events are taken unless Config says otherwise.
const (
	DefaultFeedbackPath = "/feedback"
	DefaultEventsPath   = "/events"
)

// complete fills the defaults and says what is wrong.
func (c Config) complete() (Config, error) {
	if c.Recorder == nil {
		return c, errors.New("gateway: a Recorder is required")
	}
	var err error
	if c.Limits, err = c.Limits.orDefault(); err != nil {
		return c, err
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Date == nil {
		c.Date = func(t time.Time) time.Time { return t }
	}
	if c.FeedbackPath == "" {
		c.FeedbackPath = DefaultFeedbackPath
	}
	if !strings.HasPrefix(c.FeedbackPath, "/") || strings.HasPrefix(c.FeedbackPath, opsPrefix) {
		return c, fmt.Errorf("gateway: feedback path %q must begin with / and not with %s", c.FeedbackPath, opsPrefix)
	}
	if c.EventsPath == "" {
		c.EventsPath = DefaultEventsPath
	}
	if !strings.HasPrefix(c.EventsPath, "/") || strings.HasPrefix(c.EventsPath, opsPrefix) || c.EventsPath == c.FeedbackPath {
		return c, fmt.Errorf("gateway: events path %q must begin with /, not with %s, and be another than that of feedback", c.EventsPath, opsPrefix)
	}
	if c.CountryHeader != "" && len(c.TrustedProxies) == 0 {
		return c, fmt.Errorf("gateway: country header %q is believed only from trusted proxies, and none are listed", c.CountryHeader)
	}
	c.CountryHeader = http.CanonicalHeaderKey(c.CountryHeader)
	return c, nil
}
