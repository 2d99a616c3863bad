package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/haldane-dev/haldane/internal/inference"
)

// exchange is one request on its way through the gateway. It is used again for
// another when it is done; nothing that outlives the request may refer to it.
type exchange struct {
	g     *Gateway
	watch *watch

	w       http.ResponseWriter
	r       *http.Request
	preview bool // it came in where the candidate is previewed
	head    httpHead
	req     Request
	d       Decision
	res     Result

	cancel context.CancelFunc
	held   bool    // the request's body is in res.RequestBody, whole
	up     *upload // the request's body on its way, nil if held
	grpc   bool
	buf    []byte // of the answer: all of it if it is read first, else its current part
	copied []byte // of an answer that passes: what was kept to be read

	span        Span     // nil unless there is a Tracer
	traceparent []string // of span, for a copy
}

func newExchange(g *Gateway) *exchange {
	return &exchange{g: g, watch: new(watch), buf: make([]byte, 16<<10)}
}

// maxKept is the largest buffer that an exchange takes along.
const maxKept = 128 << 10

// release empties x and reports whether it may be used again.
func (x *exchange) release() bool {
	if !x.watch.stop() {
		x.watch = new(watch)
	}
	if cap(x.buf) > maxKept {
		return false
	}
	x.res.Reset()
	*x = exchange{g: x.g, watch: x.watch, res: x.res, buf: x.buf, copied: x.copied[:0]}
	if cap(x.copied) > maxKept {
		x.copied = nil
	}
	return true
}

// serve answers one request. It returns true if the answer was cut short and the
// client's connection must be too.
func (x *exchange) serve(w http.ResponseWriter, r *http.Request) (abort bool) {
	x.w, x.r = w, r
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	x.cancel = cancel
	x.watch.start(w, cancel, waitClient, x.g.cfg.Limits.Stall)

	x.head.r = r
	x.res.Head = &x.head
	x.grpc = isGRPC(x.head.Header("Content-Type"))
	upgrade := upgradeOf(r.Header)
	if err := x.holdBody(upgrade); err != nil {
		x.refuseBody(err)
		return false
	}
	x.req = Request{Head: &x.head, Method: r.Method, Path: r.URL.Path, Peer: peerAddr(r), Preview: x.preview}
	x.d = x.g.policy.Decide(&x.req)
	if !x.d.Ready() {
		failNoTable.send(w, r)
		return false
	}
	if x.d.Closed {
		failNoPreview.send(w, r)
		return false
	}
	if x.d.upstream().url == nil {
		x.d.Mirror = false // the head was not prepared for sending
		return x.fail(errNoEndpoint)
	}
	out := x.outgoing(ctx, upgrade)
	if t := x.g.cfg.Tracer; t != nil {
		x.trace(t, out)
	}
	if x.up != nil {
		defer x.up.end(w)
		x.watch.enter(waitUpload, x.g.cfg.Limits.Stall)
	} else {
		x.watch.enter(waitAnswer, x.g.cfg.Limits.ResponseHeader)
	}
	answer, err := x.roundTrip(out)
	if err != nil {
		return x.fail(x.reason(err))
	}
	if answer.StatusCode == http.StatusSwitchingProtocols {
		return x.tunnel(answer, upgrade)
	}
	return x.deliver(answer)
}

// outgoing is the request as the upstream gets it. The head of the incoming one
// is taken over and changed, not copied: nobody reads it any more but res.Head,
// of which those fields that the policy asks for afterwards stay.
func (x *exchange) outgoing(ctx context.Context, upgrade string) *http.Request {
	up := x.d.upstream()
	out := x.r.WithContext(ctx)
	h := out.Header
	trailers := hasToken(h["Te"], "trailers")
	stripHop(h)
	stripOwn(h)
	if trailers {
		h["Te"] = []string{"trailers"}
	}
	if upgrade != "" {
		h["Connection"], h["Upgrade"] = []string{"Upgrade"}, []string{upgrade}
	}
	forward(h, x.r, x.g.policy.trusts(x.req.Peer))
	h[HeaderVersion], h[HeaderArm] = up.versionValue, up.armValue
	if x.d.Load {
		h[HeaderLoad] = isLoad
	}
	if _, ok := h["User-Agent"]; !ok {
		h["User-Agent"] = nil // otherwise net/http names itself
	}
	out.URL = target(up, x.r.URL)
	out.Host = up.url.Host
	out.Close, out.RequestURI = false, ""
	out.Body, out.GetBody, out.ContentLength = x.body(out)
	return out
}

