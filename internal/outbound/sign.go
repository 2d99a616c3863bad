package outbound

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The headers of a signed request.
const (
	TimestampHeader = "Haldane-Timestamp" // Unix seconds
	SignatureHeader = "Haldane-Signature" // "sha256=" and hexadecimal digits
)

// Sign writes both headers: the signature is the HMAC-SHA256, by the secret, of
// the timestamp, a dot and the body. Whoever receives it compares both in
// constant time and refuses timestamps that are minutes old.
func Sign(h http.Header, secret []byte, at time.Time, body []byte) {
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(stamp + "."))
	mac.Write(body)
	h.Set(TimestampHeader, stamp)
	h.Set(SignatureHeader, "sha256="+hex.EncodeToString(mac.Sum(nil)))
}

// after reads Retry-After, seconds alone, up to ten minutes.
func after(h http.Header) time.Duration {
	n, err := strconv.Atoi(strings.TrimSpace(h.Get("Retry-After")))
	if err != nil || n < 0 {
		return 0
	}
	return min(time.Duration(n)*time.Second, 10*time.Minute)
}
