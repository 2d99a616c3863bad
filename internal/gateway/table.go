package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/haldane-dev/haldane/internal/predictionid"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// Speech is how an upstream is spoken to.
type Speech string

// The ways to speak to an upstream.
const (
	SpeechAuto  Speech = ""      // HTTP/2 for gRPC, HTTP/1.1 for everything else
	SpeechHTTP1 Speech = "http1" // HTTP/1.1 always
	SpeechHTTP2 Speech = "h2"    // HTTP/2 always, in clear text if the URL is http
)

// Upstream is where an arm's requests go.
type Upstream struct {
	URL     string // http or https, with an optional base path; "" if the arm has no endpoint now
	Version string // as people call it; sent back in X-Haldane-Version
	Speech  Speech
	// Value is what a flag is worth on the arm, as JSON; "": the version's name.
	Value string
}

// Table is everything that says where requests go: the split, the lists of keys
// its cohorts name, and the upstream of each arm. Rollout and Revision go into
// prediction IDs, so that feedback finds what it is about; Revision is the
// candidate's, for both arms.
type Table struct {
	Split     traffic.Split
	Cohorts   map[string][]string
	Upstreams [traffic.NumArms]Upstream
	Variants  []Upstream // of Split.Variants
	Rollout   string
	Revision  string
	Load      *Load // nil: no request is known to be load
}

// route is a compiled Table. Only reached changes, and only from false to true.
type route struct {
	table    Table
	pick     *traffic.Table
	arms     [traffic.MaxArms]upstream
	rollout  uint32
	revision uint32
	reached  [traffic.MaxArms]atomic.Bool // a randomly assigned request went there
}

// upstream is a parsed Upstream with its header values ready to be shared; they
// must not be appended to.
type upstream struct {
	url     *url.URL // nil: no endpoint
	plain   bool     // url has no path of its own
	version string
	speech  Speech
	value   string

	versionValue, armValue []string
}

func compileTable(t Table) (*route, error) {
	t.Split = canonical(t.Split)
	pick, err := traffic.Compile(t.Split, t.Cohorts)
	if err != nil {
		return nil, err
	}
	r := &route{
		table: t, pick: pick,
		rollout: predictionid.Hash32(t.Rollout), revision: predictionid.Hash32(t.Revision),
	}
	all := append(t.Upstreams[:len(t.Upstreams):len(t.Upstreams)], t.Variants...)
	if len(all) != t.Split.Arms() {
		return nil, fmt.Errorf("%d arms are served and %d are split between", len(all), t.Split.Arms())
	}
	for arm, u := range all {
		if r.arms[arm], err = compileUpstream(t.Split.Name(traffic.Arm(arm)), u); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func compileUpstream(arm string, u Upstream) (upstream, error) {
	c := upstream{
		version: u.Version, speech: u.Speech, value: u.Value,
		versionValue: []string{u.Version}, armValue: []string{arm},
	}
	if !validHeaderValue(arm) {
		return c, fmt.Errorf("arm %q cannot be sent in a header: use visible ASCII characters", arm)
	}
	if !validHeaderValue(u.Version) {
		return c, fmt.Errorf("%s version %q cannot be sent in a header: use visible ASCII characters", arm, u.Version)
	}
	switch u.Speech {
	case SpeechAuto, SpeechHTTP1, SpeechHTTP2:
	default:
		return c, fmt.Errorf("%s protocol %q is not known: leave it out, or write http1 or h2", arm, u.Speech)
	}
	if u.URL == "" {
		return c, nil
	}
	parsed, err := url.Parse(u.URL)
	if err == nil {
		err = checkURL(parsed)
	}
	if err != nil {
		return c, fmt.Errorf("%s url %q: %w", arm, u.URL, err)
	}
	parsed.Path = strings.TrimSuffix(parsed.Path, "/")
	parsed.RawPath = strings.TrimSuffix(parsed.RawPath, "/")
	c.url, c.plain = parsed, parsed.Path == ""
	return c, nil
}

func checkURL(u *url.URL) error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("want http:// or https://")
	case u.Host == "" || u.Hostname() == "":
		return errors.New("the host is missing")
	case u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return errors.New("a user, a query or a fragment cannot be part of an upstream")
	}
	return nil
}

func validHeaderValue(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// canonical spells the header names of a split as net/http stores them, so that
// looking one up allocates nothing.
func canonical(s traffic.Split) traffic.Split {
	s.Sticky.Header = http.CanonicalHeaderKey(s.Sticky.Header)
	s.Always, s.Never = canonicalMatches(s.Always), canonicalMatches(s.Never)
	s.Variants = slices.Clone(s.Variants)
	for i, v := range s.Variants {
		s.Variants[i].Always = canonicalMatches(v.Always)
	}
	return s
}

func canonicalMatches(ms []traffic.Match) []traffic.Match {
	ms = slices.Clone(ms)
	for i, m := range ms {
		if m.Header != nil {
			f := *m.Header
			f.Name = http.CanonicalHeaderKey(f.Name)
			ms[i].Header = &f
		}
	}
	return ms
}

func usesCountry(s traffic.Split) bool {
	any := func(ms []traffic.Match) bool {
		return slices.ContainsFunc(ms, func(m traffic.Match) bool { return len(m.Country) > 0 })
	}
	return any(s.Always) || any(s.Never) ||
		slices.ContainsFunc(s.Variants, func(v traffic.Variant) bool { return any(v.Always) })
}

// Observed reports what the gateway carries: nothing before the first table,
// Accepted once it has one, and Flowing when a randomly assigned request has
// reached every arm that is to have any.
func (g *Gateway) Observed() traffic.Observed {
	r := g.policy.route.Load()
	if r == nil {
		return traffic.Observed{Level: traffic.Unknown}
	}
	s := r.table.Split
	o := traffic.Observed{Level: traffic.Accepted, Generation: s.Generation, Canary: s.Canary, Mirror: s.Mirror, Slots: s.Slots}
	for arm := range traffic.Arm(s.Arms()) {
		if s.Share(arm) > 0 && !r.reached[arm].Load() {
			return o
		}
	}
	o.Level = traffic.Flowing
	return o
}

// Table returns the table that new requests are decided by, with its header
// names spelled canonically, and false before the first one. It is read-only.
func (g *Gateway) Table() (Table, bool) {
	r := g.policy.route.Load()
	if r == nil {
		return Table{}, false
	}
	return r.table, true
}

// FindsCountries reports whether the gateway has anything to find the country
// of a request by. A table with country matches is refused if not.
func (g *Gateway) FindsCountries() bool {
	return g.cfg.CountryDB != "" || g.cfg.CountryHeader != "" || g.cfg.Countries
}

// SetTable makes t the table of every request that comes after. A table that
// cannot be used is refused and the old one stays.
func (g *Gateway) SetTable(t Table) error {
	r, err := compileTable(t)
	if err != nil {
		return fmt.Errorf("gateway table: %w", err)
	}
	if !g.FindsCountries() && usesCountry(t.Split) {
		return errors.New("gateway table: a country match needs a country file, or a country header and the proxies that may set it")
	}
	g.policy.route.Store(r)
	// An address may lead elsewhere by now, as that of a Service does once its
	// pods are others: what is kept open leads where it did before.
	g.up.closeIdle()
	return nil
}
