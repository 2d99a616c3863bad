package object

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/haldane-dev/haldane/internal/traffic"
)

// ErrCannot means that the data plane cannot do what a split asks for.
var ErrCannot = errors.New("this data plane cannot")

// Refuse returns ErrCannot for what s asks for and c lacks, and an error for a
// weight that is none. A data plane without weights takes 0% and 100%.
func Refuse(c traffic.Capabilities, s traffic.Split) error {
	if s.Canary < 0 || s.Canary > traffic.Full || s.Mirror < 0 || s.Mirror > traffic.Full {
		return fmt.Errorf("canary %s, mirror %s: a weight is between 0%% and 100%%", s.Canary, s.Mirror)
	}
	cannot := func(what string) error { return fmt.Errorf("%w %s", ErrCannot, what) }
	switch {
	case !c.Weights && s.Canary != 0 && s.Canary != traffic.Full:
		return cannot("split traffic by weights")
	case s.Mirror > 0 && !c.Mirror:
		return cannot("copy requests: leave shadow steps out")
	case len(s.Variants) > 0 && !c.Variants:
		return cannot("divide traffic between more than two arms: leave workload.variants out")
	case s.Sticky != (traffic.Sticky{}) && !c.Sticky:
		return cannot("keep users on their arm: leave routing.stickyBy out")
	}
	all := [][]traffic.Match{s.Always, s.Never}
	for _, v := range s.Variants {
		all = append(all, v.Always)
	}
	for _, ms := range all {
		for _, m := range ms {
			switch {
			case m.Header != nil && !c.Header:
				return cannot("match headers: leave always and never by header out")
			case m.Cookie != nil && !c.Cookie:
				return cannot("match cookies: leave always and never by cookie out")
			case len(m.Country) > 0 && !c.Country:
				return cannot("tell countries apart: leave always and never by country out")
			case m.Cohort != "" && !c.Cohort:
				return cannot("tell users apart: leave always and never by cohort out")
			case m.Header == nil && m.Cookie == nil && len(m.Country) == 0 && m.Cohort == "":
				return errors.New("a match names no header, cookie, country or cohort")
			}
		}
	}
	return nil
}

// Pattern returns what the value of a header is compared with: the value
// itself, or a regular expression that covers the whole value, anchored for
// data planes that search within it.
func Pattern(f traffic.Field) (value string, isRegex bool) {
	switch {
	case f.Exact != "":
		return f.Exact, false
	case f.Prefix != "":
		return "^" + regexp.QuoteMeta(f.Prefix) + ".*$", true
	case f.Regex != "":
		return "^(?:" + f.Regex + ")$", true
	}
	return "^.+$", true
}

// CookiePattern returns the regular expression for a Cookie header that holds
// the cookie. A regular expression of the user's that can match a semicolon can
// run on into the next cookie.
func CookiePattern(f traffic.Field) string {
	value := "[^;]+"
	switch {
	case f.Exact != "":
		value = regexp.QuoteMeta(f.Exact)
	case f.Prefix != "":
		value = regexp.QuoteMeta(f.Prefix) + "[^;]*"
	case f.Regex != "":
		value = "(?:" + f.Regex + ")"
	}
	return `^(?:.*;\s*)?` + regexp.QuoteMeta(f.Name) + "=" + value + `(?:;.*)?$`
}

// Shares returns the weights of both arms in the smallest whole numbers of at
// least a hundred together: 95 and 5 rather than 9500 and 500.
func Shares(canary traffic.Weight) (stable, weight int64) {
	unit := int64(traffic.Full) / 100
	if int64(canary)%unit != 0 {
		unit = 1
	}
	return int64(traffic.Full-canary) / unit, int64(canary) / unit
}
