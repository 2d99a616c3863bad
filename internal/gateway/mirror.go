package gateway

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/haldane-dev/haldane/internal/inference"
	"github.com/haldane-dev/haldane/internal/predictionid"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// mirror sends copies of stable's requests to the canary and compares the
// answers. A copy is sent when the primary's answer is complete, so that
// nobody waits for it and both answers are at hand.
type mirror struct {
	g     *Gateway
	slots chan struct{}
	group sync.WaitGroup
	pool  sync.Pool // of *mirrored
}

// mirrored is one copy, with what the primary answered. Its memory is its own
// but for the body, which is never written to.
type mirrored struct {
	d       Decision
	r       *http.Request
	head    http.Header
	body    []byte
	grpc    bool
	trace   []string // of the primary's span, nil if there is none
	bad     bool     // the primary failed
	read    bool
	latency time.Duration
	preds   []inference.Prediction
	res     Result
	answer  bytes.Buffer
	texts   [traffic.NumArms]generated // that were generated
}

func newMirror(g *Gateway) *mirror {
	return &mirror{
		g: g, slots: make(chan struct{}, g.cfg.Limits.Mirrors),
		pool: sync.Pool{New: func() any { return new(mirrored) }},
	}
}

// wait returns when no copy is under way.
func (m *mirror) wait() { m.group.Wait() }

// offer mirrors the exchange if the policy wanted it to be. It returns at once.
// What cannot be mirrored is counted: a body that was not held whole, and
// anything beyond the limit of copies.
func (m *mirror) offer(x *exchange) {
	if !x.d.Mirror || x.res.Cancelled {
		return
	}
	if !x.held || x.d.route.arms[traffic.Canary].url == nil {
		m.g.cfg.Recorder.MirrorDropped()
		return
	}
	select {
	case m.slots <- struct{}{}:
	default:
		m.g.cfg.Recorder.MirrorDropped()
		return
	}
	c := m.pool.Get().(*mirrored)
	c.d, c.r, c.head, c.body, c.grpc = x.d, x.r, x.r.Header, x.res.RequestBody, x.grpc
	c.trace = x.traceparent
	c.bad, c.read, c.latency = x.res.Failed, x.res.read, x.res.Latency
	c.preds = append(c.preds[:0], x.res.preds...)
	c.texts[traffic.Stable] = textOf(&c.d, &x.res)
	m.group.Go(func() {
		defer func() { <-m.slots }()
		m.send(c)
		m.pool.Put(c)
	})
}

// send sends the copy, waits for its answer and compares.
func (m *mirror) send(c *mirrored) {
	ctx, cancel := context.WithTimeout(m.g.life, m.g.cfg.Limits.ResponseHeader)
	defer cancel()
	d := &c.d
	d.Arm, d.Mirror, d.Start = traffic.Canary, false, time.Now()
	c.res.Reset()
	defer c.forget()
	c.res.Head, c.res.RequestBody = headOf(c.head), c.body
	out := c.request(ctx)
	if t := m.g.cfg.Tracer; t != nil {
		if c.trace != nil {
			out.Header["Traceparent"] = c.trace
		}
		span := t.Begin(d.traced(out, true), out.Header)
		defer func() { span.End(c.res.traced()) }()
	}
	answer, err := m.g.up.choose(d.upstream(), c.grpc).RoundTrip(out)
	if err == nil {
		err = m.receive(c, answer)
	}
	if m.g.life.Err() != nil {
		return // the gateway's own end is nobody's failure
	}
	c.res.Latency = time.Since(d.Start)
	c.res.Failed = c.res.Failed || err != nil || c.res.Status >= 500
	if err == nil && !c.res.Failed {
		m.read(c)
	}
	m.g.cfg.Recorder.ObservePair(c.compare())
}

// headOf is a Head over fields that net/http has read.
func headOf(h http.Header) Head { return &httpHead{&http.Request{Header: h}} }

// request is the copy as the canary gets it.
func (c *mirrored) request(ctx context.Context) *http.Request {
	up := c.d.upstream()
	h := make(http.Header, len(c.head)+1)
	for name, values := range c.head {
		h[name] = values
	}
	h[HeaderVersion], h[HeaderArm], h[HeaderMirror] = up.versionValue, up.armValue, []string{"true"}
	out := &http.Request{
		Method: c.r.Method, URL: target(up, c.r.URL), Host: up.url.Host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h, ContentLength: int64(len(c.body)),
	}
	if len(c.body) > 0 {
		out.Body = io.NopCloser(bytes.NewReader(c.body))
	}
	return out.WithContext(ctx)
}

// receive reads the canary's answer, up to the size that is read.
func (m *mirror) receive(c *mirrored, answer *http.Response) error {
	defer answer.Body.Close()
	describe(&c.res, answer)
	limit := int64(m.g.cfg.Limits.ReadBody)
	n, err := io.Copy(&c.answer, io.LimitReader(answer.Body, limit+1))
	if err != nil {
		return err
	}
	if c.grpc && answer.StatusCode == http.StatusOK {
		c.res.Status, _ = grpcStatus(answer.Header, answer.Trailer)
	}
	if n <= limit {
		c.res.Body = c.answer.Bytes()
	}
	return nil
}

// read finds the predictions of the canary's answer, and tells of them.
func (m *mirror) read(c *mirrored) {
	p := m.g.policy
	if c.res.Body != nil && !c.res.Encoded && inference.IsEventStream(c.res.ContentType) {
		s := inference.NewStream(c.d.Protocol)
		s.Start(c.d.Start)
		if c.d.comparesTexts() {
			s.KeepText()
		}
		s.Write(time.Now(), c.res.Body)
		result := s.Close(time.Now(), true)
		c.res.Failed, c.res.Stream = result.Failed, &result
		c.texts[traffic.Canary] = textOf(&c.d, &c.res)
		return // of streams the texts alone are compared
	}
	p.read(&c.d, &c.res)
	c.texts[traffic.Canary] = textOf(&c.d, &c.res)
	if p.cfg.Codec != nil {
		claims := p.claims(&c.d, &c.res)
		claims.Flags |= predictionid.Mirrored
		c.res.id, c.res.inID = string(p.cfg.Codec.AppendEncode(nil, claims)), len(c.res.preds) == 1
	}
	if c.res.Status < 300 && c.d.Protocol != inference.Unknown {
		p.tell(&c.d, &c.res, true)
	}
}

// forget drops what must not be kept alive in the pool.
func (c *mirrored) forget() {
	clear(c.preds)
	c.res.Reset()
	answer := c.answer
	answer.Reset()
	if answer.Cap() > maxKept {
		answer = bytes.Buffer{}
	}
	*c = mirrored{preds: c.preds[:0], res: c.res, answer: answer}
}