// target is the URL of a request at an upstream.
func target(up *upstream, in *url.URL) *url.URL {
	u := *in
	u.Scheme, u.Host, u.User = up.url.Scheme, up.url.Host, nil
	if up.plain {
		return &u
	}
	slash := ""
	if !strings.HasPrefix(in.Path, "/") {
		slash = "/"
	}
	u.Path = up.url.Path + slash + in.Path
	if in.RawPath != "" || up.url.RawPath != "" {
		u.RawPath = up.url.EscapedPath() + slash + in.EscapedPath()
	}
	return &u
}

// body gives the request's body as the transport wants it. One in memory goes
// out in one packet with the head only if net/http can see that it is there,
// hence the type.
func (x *exchange) body(out *http.Request) (io.ReadCloser, func() (io.ReadCloser, error), int64) {
	if x.up != nil {
		x.up.out = out
		x.up.keep = x.d.Mirror || x.d.Protocol == inference.OpenInferenceGRPC
		out.Trailer = nil
		if x.r.ContentLength < 0 {
			out.Trailer = make(http.Header)
			for name := range x.r.Trailer { // announced
				if !isOwn(name) && !isHop(name) {
					out.Trailer[name] = nil
				}
			}
		}
		return x.up, nil, x.r.ContentLength
	}
	held := x.res.RequestBody
	if len(held) == 0 {
		return nil, nil, 0
	}
	again := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(held)), nil }
	return io.NopCloser(bytes.NewReader(held)), again, int64(len(held))
}

func (x *exchange) roundTrip(out *http.Request) (*http.Response, error) {
	if x.r.ProtoAtLeast(1, 1) { // HTTP/1.0 knows no informational answers
		i := &informer{w: x.w, asks: x.head.Header("Expect") != ""}
		defer i.end()
		out = i.trace(out)
	}
	return x.g.up.choose(x.d.upstream(), x.grpc).RoundTrip(out)
}

// reason finds why a round trip or the reading of an answer failed, since the
// error of a request that was cancelled does not say by whom.
func (x *exchange) reason(err error) error {
	switch {
	case x.watch.expired():
		if x.up != nil && (x.up.idle() || x.up.failed()) {
			return errClientSlow
		}
		return errStalled
	case x.r.Context().Err() != nil:
		return errClientGone
	case x.up != nil && x.up.failed():
		return errClientBody
	}
	return err
}

// fault is what a client did itself. It is no evidence against anybody.
type fault struct {
	status  int // 0: it is gone, nothing can be said to it
	message string
}

func (f *fault) Error() string { return f.message }

// send tells the client, and that nothing more is read from it: where its next
// request would begin cannot be known.
func (f *fault) send(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "close")
	failure{f.status, f.message, false}.send(w, r)
}

var (
	errClientGone = &fault{0, "the client went away"}
	errClientSlow = &fault{http.StatusRequestTimeout, "the request body did not arrive in time"}
	errClientBody = &fault{http.StatusBadRequest, "the request body could not be read"}
)

// fail ends a request whose answer has not begun, and records it.
func (x *exchange) fail(err error) (abort bool) {
	x.res.Latency = time.Since(x.d.Start)
	x.w.Header()[HeaderVersion] = x.d.upstream().versionValue
	var own *fault
	if errors.As(err, &own) {
		x.res.Cancelled, x.res.Status = true, own.status
		if own.status != 0 {
			own.send(x.w, x.r)
		}
		x.g.policy.Observe(&x.d, &x.res)
		return own.status == 0
	}
	f := failed(&x.d, err)
	x.res.Status, x.res.Failed = f.status, true
	x.g.complain(x.d.Arm, x.d.Version(), f.status, err)
	f.send(x.w, x.r)
	x.g.policy.Observe(&x.d, &x.res)
	x.g.mirror.offer(x)
	return false
}
