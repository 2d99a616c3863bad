package gateway

import (
	"crypto/sha256"
	"crypto/subtle"
)

// Load says which requests are of Haldane's own load, and what they are to be.
type Load struct {
	// Digest is the SHA-256 of the text in HeaderLoad: who reads a table cannot
	// make requests that pass for load.
	Digest [sha256.Size]byte
	// Count makes them evidence like those of users; otherwise they are warm-up
	// requests.
	Count bool
	// Watch counts the requests of users, see Gateway.UserRequests.
	Watch bool
}

// maxLoadMark is the longest text that is looked at, in bytes.
const maxLoadMark = 128

var isLoad = []string{"true"} // shared, never appended to

// tellLoad tells load from the requests of users.
func (p *policy) tellLoad(d *Decision, r *Request) {
	l := d.route.table.Load
	if mark := r.Head.Header(HeaderLoad); mark != "" && len(mark) <= maxLoadMark {
		sum := sha256.Sum256([]byte(mark))
		d.Load = subtle.ConstantTimeCompare(sum[:], l.Digest[:]) == 1
	}
	if d.Load && !l.Count {
		d.Warmup = true
	}
	if l.Watch && !d.Load && !d.Warmup {
		p.users.Add(1)
	}
}

// UserRequests returns how many requests of users there have been while the
// table had Load.Watch.
func (g *Gateway) UserRequests() uint64 { return g.policy.users.Load() }
