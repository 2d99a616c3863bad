package gateway

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"

	"github.com/oschwald/maxminddb-golang/v2"
)

// countries finds the country of an address in a MaxMind file. It is safe for
// concurrent use and allocates nothing once warm.
type countries struct {
	db   *maxminddb.Reader
	pool sync.Pool // of *string, into which the reader decodes
}

// The path is converted to interface values once, not for every look-up.
var isoCodePath = []any{"country", "iso_code"}

// openCountries opens a MaxMind file with country.iso_code, as GeoLite2-Country
// and GeoLite2-City have it.
func openCountries(path string) (*countries, error) {
	db, err := maxminddb.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open country file %s: %w", path, err)
	}
	return &countries{db: db, pool: sync.Pool{New: func() any { return new(string) }}}, nil
}

// lookup returns the ISO code of addr's country, "" if the file has none.
func (c *countries) lookup(addr netip.Addr) string {
	if !addr.IsValid() {
		return ""
	}
	code := c.pool.Get().(*string)
	defer c.pool.Put(code)
	*code = ""
	if err := c.db.Lookup(addr.Unmap()).DecodePath(code, isoCodePath...); err != nil {
		return ""
	}
	return *code
}

func (c *countries) close() error { return c.db.Close() }

// client returns the address that a trusted proxy spoke for: the last entry of
// X-Forwarded-For that is not itself a trusted proxy. What is to the left of it
// was written by strangers. Without a readable entry it is peer.
func (p *policy) client(forwarded string, peer netip.Addr) netip.Addr {
	for forwarded != "" {
		entry := forwarded
		if i := strings.LastIndexByte(forwarded, ','); i >= 0 {
			forwarded, entry = forwarded[:i], forwarded[i+1:]
		} else {
			forwarded = ""
		}
		addr, err := netip.ParseAddr(strings.TrimSpace(entry))
		if err != nil {
			return peer
		}
		peer = addr
		if !p.trusts(addr) {
			return addr
		}
	}
	return peer
}

// countryCode returns s as an upper-case code of two letters, "" if it is none.
func countryCode(s string) string {
	if len(s) != 2 {
		return ""
	}
	for i := range 2 {
		if c := s[i] | 0x20; c < 'a' || c > 'z' {
			return ""
		}
	}
	return strings.ToUpper(s) // allocates only if it changes something
}
