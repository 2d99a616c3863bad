package proxy

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"time"
)

// Handler forwards requests to addresses and names inside the cluster.
type Handler struct {
	// Lookup resolves a name of the cluster's domain. It may be nil.
	Lookup func(name string) ([]netip.Addr, bool)
	// Cluster names the address ranges that may be dialled.
	Cluster []netip.Prefix
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodConnect {
		h.tunnel(w, r)
		return
	}
	if !r.URL.IsAbs() {
		http.Error(w, "this is a proxy into the test cluster: send it absolute URLs or CONNECT", http.StatusBadRequest)
		return
	}
	forward := &httputil.ReverseProxy{
		Rewrite:       func(p *httputil.ProxyRequest) { p.Out.Host = p.In.Host },
		Transport:     &http.Transport{DialContext: h.DialContext, DisableKeepAlives: true, DisableCompression: true},
		FlushInterval: -1,
	}
	forward.ServeHTTP(w, r)
}

// DialContext connects to an address inside the cluster. Addresses outside it
// are refused: they would only lead nowhere, slowly.
func (h *Handler) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		var found []netip.Addr
		if h.Lookup != nil {
			found, _ = h.Lookup(host)
		}
		if len(found) == 0 {
			return nil, &net.DNSError{Err: "no such name in the cluster", Name: host, IsNotFound: true}
		}
		ip = found[0]
	}
	for _, p := range h.Cluster {
		if p.Contains(ip) {
			dialer := net.Dialer{Timeout: 10 * time.Second}
			return dialer.DialContext(ctx, network, net.JoinHostPort(ip.String(), port))
		}
	}
	return nil, &net.AddrError{Err: "not an address of the cluster", Addr: host}
}

func (h *Handler) tunnel(w http.ResponseWriter, r *http.Request) {
	inside, err := h.DialContext(r.Context(), "tcp", r.Host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer inside.Close()
	outside, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer outside.Close()
	if _, err := io.WriteString(outside, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	done := make(chan struct{})
	go func() { defer close(done); transfer(inside, buffered) }()
	transfer(outside, inside)
	<-done
}

// transfer copies until the source ends and passes the end on.
func transfer(to net.Conn, from io.Reader) {
	_, _ = io.Copy(to, from)
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
		return
	}
	_ = to.Close()
}
