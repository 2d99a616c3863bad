package traffic

import (
	"fmt"
	"strconv"
	"strings"
)

// Arm is one of the sides that are compared: two of a rollout, up to MaxArms of
// an experiment.
type Arm uint8

// The arms.
const (
	Stable  Arm = iota // the version in service; of an experiment, the control
	Canary             // the candidate
	NumArms = 2        // of a rollout
	// MaxArms bounds the arms of an experiment. Those from NumArms on are its
	// variants, in the order of Split.Variants.
	MaxArms = 8
)

// String returns "stable", "canary" or, of a variant, which has a name only in
// its split, "arm2" and on.
func (a Arm) String() string {
	switch a {
	case Stable:
		return "stable"
	case Canary:
		return "canary"
	}
	return "arm" + strconv.Itoa(int(a))
}

// MarshalText writes what String returns.
func (a Arm) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads what String returns.
func (a *Arm) UnmarshalText(b []byte) error {
	for arm := range Arm(MaxArms) {
		if arm.String() == string(b) {
			*a = arm
			return nil
		}
	}
	return fmt.Errorf("arm %q: want stable or canary", b)
}

// Weight is a share of traffic in hundredths of a percent: 0 to Full.
type Weight int

// Full is all traffic.
const Full Weight = 10000

// Percent returns the weight of p percent, rounded to the hundredth and
// clipped to 0..100.
func Percent(p float64) Weight {
	// Clipped before the conversion, which is undefined outside the integers.
	// Written so that NaN, which is no share at all, gives 0.
	if !(p > 0) {
		return 0
	}
	return Weight(min(p, 100)*100 + 0.5)
}

// Share returns the weight as a number in [0,1].
func (w Weight) Share() float64 { return float64(w) / float64(Full) }

// String returns the weight in percent, "5%" or "0.5%".
func (w Weight) String() string {
	return strconv.FormatFloat(float64(w)/100, 'f', -1, 64) + "%"
}

// Split is the whole target of a router: level-triggered, applied again at will.
// The zero Split sends everything to stable.
type Split struct {
	Generation uint64  `json:"generation"`       // grows with every change of the decision; routers report which one they carry
	Canary     Weight  `json:"canary"`           // random traffic to the canary; the rest goes to stable
	Mirror     Weight  `json:"mirror,omitempty"` // share of stable's traffic copied to the canary, its answers dropped
	Salt       string  `json:"salt,omitempty"`   // of the cohort hash; one per rollout
	Sticky     Sticky  `json:"sticky,omitzero"`  // the zero value draws every request anew
	Always     []Match `json:"always,omitempty"` // forced onto the canary while Open
	Never      []Match `json:"never,omitempty"`  // forced onto stable; wins over Always
	Open       bool    `json:"open,omitempty"`   // the canary may be reached by Always matches
	Compare    Compare `json:"compare,omitzero"` // how the two answers to a mirrored request are compared

	// Variants are the further arms of an experiment, from arm NumArms on, and
	// Slots who has each hundredth of the buckets, and so of random traffic: a
	// digit for each, the arm's number. Users whose hundredth keeps its digit stay
	// where they are, whatever becomes of the others. Both are empty but for
	// experiments of more than two arms; Canary is then what Slots gives it.
	Variants []Variant `json:"variants,omitempty"`
	Slots    string    `json:"slots,omitempty"`
}

// Variant is an arm of an experiment beside stable and canary.
type Variant struct {
	Name   string  `json:"name"`
	Always []Match `json:"always,omitempty"` // forced onto it while the split is Open
}

// NumSlots is the number of parts of equal size that an experiment deals out.
const NumSlots = 100

// Name returns what an arm is called.
func (s *Split) Name(a Arm) string {
	if i := int(a) - NumArms; i >= 0 && i < len(s.Variants) {
		return s.Variants[i].Name
	}
	return a.String()
}

// Arms returns how many arms the split knows.
func (s *Split) Arms() int { return NumArms + len(s.Variants) }

// Share returns an arm's share of random traffic.
func (s *Split) Share(a Arm) Weight {
	switch {
	case s.Slots != "":
		return SlotShare(s.Slots, a)
	case a == Canary:
		return s.Canary
	case a == Stable:
		return Full - s.Canary
	}
	return 0
}

// SlotShare returns the share that slots give to an arm.
func SlotShare(slots string, a Arm) Weight {
	return Weight(strings.Count(slots, string('0'+byte(a)))) * (Full / NumSlots)
}

// Sticky names where the key of a user's cohort is found. At most one is set.
type Sticky struct {
	Header string `json:"header,omitempty"`
	Cookie string `json:"cookie,omitempty"`
}

// Match selects requests. Exactly one field is set.
type Match struct {
	Header  *Field   `json:"header,omitempty"`
	Cookie  *Field   `json:"cookie,omitempty"`
	Country []string `json:"country,omitempty"` // ISO 3166-1 alpha-2, upper case
	Cohort  string   `json:"cohort,omitempty"`  // the name of a list of sticky keys
}

// Field matches a header or a cookie by name and value. With neither Exact,
// Prefix nor Regex its presence is enough.
type Field struct {
	Name   string `json:"name"`
	Exact  string `json:"exact,omitempty"`
	Prefix string `json:"prefix,omitempty"`
	Regex  string `json:"regex,omitempty"` // RE2, matched against the whole value
}

// Level says how much is known of what a router really does.
type Level string

// The levels, from nothing to measured.
const (
	Unknown  Level = "Unknown"  // nothing can be said: scale nothing down
	Written  Level = "Written"  // the configuration was stored
	Accepted Level = "Accepted" // the data plane says it carries this generation
	Flowing  Level = "Flowing"  // the share was measured
)

// Observed is what a router reports, not what it was asked for.
type Observed struct {
	Level      Level  `json:"level"`
	Generation uint64 `json:"generation"`
	Canary     Weight `json:"canary"`
	Mirror     Weight `json:"mirror"`
	Slots      string `json:"slots,omitempty"` // of an experiment with variants
}

// Carries reports whether the data plane is known to carry split s.
func (o Observed) Carries(s Split) bool {
	return (o.Level == Accepted || o.Level == Flowing) &&
		o.Generation == s.Generation && o.Canary == s.Canary && o.Mirror == s.Mirror && o.Slots == s.Slots
}

// Capabilities is what the data plane that serves a target can do. What is
// asked for and not listed here is refused, never dropped.
type Capabilities struct {
	Weights    bool `json:"weights"`    // any weight, to the hundredth of a percent
	Mirror     bool `json:"mirror"`     // copies a share of traffic
	Pairs      bool `json:"pairs"`      // compares the mirrored answers
	Sticky     bool `json:"sticky"`     // keeps a key on its arm
	Header     bool `json:"header"`     // always/never by header
	Cookie     bool `json:"cookie"`     // always/never by cookie
	Country    bool `json:"country"`    // always/never by country
	Cohort     bool `json:"cohort"`     // always/never by list of keys
	Variants   bool `json:"variants"`   // more than two arms
	ForcedKept bool `json:"forcedKept"` // counts forced requests apart from random ones
}
