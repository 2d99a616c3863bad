package experiment

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/haldane-dev/haldane/internal/stats"
)

// Ending says why an experiment has ended.
type Ending string

// The endings. The empty one is none.
const (
	Winner  Ending = "Winner" // one arm is better than each other one
	Futile  Ending = "Futile" // no treatment can be better than the control by what is worth having
	OutTime Ending = "Time"   // its time is over
	Unsafe  Ending = "Unsafe" // every treatment is closed
)

// Finding is what an experiment has come to.
type Finding struct {
	Ending Ending `json:"ending,omitempty"` // empty while it goes on
	Arm    int    `json:"arm,omitempty"`    // of a Winner
	Reason string `json:"reason"`           // one sentence for a person
}

// Interval returns the confidence sequence of arm j − arm i, in units of the
// goal. All intervals hold together with the configured confidence. Where users
// stay on their arm half of the error is set apart for who they are, and the
// interval is wider by what that can come to: everything while it is not known.
func Interval(c Config, s State, i, j int) stats.Interval {
	if i > j {
		x := Interval(c, s, j, i)
		return stats.Interval{Low: -x.High, High: -x.Low}
	}
	span := c.Goal.span()
	if len(s.Pairs) == 0 {
		return stats.Interval{Low: -span, High: span}
	}
	alpha := (1 - c.Confidence) / float64(len(s.Pairs))
	users, apart := s.whose(c.Goal, i, j, alpha/2)
	if apart {
		alpha /= 2
	}
	x := s.Pairs[pair(i, j)].Sequence.Interval(alpha, -1, 1)
	return stats.Interval{Low: math.Max(-span, x.Low*span-users), High: math.Min(span, x.High*span+users)}
}

// Judge returns whether the experiment has ended, elapsed time after its traffic
// began to flow.
func Judge(c Config, s State, elapsed time.Duration) Finding {
	if len(s.Arms) != len(c.Arms) {
		s = Begin(c)
	}
	if f, ok := s.unsafe(c); ok {
		return f
	}
	for _, why := range []string{s.Untrusted, s.selective(c), s.tooFew()} {
		switch {
		case why == "":
			continue
		case c.MaxDuration > 0 && elapsed >= c.MaxDuration:
			return Finding{Ending: OutTime, Reason: fmt.Sprintf("no winner within %s: %s", c.MaxDuration, why)}
		}
		return Finding{Reason: why}
	}
	if elapsed >= c.MinDuration {
		if f, ok := s.winner(c); ok {
			return f
		}
		if f, ok := s.futile(c); ok {
			return f
		}
	}
	if c.MaxDuration > 0 && elapsed >= c.MaxDuration {
		return Finding{Ending: OutTime, Reason: fmt.Sprintf("no winner within %s: %s", c.MaxDuration, s.standing(c))}
	}
	return Finding{Reason: s.standing(c)}
}

func (s State) unsafe(c Config) (Finding, bool) {
	var why []string
	for arm := 1; arm < len(c.Arms); arm++ {
		if s.Open(arm) {
			return Finding{}, false
		}
		why = append(why, c.Arms[arm].Name+": "+s.Arms[arm].Closed)
	}
	return Finding{Ending: Unsafe, Reason: "no treatment is left: " + strings.Join(why, "; ")}, true
}

// winner looks for an open arm that is better than each other open one.
func (s State) winner(c Config) (Finding, bool) {
	for arm := range c.Arms {
		if !s.Open(arm) {
			continue
		}
		best := true
		var over []string
		for other := range c.Arms {
			if other == arm || !s.Open(other) {
				continue
			}
			x := Interval(c, s, other, arm)
			best = best && x.Low > 0
			over = append(over, fmt.Sprintf("%s by %s", c.Arms[other].Name, c.Goal.interval(x)))
		}
		if best && len(over) > 0 {
			return Finding{Ending: Winner, Arm: arm, Reason: fmt.Sprintf("%s wins: it is better than %s", c.Arms[arm].Name, strings.Join(over, " and "))}, true
		}
	}
	return Finding{}, false
}

// futile reports whether no open treatment can be better than the control by what
// is worth having.
func (s State) futile(c Config) (Finding, bool) {
	var all []string
	for arm := 1; arm < len(c.Arms); arm++ {
		if !s.Open(arm) {
			continue
		}
		x := Interval(c, s, 0, arm)
		if x.High >= c.Goal.MinEffect {
			return Finding{}, false
		}
		all = append(all, fmt.Sprintf("%s %s", c.Arms[arm].Name, c.Goal.interval(x)))
	}
	return Finding{Ending: Futile, Reason: fmt.Sprintf("no arm can be better than %s by %s: %s",
		c.Arms[0].Name, c.Goal.amount(c.Goal.MinEffect), strings.Join(all, ", "))}, true
}

// standing says how the open treatments compare with the control.
func (s State) standing(c Config) string {
	var all []string
	for arm := 1; arm < len(c.Arms); arm++ {
		if s.Open(arm) {
			all = append(all, fmt.Sprintf("%s %s against %s", c.Arms[arm].Name, c.Goal.interval(Interval(c, s, 0, arm)), c.Arms[0].Name))
		}
	}
	return strings.Join(all, ", ")
}

// amount writes a difference in the goal's unit.
func (g Goal) amount(x float64) string {
	if g.share() {
		return short(x*100) + "pp"
	}
	return short(x)
}

// interval writes a range of differences.
func (g Goal) interval(x stats.Interval) string {
	return signed(g, x.Low) + " to " + signed(g, x.High)
}

func signed(g Goal, x float64) string {
	if x >= 0 {
		return "+" + g.amount(x)
	}
	return g.amount(x)
}

// short writes a number with three digits.
func short(x float64) string { return strconv.FormatFloat(x, 'g', 3, 64) }
