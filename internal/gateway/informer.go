package gateway

import (
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"sync"
)

// informer passes informational answers (1xx) on to the client. The transport
// calls it from a goroutine that may outlast the round trip.
type informer struct {
	mu   sync.Mutex
	w    http.ResponseWriter // nil once the round trip has ended
	asks bool                // the client asked for 100-continue
}

func (i *informer) trace(out *http.Request) *http.Request {
	return out.WithContext(httptrace.WithClientTrace(out.Context(), &httptrace.ClientTrace{Got1xxResponse: i.got}))
}

func (i *informer) got(code int, header textproto.MIMEHeader) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.w == nil || code == http.StatusContinue && !i.asks {
		return nil
	}
	h := i.w.Header()
	maps.Copy(h, http.Header(header))
	stripHop(h)
	stripOwn(h)
	i.w.WriteHeader(code)
	clear(h)
	return nil
}

func (i *informer) end() {
	i.mu.Lock()
	i.w = nil
	i.mu.Unlock()
}
