package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
)

// The elements that consumers of JUnit's XML agree on.
type (
	suites struct {
		XMLName xml.Name `xml:"testsuites"`
		Name    string   `xml:"name,attr"`
		counts
		Suites []suite `xml:"testsuite"`
	}
	suite struct {
		Name      string `xml:"name,attr"`
		Timestamp string `xml:"timestamp,attr,omitempty"`
		counts
		Properties []property `xml:"properties>property"`
		Cases      []testcase `xml:"testcase"`
		Out        string     `xml:"system-out,omitempty"`
	}
	counts struct {
		Tests    int     `xml:"tests,attr"`
		Failures int     `xml:"failures,attr"`
		Errors   int     `xml:"errors,attr"`
		Skipped  int     `xml:"skipped,attr"`
		Time     seconds `xml:"time,attr"`
	}
	property struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	testcase struct {
		Class   string   `xml:"classname,attr"`
		Name    string   `xml:"name,attr"`
		Time    seconds  `xml:"time,attr"`
		Skipped *message `xml:"skipped"`
		Error   *message `xml:"error"`
		Failure *message `xml:"failure"`
		Out     string   `xml:"system-out,omitempty"`
	}
	message struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr,omitempty"`
		Text    string `xml:",chardata"`
	}
	seconds float64
)

// MarshalText implements encoding.TextMarshaler: no exponent, which some
// consumers cannot read.
func (s seconds) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%.3f", float64(s)), nil }

// WriteJUnit writes one testsuite for each report, with a testcase for how it
// ended, for each metric at each step, and for each step at which nothing was
// compared. A metric that failed is a failure, a comparison that cannot be
// trusted an error, and what was not decided or not reached is skipped.
func WriteJUnit(w io.Writer, reports ...Report) error {
	all := suites{Name: "haldane"}
	for _, r := range reports {
		s := suiteOf(r)
		all.Tests += s.Tests
		all.Failures += s.Failures
		all.Errors += s.Errors
		all.Skipped += s.Skipped
		all.Time += s.Time
		all.Suites = append(all.Suites, s)
	}
	text, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return fmt.Errorf("write the report as JUnit XML: %w", err)
	}
	if _, err := fmt.Fprintf(w, "%s%s\n", xml.Header, text); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

func suiteOf(r Report) suite {
	s := suite{Name: r.Rollout, counts: counts{Time: seconds(r.Seconds)}}
	if !r.Began.IsZero() {
		s.Timestamp = r.Began.UTC().Format("2006-01-02T15:04:05")
	}
	s.Properties = []property{
		{"stable", r.Stable}, {"canary", r.Canary}, {"attempt", fmt.Sprint(r.Attempt)}, {"result", string(r.Result)},
		{"requests.stable", fmt.Sprint(r.Arms["stable"].Requests)}, {"requests.canary", fmt.Sprint(r.Arms["canary"].Requests)},
		{"probability.falseRollback", fmt.Sprint(r.FalseRollback)}, {"probability.falsePromotion", fmt.Sprint(r.FalsePromotion)},
	}
	s.Cases = append(s.Cases, ending(r))
	for _, st := range r.Steps {
		s.Cases = append(s.Cases, stepCases(r, st)...)
	}
	for i := range s.Cases {
		c := &s.Cases[i]
		c.Class = "haldane." + r.Rollout
		s.Tests++
		switch {
		case c.Failure != nil:
			s.Failures++
		case c.Error != nil:
			s.Errors++
		case c.Skipped != nil:
			s.Skipped++
		}
	}
	var out strings.Builder
	for _, e := range r.Events {
		fmt.Fprintf(&out, "%s  %s  %s\n", e.At.UTC().Format(time.RFC3339), e.Kind, e.Message)
	}
	s.Out = out.String()
	return s
}

// ending is the testcase of the rollout as a whole.
func ending(r Report) testcase {
	name := "%s replaces %s"
	if r.Result == Completed {
		name = "%s compared with %s"
	}
	c := testcase{Name: fmt.Sprintf(name, r.Canary, r.Stable), Time: seconds(r.Seconds)}
	switch r.Result {
	case Promoted, Completed:
		c.Out = r.Reason
	case RolledBack:
		c.Failure = &message{Message: r.Reason, Type: "RolledBack", Text: r.Reason}
	case Held:
		c.Failure = &message{Message: orElse(r.Reason, "held at its deadline, undecided"), Type: "Held", Text: r.Reason}
	case Unfinished:
		c.Skipped = &message{Message: "the rollout has not ended: " + string(r.Phase)}
	}
	return c
}

// stepCases are the testcases of one step.
func stepCases(r Report, s Step) []testcase {
	name := fmt.Sprintf("step %d of %d, %s", s.Number, len(r.Steps), s.What)
	if s.State == NotReached || s.State == Skipped || len(s.Metrics) == 0 {
		c := testcase{Name: name, Time: seconds(s.Seconds)}
		if s.State != Passed {
			c.Skipped = &message{Message: string(s.State)}
		}
		return []testcase{c}
	}
	out := make([]testcase, len(s.Metrics))
	for i, m := range s.Metrics {
		c := testcase{Name: name + ": " + m.Name, Time: seconds(s.Seconds)}
		what := &message{Message: orElse(m.Reason, string(m.Decision)), Type: string(m.Decision), Text: m.Numbers}
		switch m.Decision {
		case analysis.Pass:
			c.Out = strings.TrimSpace(m.Reason + "\n" + m.Numbers)
		case analysis.Fail:
			c.Failure = what
		case analysis.Invalid:
			c.Error = what
		default:
			what.Type, what.Text = "", ""
			c.Skipped, c.Out = what, m.Numbers
		}
		out[i] = c
	}
	return out
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
