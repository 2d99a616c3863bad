package gateway

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// holdBody reads a request body of known, moderate size into memory before the
// request is decided: a slow client then costs its arm no latency, and the head
// and body go out together. Anything else becomes an upload that streams. A
// client that asks for 100-continue wants the upstream's word before it sends.
func (x *exchange) holdBody(upgrade string) error {
	n := x.r.ContentLength
	switch {
	case n == 0 && upgrade == "":
		x.held = true
		return nil
	case n == 0:
		return nil
	case n < 0 || n > int64(x.g.cfg.Limits.HeldBody) || x.head.Header("Expect") != "":
		x.up = &upload{watch: x.watch, limits: &x.g.cfg.Limits, in: x.r}
		if x.r.ProtoMajor == 1 {
			// An answer may begin before the body ends. Where this cannot be had
			// net/http reads the body first, which is safe.
			_ = http.NewResponseController(x.w).EnableFullDuplex()
		}
		return nil
	}
	// Memory follows what arrives, not what is announced.
	body := make([]byte, min(n, 16<<10))
	got, err := io.ReadFull(x.r.Body, body)
	if err == nil && n > int64(got) {
		body = append(make([]byte, 0, n), body...)[:n]
		_, err = io.ReadFull(x.r.Body, body[got:])
	}
	if err != nil {
		return err
	}
	x.res.RequestBody, x.held = body, true
	return nil
}

// refuseBody ends a request whose body did not arrive. It never was decided.
func (x *exchange) refuseBody(err error) {
	if x.watch.expired() {
		errClientSlow.send(x.w, x.r)
		return
	}
	x.g.cfg.Logger.Debug("request body", "error", err)
	errClientBody.send(x.w, x.r)
}

// upload is a request body that streams from client to upstream. The transport
// reads it in a goroutine that may outlast the request's handler.
type upload struct {
	watch  *watch
	limits *Limits
	in     *http.Request
	out    *http.Request // whose Trailer is filled when the body ends

	mu      sync.Mutex
	ended   bool // the handler has returned: nothing may be read
	waiting bool // for the client
	eof     bool
	broken  bool // by the client
	keep    bool // a copy, up to limits.HeldBody
	over    bool // the copy does not fit
	copy    []byte
}

var errEnded = errors.New("request has ended")

// Read implements io.Reader for the transport.
func (u *upload) Read(p []byte) (int, error) {
	u.mu.Lock()
	if u.ended {
		u.mu.Unlock()
		return 0, errEnded
	}
	u.waiting = true
	u.mu.Unlock()

	n, err := u.in.Body.Read(p)

	u.mu.Lock()
	defer u.mu.Unlock()
	u.waiting = false
	if u.ended {
		return n, errEnded
	}
	if u.keep && !u.over {
		if u.over = len(u.copy)+n > u.limits.HeldBody; u.over {
			u.copy = nil
		} else {
			u.copy = append(u.copy, p[:n]...)
		}
	}
	switch {
	case err == io.EOF:
		u.eof = true
		u.trailers()
		u.watch.touch(u.limits.ResponseHeader)
	case err != nil:
		u.broken = true
	default:
		u.watch.touch(u.limits.Stall)
	}
	return n, err
}

// Close implements io.Closer. The body belongs to the server, which closes it.
func (u *upload) Close() error { return nil }

// trailers hands the client's trailers on. net/http fills them when the body has
// been read, and its transport writes those of out after it.
func (u *upload) trailers() {
	if u.out == nil || u.out.Trailer == nil {
		return
	}
	for name, values := range u.in.Trailer {
		if !isOwn(name) && !isHop(name) {
			u.out.Trailer[name] = values
		}
	}
}

// whole returns the body if all of it has passed and a copy was kept.
func (u *upload) whole() ([]byte, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.copy, u.keep && u.eof && !u.over
}

// failed reports whether the client is why the body did not get through.
func (u *upload) failed() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.broken
}

// idle reports whether the client is being waited for.
func (u *upload) idle() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.waiting
}

// end stops reading. A client that has not sent everything has a moment to do
// so, after which its connection is given up.
func (u *upload) end(w http.ResponseWriter) {
	u.mu.Lock()
	u.ended = true
	unfinished := !u.eof && !u.broken
	u.mu.Unlock()
	if unfinished {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(time.Second))
	}
}
