package gateway

import (
	"net/http"
	"net/textproto"
	"slices"
	"strings"
)

// hopByHop are the fields that end at a proxy even if Connection does not list
// them (RFC 9110 section 7.6.1, and two that browsers and old proxies send).
var hopByHop = [...]string{
	"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// stripHop removes the fields that do not go past a proxy.
func stripHop(h http.Header) {
	for _, line := range h["Connection"] {
		for line != "" {
			var name string
			name, line, _ = strings.Cut(line, ",")
			if name = textproto.TrimString(name); name != "" && !strings.EqualFold(name, "close") && !strings.EqualFold(name, "keep-alive") {
				h.Del(name)
			}
		}
	}
	for _, name := range hopByHop {
		delete(h, name)
	}
}

func isHop(name string) bool { return slices.Contains(hopByHop[:], name) }

// isOwn reports whether only the gateway may set a field.
func isOwn(name string) bool { return strings.HasPrefix(name, headerPrefix) }

// stripOwn removes the fields that only the gateway may set.
func stripOwn(h http.Header) {
	for name := range h {
		if isOwn(name) {
			delete(h, name)
		}
	}
}

// hasToken reports whether a comma-separated field lists token.
func hasToken(lines []string, token string) bool {
	for _, line := range lines {
		for line != "" {
			var t string
			t, line, _ = strings.Cut(line, ",")
			if strings.EqualFold(textproto.TrimString(t), token) {
				return true
			}
		}
	}
	return false
}

// upgradeOf returns the protocol that a message's head asks to go on with, "" if
// none. An upgrade to h2c is ignored, as a server may: HTTP/2 in clear text is
// spoken with prior knowledge only.
func upgradeOf(h http.Header) string {
	if len(h["Upgrade"]) == 0 || !hasToken(h["Connection"], "upgrade") {
		return ""
	}
	protocol := h.Get("Upgrade")
	if hasToken(h["Upgrade"], "h2c") {
		return ""
	}
	return protocol
}

// forward sets the fields that say who asks. What was there is kept only if the
// peer is trusted: then this hop is appended.
func forward(h http.Header, r *http.Request, trusted bool) {
	if !trusted {
		delete(h, "Forwarded")
		delete(h, "X-Forwarded-For")
		delete(h, "X-Forwarded-Host")
		delete(h, "X-Forwarded-Proto")
		delete(h, "X-Forwarded-Port")
		delete(h, "X-Real-Ip")
	}
	peer := peerHost(r.RemoteAddr)
	appendList(h, "X-Forwarded-For", peer)
	appendList(h, "Forwarded", forwardedElement(peer, r.Host))
	if len(h["X-Forwarded-Host"]) == 0 {
		h["X-Forwarded-Host"] = []string{r.Host}
	}
	if len(h["X-Forwarded-Proto"]) == 0 {
		h["X-Forwarded-Proto"] = protoHTTP
	}
}

var protoHTTP = []string{"http"} // shared, never appended to

// appendList adds value at the end of a list, folding several lines into one.
func appendList(h http.Header, name, value string) {
	prior := h[name]
	switch len(prior) {
	case 0:
	case 1:
		value = prior[0] + ", " + value
	default:
		value = strings.Join(prior, ", ") + ", " + value
	}
	h[name] = []string{value}
}

// peerHost is the address in addr without its port, "unknown" if there is none.
func peerHost(addr string) string {
	if i := strings.LastIndexByte(addr, ':'); i > 0 {
		host := strings.TrimSuffix(strings.TrimPrefix(addr[:i], "["), "]")
		if zone := strings.IndexByte(host, '%'); zone >= 0 {
			host = host[:zone]
		}
		if host != "" {
			return host
		}
	}
	return "unknown"
}

// forwardedElement is one hop as RFC 7239 writes it. net/http has made sure that
// host holds no quote.
func forwardedElement(peer, host string) string {
	var b [96]byte
	e := append(b[:0], "for="...)
	if strings.IndexByte(peer, ':') >= 0 {
		e = append(e, `"[`...)
		e = append(e, peer...)
		e = append(e, `]"`...)
	} else {
		e = append(e, peer...)
	}
	if host != "" && !strings.ContainsAny(host, `"\`) {
		e = append(e, `;host="`...)
		e = append(e, host...)
		e = append(e, '"')
	}
	e = append(e, ";proto=http"...)
	return string(e)
}
