package gateway

import (
	"net/http"
	"net/netip"
	"net/textproto"
	"strings"
)

// httpHead is the Head of a request that net/http read.
type httpHead struct{ r *http.Request }

// Header implements Head. net/http keeps Host apart from the other fields. Of
// X-Forwarded-For the last line counts: the nearest proxy wrote it.
func (h *httpHead) Header(name string) string {
	v := h.r.Header[name]
	switch {
	case len(v) > 1 && name == "X-Forwarded-For":
		return v[len(v)-1]
	case len(v) > 0:
		return v[0]
	case name == "Host":
		return h.r.Host
	}
	return ""
}

// Cookie implements Head.
func (h *httpHead) Cookie(name string) string { return cookie(h.r.Header["Cookie"], name) }

// cookie returns the first value of the cookie of that name, without quotes
// around it, as RFC 6265 section 5.4 sends it. It allocates nothing.
func cookie(lines []string, name string) string {
	if name == "" {
		return ""
	}
	for _, line := range lines {
		for line != "" {
			var pair string
			pair, line, _ = strings.Cut(line, ";")
			k, v, _ := strings.Cut(textproto.TrimString(pair), "=")
			if textproto.TrimString(k) != name {
				continue
			}
			if len(v) > 1 && v[0] == '"' && v[len(v)-1] == '"' {
				v = v[1 : len(v)-1]
			}
			if validCookieValue(v) {
				return v
			}
		}
	}
	return ""
}

// validCookieValue is as lenient as net/http.
func validCookieValue(v string) bool {
	for i := range len(v) {
		if c := v[i]; c < 0x20 || c >= 0x7f || c == '"' || c == ';' || c == '\\' {
			return false
		}
	}
	return true
}

// peerAddr returns the address of the other end of r's connection, the zero
// Addr if it has none that can be read (a Unix socket, say).
func peerAddr(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr()
}
