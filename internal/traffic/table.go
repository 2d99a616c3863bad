package traffic

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// Request is what a pick may look at. Implementations return "" for what a
// request does not have.
type Request interface {
	Header(name string) string
	Cookie(name string) string
	Country() string // ISO 3166-1 alpha-2, upper case
}

// Choice is where one request goes and why.
type Choice struct {
	Arm    Arm
	Forced bool   // by an always or never match: no evidence, no part of the traffic check
	Keyed  bool   // decided by a sticky key, whose bucket is Bucket
	Mirror bool   // also send a copy to the canary
	Bucket uint16 // of the key, in [0, Full)
	// KeyHash tells keys apart without naming them, so that a key can be
	// counted once; it is salted, and 0 unless Keyed.
	KeyHash uint64
}

// Table is a compiled Split. It is immutable.
type Table struct {
	split    Split
	always   []matcher
	variants [][]matcher // of Split.Variants, what forces a request onto each
	never    []matcher
	salt     uint64
}

type matcher struct {
	header, cookie string
	exact, prefix  string
	regex          *regexp.Regexp
	countries      []string
	cohort         map[string]struct{}
}

// Compile checks s and prepares it for picking. cohorts holds the keys of each
// cohort that s names; a cohort that is missing is an error, and so are a bad
// regular expression, a weight out of range, two places to find the sticky key,
// a match with no or two kinds, a field without a name or with two conditions, a
// country that is not two upper-case letters, and slots that are not those of the
// arms. The table keeps nothing of
// s or cohorts that a caller could change afterwards.
func Compile(s Split, cohorts map[string][]string) (*Table, error) {
	if s.Canary < 0 || s.Canary > Full || s.Mirror < 0 || s.Mirror > Full {
		return nil, fmt.Errorf("split: canary %s, mirror %s: a weight is between 0%% and 100%%", s.Canary, s.Mirror)
	}
	if s.Sticky.Header != "" && s.Sticky.Cookie != "" {
		return nil, fmt.Errorf("split: sticky by header %s and by cookie %s: choose one", s.Sticky.Header, s.Sticky.Cookie)
	}
	if err := s.checkSlots(); err != nil {
		return nil, fmt.Errorf("split: %w", err)
	}
	s.Always, s.Never, s.Variants = slices.Clone(s.Always), slices.Clone(s.Never), slices.Clone(s.Variants)
	t := &Table{split: s, salt: xxhash.Sum64String(s.Salt)}
	var err error
	if t.always, err = compileAll("always", s, s.Always, cohorts); err != nil {
		return nil, err
	}
	if t.never, err = compileAll("never", s, s.Never, cohorts); err != nil {
		return nil, err
	}
	for i, v := range s.Variants {
		s.Variants[i].Always = slices.Clone(v.Always)
		always, err := compileAll(v.Name+".always", s, v.Always, cohorts)
		if err != nil {
			return nil, err
		}
		t.variants = append(t.variants, always)
	}
	return t, nil
}

// checkSlots reports why the slots of s cannot be those of its arms.
func (s *Split) checkSlots() error {
	switch {
	case s.Arms() > MaxArms:
		return fmt.Errorf("%d arms where %d are the most", s.Arms(), MaxArms)
	case s.Slots == "" && len(s.Variants) == 0:
		return nil
	case len(s.Slots) != NumSlots:
		return fmt.Errorf("%d slots, want %d", len(s.Slots), NumSlots)
	case SlotShare(s.Slots, Canary) != s.Canary:
		return fmt.Errorf("the slots give the canary %s and the weight %s", SlotShare(s.Slots, Canary), s.Canary)
	}
	for i := range NumSlots {
		if d := s.Slots[i] - '0'; int(d) >= s.Arms() {
			return fmt.Errorf("slot %d belongs to no arm: %q", i, s.Slots[i])
		}
	}
	return nil
}

func compileAll(what string, s Split, ms []Match, cohorts map[string][]string) ([]matcher, error) {
	out := make([]matcher, 0, len(ms))
	for i, m := range ms {
		c, err := compile(s, m, cohorts)
		if err != nil {
			return nil, fmt.Errorf("%s[%d]: %w", what, i, err)
		}
		out = append(out, c)
	}
	return out, nil
}

func compile(s Split, m Match, cohorts map[string][]string) (matcher, error) {
	var c matcher
	kinds := 0
	if m.Header != nil {
		kinds++
		c.header = m.Header.Name
		if err := c.setField(m.Header); err != nil {
			return c, fmt.Errorf("header %q: %w", m.Header.Name, err)
		}
	}
	if m.Cookie != nil {
		kinds++
		c.cookie = m.Cookie.Name
		if err := c.setField(m.Cookie); err != nil {
			return c, fmt.Errorf("cookie %q: %w", m.Cookie.Name, err)
		}
	}
	if len(m.Country) > 0 {
		kinds++
		for _, country := range m.Country {
			if !isCountry(country) {
				return c, fmt.Errorf("country %q: want a code of two upper-case letters (ISO 3166-1), as NL", country)
			}
		}
		c.countries = slices.Clone(m.Country)
	}
	if m.Cohort != "" {
		kinds++
		keys, ok := cohorts[m.Cohort]
		if !ok {
			return c, fmt.Errorf("cohort %q is not defined: list it under routing.cohorts", m.Cohort)
		}
		if s.Sticky == (Sticky{}) {
			return c, fmt.Errorf("cohort %q needs routing.stickyBy, which says where a request's key is found", m.Cohort)
		}
		c.cohort = make(map[string]struct{}, len(keys))
		for _, k := range keys {
			c.cohort[k] = struct{}{}
		}
	}
	if kinds != 1 {
		return c, fmt.Errorf("a match has exactly one of header, cookie, country, cohort; this one has %d", kinds)
	}
	return c, nil
}

