package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// policy lets the dashboard load its own files and speak to its own origin,
// and nothing else: no inline script, no inline style, no frame around it.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; " +
	"img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// hardened sets the headers that every answer carries.
func hardened(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

// loopbackHostsOnly refuses requests that name a host other than this machine.
// A page on evil.example whose name is rebound to 127.0.0.1 still sends
// "Host: evil.example", and is stopped here.
func loopbackHostsOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if !isLoopbackHost(strings.Trim(host, "[]")) {
			fail(w, http.StatusMisdirectedRequest,
				"this address answers only to localhost, 127.0.0.1 and [::1]; to reach it by another name, listen beyond loopback with a token")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// noForeignPages refuses what another site's page sent: writes by the standard
// library's rules (Sec-Fetch-Site, Origin against Host), and reads that the
// browser itself says come from elsewhere, which could not be answered to the
// page anyway but would hold a stream open.
func noForeignPages(next http.Handler) http.Handler {
	const refusal = "requests from other sites' pages are refused"
	refuse := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fail(w, http.StatusForbidden, refusal)
	})
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(refuse)
	writes := protection.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("Sec-Fetch-Site") {
		case "", "same-origin", "none":
			writes.ServeHTTP(w, r)
		default:
			refuse(w, r)
		}
	})
}

// authorised lets through who presents the token. Without a token only
// loopback is open.
func (s *Server) authorised(loopback bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.options.Token == "" && loopback {
			next.ServeHTTP(w, r)
			return
		}
		scheme, presented, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		sum := sha256.Sum256([]byte(strings.TrimSpace(presented)))
		same := subtle.ConstantTimeCompare(sum[:], s.token[:]) == 1
		if s.options.Token == "" || !strings.EqualFold(scheme, "Bearer") || !same {
			w.Header().Set("WWW-Authenticate", `Bearer realm="haldane"`)
			fail(w, http.StatusUnauthorized, "a token is needed: send it as `Authorization: Bearer <token>`")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isLoopbackHost reports whether host, without port or brackets, is this
// machine's own name or a loopback address. An empty host is every interface.
func isLoopbackHost(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

func listensOnLoopback(a net.Addr) bool {
	host, _, err := net.SplitHostPort(a.String())
	return err == nil && isLoopbackHost(host)
}
