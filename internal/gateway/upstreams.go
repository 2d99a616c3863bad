package gateway

import (
	"context"
	"errors"
	"net"
	"net/http"
	"syscall"
	"time"
)

// upstreams are the connections to models, of all tables alike. Those in use
// outlast a new table, those kept for later do not.
type upstreams struct {
	http1 *http.Transport
	http2 *http.Transport
}

func newUpstreams(l Limits) *upstreams {
	base := func() *http.Transport {
		return &http.Transport{
			DialContext:            redial(&net.Dialer{Timeout: l.Dial, KeepAlive: 15 * time.Second}, min(l.Redial, l.Dial)),
			TLSHandshakeTimeout:    l.Dial,
			MaxIdleConnsPerHost:    l.Requests,
			IdleConnTimeout:        l.UpstreamIdle,
			ExpectContinueTimeout:  time.Second,
			MaxResponseHeaderBytes: int64(l.HeaderBytes),
			DisableCompression:     true, // bodies pass as they are
			ReadBufferSize:         8 << 10,
			WriteBufferSize:        8 << 10,
		}
	}
	u := &upstreams{http1: base(), http2: base()}
	u.http1.Protocols, u.http2.Protocols = new(http.Protocols), new(http.Protocols)
	u.http1.Protocols.SetHTTP1(true)
	u.http2.Protocols.SetHTTP2(true)
	u.http2.Protocols.SetUnencryptedHTTP2(true)
	return u
}

// The pause before a refused connection is tried again, at first and at most.
const (
	redialFirst = 25 * time.Millisecond
	redialMost  = 400 * time.Millisecond
)

// redial connects by d and, if that is refused, again for so long. Where an
// address stands for many processes, as a Service's does, those that are ready
// are known everywhere only a little later.
func redial(d *net.Dialer, within time.Duration) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		began := time.Now()
		for pause := redialFirst; ; pause = min(2*pause, redialMost) {
			c, err := d.DialContext(ctx, network, address)
			if err == nil || !errors.Is(err, syscall.ECONNREFUSED) || time.Since(began)+pause > within {
				return c, err
			}
			select {
			case <-ctx.Done():
				return nil, err
			case <-time.After(pause):
			}
		}
	}
}

// choose returns the transport for a request to up.
func (u *upstreams) choose(up *upstream, grpc bool) *http.Transport {
	if up.speech == SpeechHTTP2 || up.speech == SpeechAuto && grpc {
		return u.http2
	}
	return u.http1
}

func (u *upstreams) closeIdle() {
	u.http1.CloseIdleConnections()
	u.http2.CloseIdleConnections()
}