// setField takes over the condition of f.
func (m *matcher) setField(f *Field) error {
	if f.Name == "" {
		return errors.New("it has no name")
	}
	conditions := 0
	for _, s := range [...]string{f.Exact, f.Prefix, f.Regex} {
		if s != "" {
			conditions++
		}
	}
	if conditions > 1 {
		return errors.New("choose one of exact, prefix and regex")
	}
	m.exact, m.prefix = f.Exact, f.Prefix
	if f.Regex == "" {
		return nil
	}
	var err error
	if m.regex, err = regexp.Compile(`\A(?:` + f.Regex + `)\z`); err != nil {
		return fmt.Errorf("regex %q: %w", f.Regex, err)
	}
	return nil
}

func isCountry(s string) bool {
	upper := func(c byte) bool { return c >= 'A' && c <= 'Z' }
	return len(s) == 2 && upper(s[0]) && upper(s[1])
}

// Split returns what the table was compiled from. Its slices are shared: treat
// them as read-only.
func (t *Table) Split() Split { return t.split }

// Pick says where r goes. draw is a uniform random number; its low and high
// halves decide the arm of an unkeyed request and whether it is mirrored, so
// one draw is enough. Pick does not allocate.
func (t *Table) Pick(r Request, draw uint64) Choice {
	key := t.Key(r)
	if matchAny(t.never, r, key) {
		return Choice{Arm: Stable, Forced: true}
	}
	if t.split.Open {
		if matchAny(t.always, r, key) {
			return Choice{Arm: Canary, Forced: true}
		}
		for i := range t.variants {
			if matchAny(t.variants[i], r, key) {
				return Choice{Arm: Arm(NumArms + i), Forced: true}
			}
		}
	}
	c := Choice{}
	point := Weight(uint32(draw) % uint32(Full)) // bias below 2⁻¹⁸
	if key != "" {
		c.Keyed, c.KeyHash = true, mix(t.salt, key)
		c.Bucket = uint16(c.KeyHash % uint64(Full))
		point = Weight(c.Bucket)
	}
	if t.split.Slots != "" {
		if c.Arm = Arm(t.split.Slots[point/(Full/NumSlots)] - '0'); c.Arm != Stable {
			return c
		}
	} else if point < t.split.Canary {
		c.Arm = Canary
		return c
	}
	c.Mirror = Weight(uint32(draw>>32)%uint32(Full)) < t.split.Mirror
	return c
}

// Key returns the request's sticky key, "" if it has none.
func (t *Table) Key(r Request) string {
	switch {
	case t.split.Sticky.Header != "":
		return r.Header(t.split.Sticky.Header)
	case t.split.Sticky.Cookie != "":
		return r.Cookie(t.split.Sticky.Cookie)
	}
	return ""
}

// Bucket returns the bucket of key, uniform in [0, Full). salt is the hash of
// the rollout's salt, so that two rollouts cut their users differently.
func Bucket(salt uint64, key string) uint16 {
	return uint16(mix(salt, key) % uint64(Full))
}

// KeyHash is Choice.KeyHash of a key under a split's salt.
func KeyHash(salt, key string) uint64 { return mix(xxhash.Sum64String(salt), key) }

// KeyHash is that of the request's sticky key, 0 if it has none.
func (t *Table) KeyHash(r Request) uint64 {
	if key := t.Key(r); key != "" {
		return mix(t.salt, key)
	}
	return 0
}

// mix hashes key under salt.
func mix(salt uint64, key string) uint64 {
	h := xxhash.Sum64String(key) ^ salt
	// The finaliser of SplitMix64: without it two salts would give buckets
	// that differ by an exclusive or, that is, correlated cohorts.
	h ^= h >> 30
	h *= 0xbf58476d1ce4e5b9
	h ^= h >> 27
	h *= 0x94d049bb133111eb
	return h ^ h>>31
}

func matchAny(ms []matcher, r Request, key string) bool {
	for i := range ms {
		if ms[i].match(r, key) {
			return true
		}
	}
	return false
}

func (m *matcher) match(r Request, key string) bool {
	switch {
	case m.header != "":
		return m.value(r.Header(m.header))
	case m.cookie != "":
		return m.value(r.Cookie(m.cookie))
	case m.countries != nil:
		c := r.Country()
		return c != "" && slices.Contains(m.countries, c)
	default:
		_, ok := m.cohort[key]
		return ok && key != ""
	}
}

func (m *matcher) value(v string) bool {
	switch {
	case v == "":
		return false
	case m.exact != "":
		return v == m.exact
	case m.prefix != "":
		return strings.HasPrefix(v, m.prefix)
	case m.regex != nil:
		return m.regex.MatchString(v)
	}
	return true
}
