package gateway

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/haldane-dev/haldane/internal/inference"
)

// deliver passes the upstream's answer on and records the exchange. It returns
// true if the answer was cut short after it had begun.
func (x *exchange) deliver(answer *http.Response) (abort bool) {
	defer answer.Body.Close()
	describe(&x.res, answer)
	if x.readsFirst(answer) {
		x.watch.touch(x.g.cfg.Limits.Stall)
		if err := x.readAll(answer); err != nil {
			return x.fail(x.reason(err))
		}
	}
	x.watch.enter(waitAnother, x.g.cfg.Limits.Stall)
	id := x.g.policy.Identify(&x.d, &x.res)
	x.sendHead(answer, id)
	err := x.sendBody(answer)
	x.res.Latency = time.Since(x.d.Start)
	if err == nil && x.grpc {
		status, cancelled := grpcStatus(answer.Header, answer.Trailer)
		if answer.StatusCode == http.StatusOK {
			x.res.Status, x.res.Cancelled = status, cancelled
		}
	}
	x.settle(err)
	return err != nil
}

// describe notes what the policy may need to know of an answer.
func describe(res *Result, answer *http.Response) {
	h := answer.Header
	res.Status = answer.StatusCode
	res.ContentType = h.Get("Content-Type")
	if e := h.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		res.Encoded = true
	}
	if n := h.Get("Inference-Header-Content-Length"); n != "" {
		res.BinaryHead, _ = strconv.Atoi(n) // what is no number is none
	}
}

// readsFirst reports whether the whole answer is read before any of it is sent,
// so that its prediction goes into the ID in the head. Only answers of known,
// moderate length are: everything else is on its way at once.
func (x *exchange) readsFirst(answer *http.Response) bool {
	return answer.ContentLength > 0 && answer.ContentLength <= int64(x.g.cfg.Limits.ReadBody) &&
		x.r.Method != http.MethodHead && !x.grpc && !x.res.Encoded &&
		x.g.policy.readable(&x.d, &x.res) && !inference.IsEventStream(x.res.ContentType)
}

func (x *exchange) readAll(answer *http.Response) error {
	n := int(answer.ContentLength)
	if cap(x.buf) < n {
		x.buf = make([]byte, n)
	}
	body := x.buf[:n]
	if _, err := io.ReadFull(answer.Body, body); err != nil {
		return errCut{err}
	}
	x.res.Body = body
	return nil
}

// errCut is an answer that ended before its announced length.
type errCut struct{ error }

func (e errCut) Unwrap() []error { return []error{errCutShort, e.error} }

// sendHead sends the head of the answer, with trailers announced.
func (x *exchange) sendHead(answer *http.Response, id string) {
	h := x.w.Header()
	stripHop(answer.Header)
	for name, values := range answer.Header {
		if !isOwn(name) {
			h[name] = values
		}
	}
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = nil // otherwise net/http guesses one
	}
	h[HeaderVersion] = x.d.upstream().versionValue
	if id != "" {
		h[HeaderPredictionID] = []string{id}
	}
	for name := range answer.Trailer {
		if !isOwn(name) && !isHop(name) {
			h.Add("Trailer", name)
		}
	}
	x.w.WriteHeader(answer.StatusCode)
}

// sendBody passes the body on, each part as it comes unless the length is known.
func (x *exchange) sendBody(answer *http.Response) error {
	if x.res.Body != nil {
		if _, err := x.w.Write(x.res.Body); err != nil {
			return errClientGone
		}
		return x.sendTrailers(answer)
	}
	if answer.ContentLength == 0 && !x.grpc {
		return x.sendTrailers(answer)
	}
	var flush func() error
	if answer.ContentLength < 0 {
		flush = http.NewResponseController(x.w).Flush
		// The head of a stream is news by itself.
		if err := flush(); err != nil {
			return errClientGone
		}
	}
	read := x.reading(answer)
	err := x.copyBody(answer.Body, flush, read)
	if read.stream != nil {
		// A stream that the client gave up says nothing about the model.
		if err != errClientGone {
			result := read.stream.Close(time.Now(), err == nil)
			x.res.Stream = &result
		}
	} else if err == nil && read.keep {
		x.res.Body = x.copied
	}
	if err != nil {
		return err
	}
	return x.sendTrailers(answer)
}

// aside is what happens to an answer besides being passed on.
type aside struct {
	stream *inference.Stream
	keep   bool // in x.copied, while it fits
}

// reading says what to do with the parts of an answer that streams.
func (x *exchange) reading(answer *http.Response) aside {
	switch {
	case x.res.Encoded || x.g.policy.cfg.Reader == nil || answer.StatusCode != http.StatusOK:
		return aside{}
	case inference.IsEventStream(x.res.ContentType):
		s := inference.NewStream(x.d.Protocol)
		s.Start(x.d.Start)
		if x.d.Mirror && x.d.comparesTexts() {
			s.KeepText()
		}
		return aside{stream: s}
	}
	return aside{keep: x.g.policy.readable(&x.d, &x.res) && answer.ContentLength < 0}
}

func (x *exchange) copyBody(body io.Reader, flush func() error, read aside) error {
	limit := x.g.cfg.Limits
	buf := x.buf[:cap(x.buf)]
	for {
		n, rerr := body.Read(buf)
		if n > 0 {
			if read.stream != nil {
				read.stream.Write(time.Now(), buf[:n])
			}
			if read.keep {
				if read.keep = len(x.copied)+n <= limit.ReadBody; read.keep {
					x.copied = append(x.copied, buf[:n]...)
				}
			}
			_, werr := x.w.Write(buf[:n])
			if werr == nil && flush != nil {
				werr = flush()
			}
			if werr != nil {
				return errClientGone
			}
			x.watch.touch(limit.Stall)
		}
		if rerr == io.EOF {
			if !read.keep {
				x.copied = x.copied[:0]
			}
			return nil
		}
		if rerr != nil {
			return x.reason(errCut{rerr})
		}
	}
}

// sendTrailers passes the upstream's trailers on, announced or not.
func (x *exchange) sendTrailers(answer *http.Response) error {
	if len(answer.Trailer) == 0 {
		return nil
	}
	h := x.w.Header()
	announced := h["Trailer"]
	for name, values := range answer.Trailer {
		switch {
		case isOwn(name) || isHop(name):
		case hasToken(announced, name):
			h[name] = values
		default:
			h[http.TrailerPrefix+name] = values
		}
	}
	// Without a flush net/http would give a short body a length, and an answer
	// with a length has no trailers.
	if err := http.NewResponseController(x.w).Flush(); err != nil {
		return errClientGone
	}
	return nil
}

// settle records an answer that was begun.
func (x *exchange) settle(err error) {
	var own bool
	if err != nil {
		_, own = err.(*fault)
		x.res.Cancelled, x.res.Failed = own, !own
		if !own {
			x.g.complain(x.d.Arm, x.d.Version(), x.res.Status, err)
		}
	}
	if x.up != nil {
		if body, ok := x.up.whole(); ok {
			x.res.RequestBody, x.held = body, true
		}
	}
	x.g.policy.Observe(&x.d, &x.res)
	x.g.mirror.offer(x)
}
