package prometheustest

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// query is a selector over a range of time.
type query struct {
	matchers []matcher
	over     time.Duration
	newest   bool // last_over_time of it
}

// matcher is one condition on a label.
type matcher struct {
	label string
	re    *regexp.Regexp
	not   bool
}

var (
	whole = regexp.MustCompile(`^(last_over_time\()?([a-zA-Z_:][a-zA-Z0-9_:]*)?(\{.*\})?\[(\d+)ms\]\)?$`)
	one   = regexp.MustCompile(`^\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*")\s*,?`)
)

// parse reads the questions that Haldane asks, and no others.
func parse(text string) (query, error) {
	m := whole.FindStringSubmatch(text)
	if m == nil || m[2] == "" && m[3] == "" {
		return query{}, fmt.Errorf("parse error: %s is no selector over milliseconds", text)
	}
	ms, err := strconv.Atoi(m[4])
	if err != nil {
		return query{}, fmt.Errorf("parse error: %w", err)
	}
	q := query{over: time.Duration(ms) * time.Millisecond, newest: m[1] != ""}
	if m[2] != "" {
		q.matchers = append(q.matchers, matcher{label: model.MetricNameLabel, re: regexp.MustCompile("^" + m[2] + "$")})
	}
	for rest := strings.Trim(m[3], "{}"); strings.TrimSpace(rest) != ""; {
		c := one.FindStringSubmatch(rest)
		if c == nil {
			return query{}, fmt.Errorf("parse error: %q is no matcher", rest)
		}
		value, err := strconv.Unquote(c[3])
		if err != nil {
			return query{}, fmt.Errorf("parse error: %s: %w", c[3], err)
		}
		if !strings.HasSuffix(c[2], "~") {
			value = regexp.QuoteMeta(value)
		}
		re, err := regexp.Compile("^(?:" + value + ")$")
		if err != nil {
			return query{}, fmt.Errorf("parse error: %w", err)
		}
		q.matchers = append(q.matchers, matcher{c[1], re, strings.HasPrefix(c[2], "!")})
		rest = rest[len(c[0]):]
	}
	return q, nil
}

func (q query) finds(labels model.Metric) bool {
	for _, m := range q.matchers {
		if m.re.MatchString(string(labels[model.LabelName(m.label)])) == m.not {
			return false
		}
	}
	return true
}
